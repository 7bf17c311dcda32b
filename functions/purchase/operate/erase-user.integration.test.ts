import { randomUUID } from 'node:crypto';
import { eq, like } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { recordBatch, topOf } from '#lib/board/board.ts';
import { operations, orders } from '#lib/mysql/schema.ts';
import { boardKey, isErased, saleKeys } from '#lib/names.ts';
import { anEvent } from '#lib/testing/order-events.ts';
import { failingRedis, openApp, type TestApp, verdictOf } from '../testing/app-fixture.ts';
import {
  accepted,
  aPurchase,
  type Bench,
  type Instance,
  openOwnBench,
} from '../testing/purchase-fixture.ts';

let bench: Bench;
let instance: Instance;
let app: TestApp;
beforeAll(async () => {
  bench = await openOwnBench();
});
beforeEach(() => {
  instance = bench.instance();
  app = openApp(bench, instance);
});
afterAll(() => bench.close());

const erase = (
  userId: string,
  { operationId = randomUUID(), of = app }: { operationId?: string; of?: TestApp } = {},
) => of.operate('erase', { operationId, body: { userId } });
const close = (productId: string) => app.operate(`sales/${productId}/close`, { body: {} });

/** A sale in which these have bought a unit each, with rows and boards. */
async function saleOf(...userIds: readonly string[]) {
  const productId = await bench.product({ stock: 9 });
  const purchases = userIds.map((userId) => aPurchase(productId, { userId }));
  await instance.seller.purchase(productId, purchases);
  await bench.persistAll(productId);
  for (const { event } of await bench.published(productId)) await recordBatch(bench.redis, event);
  return { productId, purchases };
}

const usersOf = async (productId: string) => {
  const rows = await bench.mysql.db.select().from(orders).where(eq(orders.productId, productId));
  return rows.map(({ userId }) => userId).sort();
};
const onBoards = async (productId: string) => {
  const all = await Promise.all(
    (['speed', 'quantity', 'score'] as const).map((by) => topOf(bench.redis, productId, by, 9)),
  );
  return all.map((board) => board.map(({ member }) => member).sort());
};
/** Everything in Redis and MySQL that is about a sale, as text. */
const heldOf = async (productId: string) => {
  const keys = Object.values(saleKeys(productId));
  const hashes = await Promise.all(keys.map((key) => bench.redis.hgetall(key)));
  const log = await bench.mysql.db
    .select()
    .from(operations)
    .where(eq(operations.productId, productId));
  return JSON.stringify([hashes, await onBoards(productId), await usersOf(productId), log]);
};

test('a person is gone from rows, Redis, boards and log; the promises still hold', async () => {
  const userId = `person-${randomUUID()}`;
  const first = await saleOf(userId, 'ann', `${userId} `);
  const second = await saleOf(userId);
  for (const { productId } of [first, second]) expect((await close(productId)).status).toBe(200);
  expect(await heldOf(first.productId)).toContain(`"${userId}"`);

  const operationId = randomUUID();
  const answer = await erase(userId, { operationId });
  expect(answer.status).toBe(200);
  const sales = [first, second].map(({ productId }) => ({ productId, orders: 1 }));
  expect(answer.body['sales']).toEqual(expect.arrayContaining(sales));

  for (const { productId } of [first, second]) {
    expect(await heldOf(productId)).not.toContain(`"${userId}"`);
    expect(await verdictOf(bench, app, productId)).toMatchObject({ ok: true, problems: [] });
  }
  // Somebody else, whose name only a space tells from this one, is still there.
  const [erased, ...others] = (await usersOf(first.productId)).sort(
    (a, b) => Number(isErased(b)) - Number(isErased(a)),
  );
  expect(erased).toMatch(/^erased:[\w-]{22}$/);
  expect(others).toEqual(['ann', `${userId} `]);
  expect(await usersOf(second.productId)).not.toContain(erased);
  expect(await onBoards(first.productId)).toEqual(
    ['speed', 'quantity', 'score'].map(() => [erased, ...others].sort()),
  );
  // The order is what it was, and nobody's; the same purchase is still the same acceptance.
  const [purchase] = first.purchases;
  if (!purchase) throw new Error('no purchase');
  const own = await app.call('GET', `/orders/${purchase.orderId}?userId=${userId}`);
  expect(own.status).toBe(403);
  expect(await instance.seller.purchase(first.productId, [purchase])).toMatchObject([
    { outcome: 'replayed' },
  ]);
  // Repeated, it says the same.
  expect((await erase(userId, { operationId })).body).toEqual(answer.body);
  expect((await erase(userId)).body).toEqual({ sales: [] });
});

