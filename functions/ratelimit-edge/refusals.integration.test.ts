import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { redis as redisStore } from '#knative/local/stores/redis.ts';
import { setLimit } from '#lib/buckets/limits.ts';
import { connectRedis, type RedisClient } from '#lib/redis/connect.ts';
import { restock } from '#lib/sale/change.ts';
import type { Purchase } from '#lib/sale/sale.ts';
import { loadTestSale, type TestSale } from '#lib/sale/test-sale.ts';
import { createLog } from '#lib/telemetry/log.ts';
import { type OwnStore, startOwnStore } from '#lib/testing/own-store.ts';
import { createRefusals, type Refusals } from './refusals.ts';
import {
  type Edge,
  type FakePurchase,
  startEdge,
  startFakePurchase,
  tokenFor,
} from './testing/edge-fixture.ts';

let store: OwnStore;
let redis: RedisClient;
let nowMs = 0;
let refusals: Refusals;
let sale: TestSale;
let purchase: FakePurchase;
let edge: Edge;

beforeAll(async () => {
  store = await startOwnStore(redisStore);
  redis = connectRedis({ urls: [store.address] }, createLog('test', 'silent'));
  await new Promise<void>((resolve) => redis.once('ready', resolve));
  purchase = await startFakePurchase();
  edge = await startEdge(store.address, purchase.url);
});

afterAll(async () => {
  await edge.stop();
  await purchase.close();
  redis.disconnect();
  await store.remove();
});

beforeEach(async () => {
  nowMs = 0;
  refusals = createRefusals(redis, () => nowMs);
  sale = await loadTestSale(redis, { stock: 1 });
  // The seller's answers, without its lock and its Kafka.
  purchase.seen.length = 0;
  purchase.answer = (request, response) => {
    const { purchases } = JSON.parse(request.body) as { purchases: Purchase[] };
    void sale.decide(purchases).then(async ({ answers }) => {
      await sale.publishAll();
      response.end(JSON.stringify({ answers }));
    });
  };
});

const soldOut = { outcome: 'sold_out', left: 0 } as const;
const lookUp = async (orderId = sale.purchase().orderId) =>
  refusals.lookUp(sale.productId, orderId);

async function sellOut(): Promise<string> {
  const buyer = sale.purchase();
  await sale.decide([buyer]);
  await sale.publishAll();
  return buyer.orderId;
}

test('nothing is refused before purchase has refused it', async () => {
  await sellOut();
  expect(await lookUp()).toBeUndefined();
  refusals.learn(sale.productId, { outcome: 'sold_out', left: 1 }, nowMs);
  expect(await lookUp()).toBeUndefined();
  refusals.learn(sale.productId, soldOut, nowMs);
  expect(await lookUp()).toEqual(soldOut);
});

test('a refusal is repeated for a second from when purchase was asked, and no longer', async () => {
  await sellOut();
  refusals.learn(sale.productId, soldOut, 100);
  nowMs = 599;
  expect(await lookUp()).toEqual(soldOut);
  nowMs = 1_100;
  // One goes on to ask anew; the others are answered from memory.
  expect(await lookUp()).toBeUndefined();
  expect(await lookUp()).toEqual(soldOut);
  nowMs = 1_101;
  expect(await lookUp()).toBeUndefined();
  expect(await lookUp()).toBeUndefined();
});

test('an answer to an older request does not make it last longer', async () => {
  await sellOut();
  refusals.learn(sale.productId, soldOut, 900);
  refusals.learn(sale.productId, soldOut, 0);
  nowMs = 1_300;
  expect(await lookUp()).toEqual(soldOut);
});

test('from half a second on, one in a tenth of a second asks anew', async () => {
  await sellOut();
  refusals.learn(sale.productId, soldOut, 0);
  let asked = 0;
  for (nowMs = 0; nowMs <= 1_000; nowMs += 10) {
    if ((await lookUp()) === undefined) asked += 1;
  }
  expect(asked).toBe(6);
});

test('whoever was accepted is not refused, in the same read as all others', async () => {
  const buyer = await sellOut();
  refusals.learn(sale.productId, soldOut, nowMs);
  await lookUp();
  await redis.config('RESETSTAT');
  const others = Array.from({ length: 100 }, () => lookUp());
  const [mine, ...theirs] = await Promise.all([lookUp(buyer), ...others]);
  expect(mine).toBeUndefined();
  expect(new Set(theirs.map((refusal) => refusal?.outcome))).toEqual(new Set(['sold_out']));
  const [, calls] = /cmdstat_evalsha:calls=(\d+)/.exec(await redis.info('commandstats')) ?? [];
  expect(calls).toBe('1');
});

test('somebody accepted who asks again and again wakes it for nobody else', async () => {
  const buyer = await sellOut();
  refusals.learn(sale.productId, soldOut, nowMs);
  expect(await lookUp(buyer)).toBeUndefined();
  expect(await lookUp()).toEqual(soldOut);
});

test('a restock wakes it at once', async () => {
  await sellOut();
  refusals.learn(sale.productId, soldOut, nowMs);
  expect(await lookUp()).toEqual(soldOut);
  await restock(redis, sale.productId, sale.fence, 2);
  expect(await lookUp()).toBeUndefined();
  // And is not even looked at any more.
  await redis.config('RESETSTAT');
  expect(await lookUp()).toBeUndefined();
  expect(await redis.info('commandstats')).not.toContain('cmdstat_evalsha');
});

test('while Redis is away nobody is refused from memory', async () => {
  await sellOut();
  refusals.learn(sale.productId, soldOut, nowMs);
  await store.stop();
  expect(await lookUp()).toBeUndefined();
  await store.start();
});

test('a crowd is refused at the front door, after identity and before the buckets', async () => {
  const { productId } = sale;
  const buyer = await edge.buy({ productId, key: 'the-key-of-the-buyer' });
  expect(buyer.status).toBe(202);
  expect((await edge.buy({ productId, token: await tokenFor('asks first') })).status).toBe(410);
  await setLimit(edge.redis, { tier: 'product', productId }, { rate: 1, capacity: 1 });
  const crowd = await Promise.all(
    Array.from({ length: 50 }, async (_, index) =>
      edge.buy({ productId, token: await tokenFor(`user ${index}`) }),
    ),
  );
  const refused = crowd.filter(({ status }) => status === 410);
  expect(await refused[0]?.json()).toMatchObject({ outcome: 'sold_out', left: 0 });
  // Some may have asked anew, and found the bucket empty.
  const limited = crowd.filter(({ status }) => status === 429);
  expect(refused.length + limited.length).toBe(crowd.length);
  expect((await edge.buy({ productId, token: 'no.token.atall' })).status).toBe(401);
  const counter = await edge.registry.getSingleMetricAsString('seckill_refused_from_memory_total');
  const [, fromMemory] = /\{outcome="sold_out"\} (\d+)/.exec(counter) ?? [];
  expect(Number(fromMemory)).toBeGreaterThan(1);
});

test('a buyer who was accepted gets that same acceptance from a sale that is sold out', async () => {
  const { productId } = sale;
  const first = await edge.buy({ productId, key: 'the-key-of-the-buyer' });
  expect((await edge.buy({ productId, token: await tokenFor('too late') })).status).toBe(410);
  const again = await edge.buy({ productId, key: 'the-key-of-the-buyer' });
  expect(again.status).toBe(200);
  expect(await again.json()).toEqual(await first.json());
});
