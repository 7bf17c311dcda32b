// A sale on a Redis Cluster: all of its keys are in one slot, on one node, and every script names
// all that it touches.

import { Cluster, Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { saleKeys } from '#lib/names.ts';
import { connectRedis, type RedisClient } from '#lib/redis/connect.ts';
import { createLog } from '#lib/telemetry/log.ts';
import { type OwnCluster, startOwnCluster } from '#lib/testing/own-cluster.ts';
import { findOrders } from './find-orders.ts';
import { noteStatus } from './note-status.ts';
import { parseOrderRecord } from './order-record.ts';
import { readRefusals } from './refusal.ts';
import { acknowledge, configure, readOutbox, saleTimeUs, sell } from './sale.ts';
import { loadTestSale } from './test-sale.ts';

let own: OwnCluster;
let redis: RedisClient;
beforeAll(async () => {
  own = await startOwnCluster();
  redis = connectRedis({ urls: own.urls }, createLog('test', 'silent'));
  await vi.waitFor(() => redis.ping(), 20_000);
});
afterAll(async () => {
  redis.disconnect();
  await own.remove();
});

test('a dozen sales on three nodes are sold, acknowledged, changed and noted', async () => {
  const slots = new Set<unknown>();
  for (let count = 0; count < 12; count += 1) {
    const sale = await loadTestSale(redis, { limit: 5 });
    const { productId, keys, fence } = sale;
    slots.add(await slotOf(keys.sale));
    const purchase = sale.purchase({ quantity: 3 });
    const { batches } = await sale.decide([purchase, sale.purchase()]);
    expect(await readOutbox(redis, productId)).toEqual(batches);
    expect(await acknowledge(redis, productId, fence, [1])).toBe(true);
    expect(await sale.outcomes([purchase])).toEqual(['replayed']);
    expect(await noteStatus(redis, productId, [[purchase.orderId, 'confirmed']])).toBe(1);
    const record = await redis.hget(keys.orders, purchase.orderId);
    expect(parseOrderRecord(record ?? '')?.status).toBe('confirmed');
    const [found] = await findOrders(redis, productId, [purchase.orderId]);
    expect(found?.status).toBe('confirmed');
    const closed = { state: 'closed', opensAtUs: 1, closesAtUs: null } as const;
    expect(await configure(redis, productId, fence, closed)).toBe('configured');
    const late = sale.purchase();
    expect(await sale.outcomes([purchase, late])).toEqual(['replayed', 'ended']);
    const ids = [purchase.orderId, late.orderId];
    expect(await readRefusals(redis, productId, ids)).toEqual([undefined, { outcome: 'ended' }]);
    expect(await saleTimeUs(redis, productId)).toBeGreaterThan(1_700_000_000_000_000);
  }
  expect(slots.size).toBeGreaterThan(3);
});

test('a sale that was moved to another node is another process’s, and is not sold there', async () => {
  const sale = await loadTestSale(redis);
  await sale.decide([sale.purchase()]);
  await sale.publishAll();
  await moveSlot(await slotOf(sale.keys.sale), sale.productId);
  const { kind } = await sell(redis, sale.productId, sale.fence, [sale.purchase()]);
  expect(kind).toBe('other_process');
  expect(await sale.field('sold')).toBe('1');
});

/** Loses the answers of the node that has the key until it is told to cut the connection. */
async function loseAnswers(key: string): Promise<() => void> {
  const [owner] = cluster().slots[await slotOf(key)] ?? [];
  const node = cluster()
    .nodes('master')
    .find(({ options }) => `${options.host ?? ''}:${options.port ?? 0}` === owner);
  if (node === undefined) throw new Error(`no master has ${key}`);
  const { stream } = node;
  stream.removeAllListeners('data');
  return () => stream.destroy();
}

// ioredis sends a command to a cluster again when its connection ends before the answer.
test.each(['the same process', 'another process'])(
  'a call that ioredis sends again, to %s, sells nothing twice',
  async (to) => {
    const sale = await loadTestSale(redis, { limit: 5 });
    const { productId, keys, fence } = sale;
    const beside = connectRedis({ urls: own.urls }, createLog('test', 'silent'));
    await vi.waitFor(() => beside.hgetall(keys.sale), 10_000);
    const purchases = [sale.purchase(), sale.purchase()];
    // The script is known to the node, so that it runs at the first attempt.
    await sale.decide([]);
    const cut = await loseAnswers(keys.sale);
    const answer = sell(redis, productId, fence, purchases);
    await vi.waitFor(async () => {
      expect(await beside.hget(keys.sale, 'sold')).toBe('2');
    }, 900);
    if (to === 'another process') await beside.hset(keys.sale, 'run_id', 'f'.repeat(40));
    cut();
    expect((await answer).kind).toBe(to === 'another process' ? 'other_process' : 'leftovers');
    expect(await beside.hmget(keys.sale, 'sold', 'batches', 'free')).toEqual(['2', '1', '3-10']);
    expect(await beside.hlen(keys.orders)).toBe(2);
    beside.disconnect();
  },
);

function cluster(): Cluster {
  if (redis instanceof Cluster) return redis;
  throw new Error('not a cluster');
}

async function slotOf(key: string): Promise<number> {
  const [node] = cluster().nodes('master');
  return Number(await node?.call('CLUSTER', 'KEYSLOT', key));
}

/** Moves a slot and the keys of the product in it to another node, as resharding does. */
async function moveSlot(slot: number, productId: string): Promise<void> {
  const nodes = await Promise.all(
    own.urls.map(async (url) => {
      const client = new Redis(url);
      return {
        client,
        port: Number(new URL(url).port),
        id: String(await client.call('CLUSTER', 'MYID')),
      };
    }),
  );
  try {
    const keys = Object.values(saleKeys(productId));
    const held = await Promise.all(
      nodes.map(async ({ client }) => client.call('CLUSTER', 'COUNTKEYSINSLOT', slot)),
    );
    const from = nodes[held.findIndex((count) => Number(count) > 0)];
    const to = nodes.find((node) => node !== from);
    if (!from || !to) throw new Error('no node has the slot');
    await to.client.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', from.id);
    await from.client.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', to.id);
    await from.client.call('MIGRATE', '127.0.0.1', to.port, '', 0, 5_000, 'KEYS', ...keys);
    for (const { client } of nodes) await client.call('CLUSTER', 'SETSLOT', slot, 'NODE', to.id);
  } finally {
    for (const { client } of nodes) client.disconnect();
  }
}
