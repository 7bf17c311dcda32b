// The tick on real servers: several instances are ticked, and many sales are loaded and looked
// after at once.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { recordBatch, topOf } from '#lib/board/board.ts';
import { mysqlQueriesAtOnce, reconcileEveryMs } from '#lib/constants.ts';
import { inParallel } from '#lib/in-parallel.ts';
import { productsBoardKey, reconcileKey, saleKeys } from '#lib/names.ts';
import { readRows } from '#lib/reconcile/facts.ts';
import type { Reconciliation } from '#lib/reconcile/report.ts';
import { noteStatus } from '#lib/sale/note-status.ts';
import { uniqueName } from '#lib/testing/unique.ts';
import { closeSale } from './operate/close-sale.ts';
import { warmSales } from './operate/warm.ts';
import { createDecide } from './purchase.ts';
import { eventLogOf } from './recover/read-events.ts';
import type { ReconcileDependencies } from './recover/reconcile.ts';
import { openApp } from './testing/app-fixture.ts';
import {
  accepted,
  aPurchase,
  type Bench,
  gate,
  type Instance,
  isSettled,
  log,
  many,
  numbersTo,
  openOwnBench,
} from './testing/purchase-fixture.ts';
import { createUpkeep, drainAll, publishedWithinMs, reconcileDue } from './tick.ts';
import { UnknownProducts } from './unknown-products.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await openOwnBench();
});
afterAll(() => bench.close());

function dependencies(instance: Instance): ReconcileDependencies {
  const { redis, mysql, kafka, signingKeys } = bench;
  return {
    ...{ redis, mysql, log, seller: instance.seller, publisher: instance.publisher },
    readEvents: eventLogOf({ kafka, signingKeys }).readEvents,
    readProgress: () => Promise.resolve({ committed: new Map(), ends: new Map(), complete: true }),
    deliveryWaitMs: 0,
  };
}

/** A loaded sale without orders. */
async function loadedSale(instance: Instance): Promise<string> {
  const productId = await bench.product();
  await instance.seller.exclusively(productId, () => Promise.resolve());
  return productId;
}

test('an order that MySQL rejects is off the boards with the next tick, and stays off', async () => {
  const instance = bench.instance();
  const productId = await bench.product({ limitPerUser: 5 });
  for (const [userId, quantity] of [
    ['ann', 2],
    ['bob', 1],
  ] as const) {
    const purchase = aPurchase(productId, { userId, quantity });
    expect(await instance.seller.purchase(productId, [purchase])).toEqual([
      { ...accepted, quantity },
    ]);
  }
  const published = await bench.published(productId);
  const showAll = async () => {
    for (const { event } of published) await recordBatch(bench.redis, event);
  };
  const shown = async () => [
    (await topOf(bench.redis, productId, 'quantity', 9)).map(({ member }) => member),
    await bench.redis.zscore(productsBoardKey, productId),
  ];
  await showAll();
  expect(await shown()).toEqual([['ann', 'bob'], '3']);
  // Somebody took nearly all of it from MySQL: ann's order cannot become a row as it is.
  await bench.update(productId, { unsold: 1 });
  await bench.persistAll(productId);
  const rows = await readRows(bench.mysql, productId);
  const statuses = [...rows.values()].map(({ orderId, status }) => [orderId, status] as const);
  expect(statuses.map(([, status]) => status).sort()).toEqual(['confirmed', 'rejected']);
  await noteStatus(bench.redis, productId, statuses);
  await drainAll(dependencies(instance));
  expect(await shown()).toEqual([['bob'], '1']);
  expect(instance.rebuilds).toBe(2);
  await showAll();
  expect(await shown()).toEqual([['bob'], '1']);
  await drainAll(dependencies(instance));
  expect(instance.rebuilds).toBe(2);
});

test('a sale is not settled before Redis knows what MySQL has rejected', async () => {
  const instance = bench.instance();
  const { redis, mysql } = bench;
  const { seller } = instance;
  const productId = await bench.product();
  const purchases = many(productId, 2);
  for (const purchase of purchases) await seller.purchase(productId, [purchase]);
  for (const { event } of await bench.published(productId)) await recordBatch(redis, event);
  await bench.update(productId, { unsold: 1 });
  // persist-order ended before it could note what became of them.
  await bench.persistAll(productId);
  await bench.update(productId, { unsold: 9 });
  const rows = [...(await readRows(mysql, productId)).values()];
  const sold = rows.filter(({ status }) => status === 'confirmed').map(({ userId }) => userId);
  expect(sold).toHaveLength(1);
  const close = async () => {
    const operation = { operationId: uniqueName('op-'), operator: 'ops' };
    await closeSale({ redis, mysql, seller }, productId, operation);
    return (await bench.row(productId)).state;
  };
  expect(await close()).toBe('closed');
  await drainAll(dependencies(instance));
  expect(await close()).toBe('settled');
  const shown = await topOf(redis, productId, 'quantity', 9);
  expect(shown.map(({ member }) => member)).toEqual(sold);
});

