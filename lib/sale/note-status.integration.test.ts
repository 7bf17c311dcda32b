import { afterAll, expect, test } from 'vitest';
import { noteStatus } from './note-status.ts';
import { parseOrderRecord } from './order-record.ts';
import { connectTestRedis, loadTestSale } from './test-sale.ts';

const redis = connectTestRedis();
afterAll(() => redis.quit());

test('a note changes the status of accepted orders, and nothing else of them', async () => {
  const sale = await loadTestSale(redis, { limit: 5 });
  const purchases = ['a|b|c', 'accepted|', 'x'].map((userId) => sale.purchase({ userId }));
  await sale.decide(purchases);
  const read = async () => {
    const records = await redis.hmget(sale.keys.orders, ...purchases.map(({ orderId }) => orderId));
    return records.map((text) => parseOrderRecord(text ?? ''));
  };
  const before = await read();
  const statuses = ['confirmed', 'rejected', 'cancelled'] as const;
  const notes = purchases.map(
    ({ orderId }, index) => [orderId, statuses[index] ?? 'confirmed'] as const,
  );
  expect(await noteStatus(redis, sale.productId, notes)).toBe(2);
  // A note does not give units back, so it does not say that an order is cancelled.
  const noted = ['confirmed', 'rejected', 'accepted'];
  expect(await read()).toEqual(
    before.map((record, index) => ({ ...record, status: noted[index] })),
  );
  // Late, or again: what is past `accepted` stays.
  const late = notes.slice(0, 2).map(([orderId]) => [orderId, 'confirmed'] as const);
  expect(await noteStatus(redis, sale.productId, late)).toBe(0);
  expect((await read()).map((record) => record?.status)).toEqual(noted);
  // The same purchases still are what they were.
  await sale.publishAll();
  expect(await sale.outcomes(purchases)).toEqual(['replayed', 'replayed', 'replayed']);
});

test('a note makes no key and no field', async () => {
  const sale = await loadTestSale(redis);
  const { orderId } = sale.purchase();
  expect(await noteStatus(redis, sale.productId, [[orderId, 'confirmed']])).toBe(0);
  expect(await redis.exists(sale.keys.orders)).toBe(0);
  expect(await noteStatus(redis, sale.productId, [])).toBe(0);
});