test('nothing is erased while one of the sales is not settled', async () => {
  const userId = `person-${randomUUID()}`;
  const settled = await saleOf(userId);
  await close(settled.productId);
  const open = await saleOf(userId);
  const answer = await erase(userId);
  expect(answer).toMatchObject({ status: 409, body: { outcome: 'conflict' } });
  expect(answer.body.detail).toContain(open.productId);
  expect(answer.body.detail).not.toContain(settled.productId);
  expect(await usersOf(settled.productId)).toEqual([userId]);
});

test('an order that only Kafka knows is found: it gets its row, and nothing is erased yet', async () => {
  const userId = `person-${randomUUID()}`;
  const settled = await saleOf(userId);
  await close(settled.productId);
  const productId = await bench.product({ stock: 9 });
  const purchase = aPurchase(productId, { userId });
  expect(await instance.seller.purchase(productId, [purchase])).toEqual([accepted]);
  // Redis has lost the sale before persist-order was reached.
  await bench.redis.del(...Object.values(saleKeys(productId)));
  const refused = erase(userId);
  await vi.waitFor(async () => {
    expect(await bench.published(productId)).toHaveLength(2);
  }, 20_000);
  await bench.persistAll(productId);
  expect(await refused).toMatchObject({ status: 409, body: { outcome: 'conflict' } });
  expect((await refused).body.detail).toContain(productId);
  expect(await usersOf(settled.productId)).toEqual([userId]);

  await close(productId);
  expect((await erase(userId)).status).toBe(200);
  // Kafka delivers the order once more: the name does not come back.
  expect(await verdictOf(bench, app, productId)).toMatchObject({ ok: true, problems: [] });
  for (const sale of [settled.productId, productId]) {
    expect(await heldOf(sale)).not.toContain(userId);
  }
});

test('where a sale cannot be made whole nobody is erased, and the answer says why', async () => {
  const userId = `person-${randomUUID()}`;
  const { productId } = await saleOf(userId);
  await close(productId);
  const lost = await bench.product({ generation: 1 });
  const { seller } = bench.instance({
    // As one whose key was retired too early.
    async *readEvents() {
      const event = anEvent(lost, [{ units: [[1, 1]] }]);
      const data = JSON.stringify(event);
      yield await Promise.resolve({ productId: lost, batchId: 'b', data, signed: false, event });
    },
  });
  const answer = await erase(userId, { of: openApp(bench, { seller }) });
  expect(answer.status).toBe(503);
  expect(answer.body.detail).toMatch(new RegExp(`1 events of ${lost} are not signed`));
  expect(await usersOf(productId)).toEqual([userId]);
  await bench.update(lost, { state: 'settled' });
  await seller.stop();
});

test('a sale that was never loaded is not loaded for it', async () => {
  const productId = await bench.product();
  expect((await erase(`person-${randomUUID()}`)).status).toBe(200);
  expect(await bench.redis.exists(...Object.values(saleKeys(productId)))).toBe(0);
  expect((await bench.row(productId)).generation).toBe(0);
});

test('what Redis still has after a crash is found by the next try', async () => {
  const userId = `person-${randomUUID()}`;
  const { productId } = await saleOf(userId);
  await close(productId);
  const redis = failingRedis(bench.redis, (args) => args.includes(boardKey(productId, 'score')));
  expect((await erase(userId, { of: openApp(bench, instance, { redis }) })).status).toBe(503);
  expect(await heldOf(productId)).toContain(userId);
  expect((await erase(userId)).status).toBe(200);
  expect(await heldOf(productId)).not.toContain(userId);
});

test('an operation id of something else is a conflict, also where it looks alike', async () => {
  const userId = `person-${randomUUID()}`;
  const { productId } = await saleOf(userId);
  const operationId = `op_${randomUUID()}`;
  await app.operate(`sales/${productId}/restock`, {
    ...{ operationId, body: { units: 1 } },
  });
  await close(productId);
  expect((await erase(userId, { operationId })).status).toBe(409);
  expect((await erase(userId, { operationId: operationId.replace('_', '-') })).status).toBe(200);
  const lines = await bench.mysql.db
    .select()
    .from(operations)
    .where(like(operations.operationId, `${operationId}%`));
  expect(lines.map(({ action }) => action).sort()).toEqual(['erase', 'restock']);
});