describe('reconciling by the tick', () => {
  test('two instances are ticked at once: each sale is reconciled once in a minute', async () => {
    const [one, two] = [bench.instance(), bench.instance()];
    const ids = [await loadedSale(one), await loadedSale(two), await loadedSale(one)];
    const never = await bench.product();
    const settled = await bench.product({ state: 'settled', generation: 1 });
    const found: Reconciliation[] = [];
    const tell = (report: Reconciliation) => found.push(report);
    const tick = () =>
      Promise.all([one, two].map((instance) => reconcileDue(dependencies(instance), tell)));
    const done = await tick();
    expect(done.reduce((sum, count) => sum + count)).toBe(found.length);
    const ours = found.filter(({ productId }) => ids.includes(productId));
    const told = ours.map(({ productId }) => productId);
    expect(told.sort()).toEqual([...ids].sort());
    const seen = new Set(found.map(({ productId }) => productId));
    expect(seen.has(never) || seen.has(settled)).toBe(false);
    expect(ours.every(({ ok }) => ok)).toBe(true);
    // The note ends by itself, before the next minute.
    const [first = ''] = ids;
    const leftMs = await bench.redis.pttl(reconcileKey(first));
    expect(leftMs).toBeGreaterThan(0);
    expect(leftMs).toBeLessThanOrEqual(reconcileEveryMs);
    expect(await tick()).toEqual([0, 0]);
    await bench.redis.del(reconcileKey(first));
    expect((await tick()).reduce((sum, count) => sum + count)).toBe(1);
  });

  test('one sale that cannot be reconciled does not keep the others waiting', async () => {
    const instance = bench.instance();
    const [bad, good] = [await loadedSale(instance), await loadedSale(instance)];
    const found: string[] = [];
    const { seller } = instance;
    const failing: ReconcileDependencies['seller'] = {
      exclusively: (productId, work) =>
        productId === bad
          ? Promise.reject(new Error('etcd is away'))
          : seller.exclusively(productId, work),
    };
    await reconcileDue({ ...dependencies(instance), seller: failing }, ({ productId }) => {
      found.push(productId);
    });
    expect(found).toContain(good);
    expect(found).not.toContain(bad);
  });

  test('ticks that come together are one', async () => {
    let drained = 0;
    const drain = async () => {
      drained += 1;
      await Promise.resolve();
      return 1;
    };
    const { tick } = createUpkeep(drain, () => Promise.resolve(0), log);
    await Promise.all([tick(), tick(), tick()]);
    expect(drained).toBe(1);
    await tick();
    expect(drained).toBe(2);
  });

  test('no drain waits for a reconciliation; leaving begins no other and waits for the last', async () => {
    const reconciling = gate();
    let [drained, reconciled] = [0, 0];
    let leaving: AbortSignal | undefined;
    const drain = () => Promise.resolve((drained += 1));
    const reconcileThem = async (signal: AbortSignal) => {
      leaving = signal;
      await reconciling.pass();
      return (reconciled += 1);
    };
    const { tick, stop } = createUpkeep(drain, reconcileThem, log);
    await tick();
    await reconciling.isReached;
    await tick();
    await tick();
    expect([drained, reconciled, leaving?.aborted]).toEqual([3, 0, false]);
    const stopped = stop();
    expect(leaving?.aborted).toBe(true);
    expect(await isSettled(stopped)).toBe(false);
    reconciling.open();
    await stopped;
    await tick();
    await stop();
    expect([drained, reconciled]).toEqual([4, 1]);
  });

  test('once this instance leaves, no sale is noted as reconciled', async () => {
    const instance = bench.instance();
    const productId = await loadedSale(instance);
    const signal = AbortSignal.abort();
    expect(await reconcileDue(dependencies(instance), () => undefined, signal)).toBe(0);
    expect(await bench.redis.exists(reconcileKey(productId))).toBe(0);
  });

  test('a sale with a batch on its way keeps its lock; one that stays pending is drained', async () => {
    const selling = bench.instance();
    const productId = await loadedSale(selling);
    const sending = gate();
    selling.aroundPublish = async (publish) => {
      await sending.pass();
      await publish();
    };
    const answers = selling.seller.purchase(productId, many(productId, 1));
    await sending.isReached;
    const asked: string[] = [];
    const seller: ReconcileDependencies['seller'] = {
      exclusively: (id) => {
        asked.push(id);
        return Promise.reject(new Error('not needed here'));
      },
    };
    const drain = (sparedMs: number) =>
      drainAll({ redis: bench.redis, mysql: bench.mysql, seller, log }, sparedMs);
    await drain(publishedWithinMs);
    expect(asked).not.toContain(productId);
    await drain(0);
    expect(asked).toContain(productId);
    sending.open();
    expect(await answers).toEqual([accepted]);
  });

  test('a restock that crashed before Redis is finished by the tick', async () => {
    const instance = bench.instance();
    const productId = await loadedSale(instance);
    await bench.update(productId, { stock: 15, unsold: 15 });
    const { redis, mysql } = bench;
    expect(await drainAll({ redis, mysql, seller: instance.seller, log })).toBeGreaterThan(0);
    expect(await redis.hget(saleKeys(productId).sale, 'left')).toBe('15');
    expect(instance.rebuilds).toBe(1);
  });
});

