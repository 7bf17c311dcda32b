// `sell` against a model of a few lines: any batches, quantities, limits and repeated keys.

import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { type UnitRange, unitsIn } from '#lib/order-event.ts';
import { orderIdOf } from '#lib/order-id.ts';
import type { PurchaseOutcome } from '#lib/outcome.ts';
import { formatRanges, freeRanges, parseOrderRecord, parseRanges } from './order-record.ts';
import type { Purchase } from './sale.ts';
import { connectTestRedis, eventsOf, loadTestSale, type TestSale } from './test-sale.ts';

const redis = connectTestRedis();
afterAll(() => redis.quit());

class Model {
  readonly orders = new Map<string, Purchase>();
  readonly bought = new Map<string, number>();
  readonly limit: number;
  left: number;

  constructor(left: number, limit: number) {
    this.left = left;
    this.limit = limit;
  }

  decide(purchase: Purchase): PurchaseOutcome {
    const { orderId, userId, quantity } = purchase;
    const before = this.orders.get(orderId);
    if (before) return before.quantity === quantity ? 'replayed' : 'key_reused';
    const total = (this.bought.get(userId) ?? 0) + quantity;
    if (total > this.limit) return 'limit_reached';
    if (quantity > this.left) return 'sold_out';
    this.left -= quantity;
    this.bought.set(userId, total);
    this.orders.set(orderId, purchase);
    return 'accepted';
  }
}

const attempt = fc.record({
  user: fc.constantFrom('ann', 'Ann', 'b|b', '数'),
  key: fc.constantFrom('key-1', 'key-2', 'key-3', 'key-4'),
  quantity: fc.integer({ min: 1, max: 5 }),
});
const sales = fc.record({
  stock: fc.integer({ min: 1, max: 24 }),
  limit: fc.integer({ min: 1, max: 12 }),
  taken: fc.uniqueArray(fc.integer({ min: 1, max: 24 }), { maxLength: 12 }),
  batches: fc.array(fc.array(attempt, { minLength: 1, maxLength: 12 }), {
    minLength: 1,
    maxLength: 6,
  }),
});

test('any sequence of batches is decided as by the model, and the sale adds up', async () => {
  await fc.assert(
    fc.asyncProperty(sales, async ({ stock, limit, taken, batches }) => {
      const gone = taken.filter((unit) => unit <= stock);
      const free = freeRanges(stock, gone);
      const sale = await loadTestSale(redis, {
        ...{ stock, limit, sold: gone.length, left: stock - gone.length },
        free: formatRanges(free),
      });
      const model = new Model(stock - gone.length, limit);
      const units: UnitRange[] = [];
      for (const batch of batches) {
        const purchases = batch.map(({ user, key, quantity }) => ({
          orderId: orderIdOf(sale.productId, user, key),
          userId: user,
          quantity,
        }));
        const expected = purchases.map((purchase) => model.decide(purchase));
        const decided = await sale.decide(purchases);
        expect(decided.answers.map(({ outcome }) => outcome)).toEqual(expected);
        const orders = eventsOf(decided.batches).flatMap((event) => event.orders);
        for (const order of orders) expect(unitsIn(order.units)).toBe(order.quantity);
        units.push(...orders.flatMap((order) => order.units));
        await sale.publishAll();
      }
      await expectAddsUp(sale, model, { stock, free, gone: gone.length, units });
    }),
    { numRuns: 150 },
  );
});

const numbersIn = (ranges: readonly UnitRange[]) =>
  ranges
    .flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, at) => first + at))
    .sort((a, b) => a - b);

async function expectAddsUp(
  sale: TestSale,
  model: Model,
  {
    stock,
    free,
    gone,
    units,
  }: { stock: number; free: UnitRange[]; gone: number; units: UnitRange[] },
): Promise<void> {
  const [left, sold, rest] = await redis.hmget(sale.keys.sale, 'left', 'sold', 'free');
  expect(Number(left)).toBe(model.left);
  expect(Number(left) + Number(sold)).toBe(stock);
  expect(Number(sold)).toBe(gone + unitsIn(units));
  // Disjoint, and together exactly what was free: each free unit is sold once or still free.
  expect(numbersIn([...units, ...parseRanges(rest ?? '')])).toEqual(numbersIn(free));

  const records = (await fieldsOf(sale.keys.orders)).map(([orderId, text]) => ({
    orderId,
    ...parseOrderRecord(text),
  }));
  expect(records.map(({ orderId, userId, quantity }) => ({ orderId, userId, quantity }))).toEqual(
    expect.arrayContaining([...model.orders.values()]),
  );
  expect(records).toHaveLength(model.orders.size);
  expect(numbersIn(records.flatMap((record) => record.units ?? []))).toEqual(numbersIn(units));

  const totals = (await fieldsOf(sale.keys.buyers)).map(([user, text]) => [
    user,
    Number(text.split('|')[1]),
  ]);
  expect(new Map(totals as [string, number][])).toEqual(model.bought);
}

/** The fields of a HASH but for the ones that the sale was loaded with. */
async function fieldsOf(key: string): Promise<[string, string][]> {
  return Object.entries(await redis.hgetall(key)).filter(([name]) => name !== 'before');
}