describe('loading many sales', () => {
  test('two hundred are loaded at once, each told of; a failure does not stop the rest', async () => {
    const instance = bench.instance();
    const ids = await inParallel(numbersTo(200), mysqlQueriesAtOnce, () => bench.product());
    const settled = await bench.product({ state: 'settled' });
    const before = await loadedSale(instance);
    const startedMs = performance.now();
    const results = await warmSales({ ...bench, seller: instance.seller, log }, [
      ...ids,
      settled,
      before,
      'no-such-product',
    ]);
    const tookMs = performance.now() - startedMs;
    process.stdout.write(`200 sales were loaded in ${tookMs.toFixed(0)} ms\n`);
    expect(results.filter(({ result }) => result === 'loaded')).toHaveLength(200);
    expect(results.slice(200)).toEqual([
      { productId: settled, result: 'failed', reason: 'it is settled' },
      { productId: before, result: 'was_loaded' },
      { productId: 'no-such-product', result: 'failed', reason: 'no such product' },
    ]);
    expect(instance.rebuilds).toBe(201);
    const [first = ''] = ids;
    expect(await instance.seller.purchase(first, many(first, 1))).toEqual([accepted]);
    const again = await warmSales({ ...bench, seller: instance.seller, log }, ids);
    expect(new Set(again.map(({ result }) => result))).toEqual(new Set(['was_loaded']));
  });

  test('a copy of another generation than MySQL names is not loaded', async () => {
    const productId = await loadedSale(bench.instance());
    await bench.update(productId, { generation: 2 });
    const [one, two] = [bench.instance(), bench.instance()];
    const warm = ({ seller }: Instance) => warmSales({ ...bench, seller, log }, [productId]);
    expect(await warm(one)).toEqual([{ productId, result: 'loaded' }]);
    expect(one.rebuilds).toBe(1);
    expect(await warm(two)).toEqual([{ productId, result: 'was_loaded' }]);
  });

  test('over HTTP, with what is wrong about a request', async () => {
    const instance = bench.instance();
    const app = openApp(bench, instance);
    const productId = await bench.product();
    const warmed = await app.operate('sales/warm', { body: { productIds: [productId] } });
    expect(warmed).toMatchObject({
      status: 200,
      body: { sales: [{ productId, result: 'loaded' }] },
    });
    for (const body of [{ productIds: [] }, { productIds: ['no product'] }, {}]) {
      expect((await app.operate('sales/warm', { body })).status).toBe(400);
    }
  });
});

describe('what is counted and remembered', () => {
  test('a purchase is a hit where Redis had the stock, and a miss where MySQL was asked', async () => {
    const instance = bench.instance();
    const counted = { hit: 0, miss: 0 };
    const remembered: boolean[] = [];
    const decide = createDecide({
      ...{ redis: bench.redis, mysql: bench.mysql, seller: instance.seller },
      loadsOf: () => instance.rebuilds,
      onStockLookups: (result, purchases) => {
        counted[result] += purchases;
      },
      onWhereabouts: (hit) => remembered.push(hit),
    });
    const productId = await bench.product();
    await decide(productId, many(productId, 3));
    expect(counted).toEqual({ hit: 0, miss: 3 });
    await decide(productId, many(productId, 2));
    expect(counted).toEqual({ hit: 2, miss: 3 });
    // Whoever invents products has no say in it.
    await decide('no-such-product', [aPurchase('no-such-product')]);
    expect(counted).toEqual({ hit: 2, miss: 3 });
    const settled = await bench.product({ state: 'settled', generation: 1 });
    await decide(settled, many(settled, 1));
    expect(counted).toEqual({ hit: 2, miss: 4 });
    expect(remembered).toEqual([false, true, false, false]);
    // What was not decided was not looked up.
    instance.aroundPublish = () => Promise.reject(new Error('Kafka is away'));
    await decide(productId, many(productId, 1));
    expect(counted).toEqual({ hit: 2, miss: 4 });
  });

  test('an unknown product is asked for once in a second', async () => {
    const looked: boolean[] = [];
    const app = openApp(bench, bench.instance(), {
      onUnknownLookup: (hit) => looked.push(hit),
    });
    for (let round = 0; round < 3; round += 1) {
      expect((await app.call('GET', '/products/invented')).status).toBe(404);
    }
    expect(looked).toEqual([false, true, true]);
    const unknown = new UnknownProducts();
    unknown.add('p', 0);
    expect([unknown.has('p', 999), unknown.has('p', 1_001), unknown.has('q', 1)]).toEqual([
      true,
      false,
      false,
    ]);
  });
});
