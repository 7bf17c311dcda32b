import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { saleKeys } from '#lib/names.ts';
import type { UnitRange } from '#lib/order-event.ts';
import { uniqueProductId } from '#lib/testing/unique.ts';
import { cancel, restock } from './change.ts';
import { noteStatus } from './note-status.ts';
import { formatRanges, freeRanges, parseOrderRecord, parseRanges } from './order-record.ts';
import { claim, type Purchase } from './sale.ts';
import { connectTestRedis, eventsOf, loadTestSale, type TestSale } from './test-sale.ts';

const redis = connectTestRedis();
afterAll(() => redis.quit());

const counts = async ({ keys }: TestSale) =>
  redis.hmget(keys.sale, 'stock', 'left', 'sold', 'free');
const everything = ({ keys }: TestSale) =>
  Promise.all(Object.values(keys).map((key) => redis.hgetall(key)));
const fenceOfTest = { generation: 4, revision: 100, incarnation: 2 };
const older = [
  { ...fenceOfTest, revision: 99, incarnation: 9 },
  { ...fenceOfTest, incarnation: 1 },
  { ...fenceOfTest, generation: 3, revision: 999 },
  { ...fenceOfTest, generation: 5, revision: 999 },
];
/** Sells, and takes the outbox for published. */
const buy = async (sale: TestSale, ...purchases: Purchase[]) => {
  const { answers, batches } = await sale.decide(purchases);
  expect(answers.map(({ outcome }) => outcome)).toEqual(purchases.map(() => 'accepted'));
  await sale.publishAll();
  return eventsOf(batches).flatMap(({ orders }) => orders);
};

describe('a restock', () => {
  test('adds the units up to the new number, once, and joins the last free range', async () => {
    const sale = await loadTestSale(redis, { stock: 10, limit: 50 });
    await buy(sale, sale.purchase({ quantity: 4 }));
    for (let time = 0; time < 2; time += 1) {
      expect(await restock(redis, sale.productId, sale.fence, 15)).toBe('restocked');
      expect(await counts(sale)).toEqual(['15', '11', '4', '5-15']);
    }
    expect(await restock(redis, sale.productId, sale.fence, 12)).toBe('restocked');
    expect(await counts(sale)).toEqual(['15', '11', '4', '5-15']);
  });

  test.each([
    ['', 10, '11-12'],
    ['1-3', 7, '1-3,11-12'],
    ['1-3,10-10', 6, '1-3,10-12'],
    ['2-2,9-9', 8, '2-2,9-9,11-12'],
  ])('of free units `%s` makes the rest rise', async (free, sold, wanted) => {
    const sale = await loadTestSale(redis, { free, sold, left: 10 - sold });
    expect(await restock(redis, sale.productId, sale.fence, 12)).toBe('restocked');
    expect(await counts(sale)).toEqual(['12', String(12 - sold), String(sold), wanted]);
  });

  test('of a sale that is sold out lets it go on, with the new numbers', async () => {
    const sale = await loadTestSale(redis, { stock: 2, limit: 9 });
    await buy(sale, sale.purchase({ quantity: 2 }));
    expect(await sale.outcomes([sale.purchase()])).toEqual(['sold_out']);
    await restock(redis, sale.productId, sale.fence, 10_000_000);
    const [order] = await buy(sale, sale.purchase({ quantity: 9 }));
    expect(order?.units).toEqual([[3, 11]]);
    expect(await counts(sale)).toEqual(['10000000', '9999989', '11', '12-10000000']);
  });

  test('is refused to whoever holds no current lock, and notes who holds it', async () => {
    const sale = await loadTestSale(redis, fenceOfTest);
    const before = await everything(sale);
    for (const fence of older) {
      expect(await restock(redis, sale.productId, fence, 20)).toBe('refused');
    }
    expect(await everything(sale)).toEqual(before);
    const newer = { ...fenceOfTest, revision: 101 };
    expect(await restock(redis, sale.productId, newer, 20)).toBe('restocked');
    expect(await restock(redis, sale.productId, fenceOfTest, 30)).toBe('refused');
    expect((await counts(sale))[0]).toBe('20');
  });

  test('of a sale that is not there, or being rebuilt, makes nothing', async () => {
    const productId = uniqueProductId();
    expect(await restock(redis, productId, fenceOfTest, 20)).toBe('absent');
    expect(await redis.exists(saleKeys(productId).sale)).toBe(0);
    const sale = await loadTestSale(redis);
    await claim(redis, sale.productId, 'a rebuild');
    expect(await restock(redis, sale.productId, sale.fence, 20)).toBe('absent');
    expect((await counts(sale))[0]).toBe('10');
  });
});

describe('a cancellation', () => {
  test('gives the units back, once; the order stays, and its purchase keeps its answer', async () => {
    const sale = await loadTestSale(redis, { limit: 5 });
    const purchase = sale.purchase({ userId: 'a|b\nc', quantity: 3 });
    const [, order] = await buy(sale, sale.purchase({ quantity: 2 }), purchase);
    const gone = {
      kind: 'cancelled',
      sold: 2,
      buyers: [{ userId: 'a|b\nc', totals: undefined }],
    };
    for (let time = 0; time < 2; time += 1) {
      expect(await cancel(redis, sale.productId, sale.fence, [purchase.orderId])).toEqual(gone);
      expect(await counts(sale)).toEqual(['10', '8', '2', '3-10']);
    }
    const text = await redis.hget(sale.keys.orders, purchase.orderId);
    expect(parseOrderRecord(text ?? '')).toEqual({
      ...{ status: 'cancelled', quantity: 3, batchNumber: 1, units: [], userId: 'a|b\nc' },
      acceptedAtUs: order?.userFirstAt,
    });
    expect(await redis.hexists(sale.keys.buyers, 'a|b\nc')).toBe(0);
    expect(await sale.outcomes([purchase, { ...purchase, quantity: 1 }])).toEqual([
      'replayed',
      'key_reused',
    ]);
    const [again] = await buy(sale, sale.purchase({ userId: 'a|b\nc', quantity: 5 }));
    expect(again).toMatchObject({ units: [[3, 7]], userQuantity: 5, sold: 7 });
  });

  test('of one of several orders leaves the buyer the others, and their first time', async () => {
    const sale = await loadTestSale(redis, { limit: 5 });
    const mine = [1, 2].map((quantity) => sale.purchase({ userId: 'ann', quantity }));
    const [first] = await buy(sale, ...mine);
    const rest = {
      userId: 'ann',
      totals: { userFirstAt: first?.userFirstAt, userQuantity: 2 },
    };
    const ids = [mine[0]?.orderId ?? ''];
    expect(await cancel(redis, sale.productId, sale.fence, ids)).toMatchObject({ buyers: [rest] });
    expect(await redis.hget(sale.keys.buyers, 'ann')).toBe(`${first?.userFirstAt ?? 0}|2`);
    expect(await sale.outcomes([sale.purchase({ userId: 'ann', quantity: 4 })])).toEqual([
      'limit_reached',
    ]);
    const [next] = await buy(sale, sale.purchase({ userId: 'ann', quantity: 3 }));
    expect(next).toMatchObject({ userFirstAt: first?.userFirstAt, userQuantity: 5 });
  });

  test('of many, some twice, some unknown, is one change', async () => {
    const sale = await loadTestSale(redis, { limit: 5, stock: 9 });
    const purchases = Array.from({ length: 9 }, (_, at) => sale.purchase({ userId: `u${at % 3}` }));
    await buy(sale, ...purchases);
    const ids = [1, 3, 3, 7].map((at) => purchases[at]?.orderId ?? '');
    const result = await cancel(redis, sale.productId, sale.fence, [...ids, 'p.none']);
    expect(result).toMatchObject({ kind: 'cancelled', sold: 6 });
    expect(await counts(sale)).toEqual(['9', '3', '6', '2-2,4-4,8-8']);
    const buyers = 'buyers' in result ? result.buyers : [];
    const totals = buyers.map(({ userId, totals: has }) => [userId, has?.userQuantity]);
    expect(totals.sort()).toEqual([
      ['u0', 2],
      ['u1', 1],
    ]);
  });

  test('of an order whose row was noted, or was rejected, goes by its status', async () => {
    const sale = await loadTestSale(redis, { limit: 5 });
    const [confirmed, rejected] = [sale.purchase(), sale.purchase()];
    await buy(sale, confirmed, rejected);
    await noteStatus(redis, sale.productId, [
      [confirmed.orderId, 'confirmed'],
      [rejected.orderId, 'rejected'],
    ]);
    const ids = [confirmed.orderId, rejected.orderId];
    expect(await cancel(redis, sale.productId, sale.fence, ids)).toMatchObject({ sold: 1 });
    expect(await counts(sale)).toEqual(['10', '9', '1', '1-1,3-10']);
  });

  test('of units that are free already changes nothing', async () => {
    const sale = await loadTestSale(redis, { limit: 5 });
    const purchase = sale.purchase({ quantity: 2 });
    await buy(sale, purchase);
    await redis.hset(sale.keys.sale, 'free', '2-10');
    const before = await everything(sale);
    const result = await cancel(redis, sale.productId, sale.fence, [purchase.orderId]);
    expect(result).toEqual({ kind: 'broken' });
    expect(await everything(sale)).toEqual(before);
  });

  test('is refused to whoever holds no current lock', async () => {
    const sale = await loadTestSale(redis, fenceOfTest);
    const purchase = sale.purchase();
    await buy(sale, purchase);
    const before = await everything(sale);
    for (const fence of older) {
      const result = await cancel(redis, sale.productId, fence, [purchase.orderId]);
      expect(result).toEqual({ kind: 'refused' });
    }
    expect(await everything(sale)).toEqual(before);
    await cancel(redis, sale.productId, { ...fenceOfTest, revision: 101 }, []);
    const late = await cancel(redis, sale.productId, fenceOfTest, [purchase.orderId]);
    expect(late).toEqual({ kind: 'refused' });
    await claim(redis, sale.productId, 'a rebuild');
    const loading = await cancel(redis, sale.productId, fenceOfTest, [purchase.orderId]);
    expect(loading).toEqual({ kind: 'absent' });
    const none = await cancel(redis, uniqueProductId(), fenceOfTest, [purchase.orderId]);
    expect(none).toEqual({ kind: 'absent' });
  });
});

const steps = fc.array(
  fc.oneof(
    fc.record({ buy: fc.integer({ min: 1, max: 4 }), user: fc.constantFrom('ann', 'b|b', '数') }),
    fc.record({ cancel: fc.nat(20) }),
    fc.record({ restock: fc.integer({ min: 1, max: 5 }) }),
  ),
  { minLength: 1, maxLength: 30 },
);

test('whatever is bought, cancelled and restocked, no unit has two holders and none is lost', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (todo) => {
      const sale = await loadTestSale(redis, { stock: 4, limit: 1_000 });
      const holding = new Map<string, { userId: string; units: readonly UnitRange[] }>();
      let stock = 4;
      for (const step of todo) {
        if ('buy' in step) {
          const purchase = sale.purchase({ userId: step.user, quantity: step.buy });
          const { batches } = await sale.decide([purchase]);
          await sale.publishAll();
          for (const { orderId, units } of eventsOf(batches).flatMap(({ orders }) => orders)) {
            holding.set(orderId, { userId: step.user, units });
          }
        } else if ('cancel' in step) {
          const id = [...holding.keys()][step.cancel % Math.max(1, holding.size)] ?? 'p.none';
          await cancel(redis, sale.productId, sale.fence, [id]);
          holding.delete(id);
        } else {
          stock += step.restock;
          await restock(redis, sale.productId, sale.fence, stock);
        }
        const held = [...holding.values()].flatMap(({ units }) => numbersIn(units));
        expect(new Set(held).size).toBe(held.length);
        expect(await counts(sale)).toEqual([
          ...[stock, stock - held.length, held.length].map(String),
          formatRanges(freeRanges(stock, held)),
        ]);
        const buyers = await redis.hgetall(sale.keys.buyers);
        const totals = Object.entries(buyers).map(([id, text]) => [id, Number(text.split('|')[1])]);
        const wanted = Map.groupBy([...holding.values()], ({ userId }) => userId);
        expect(new Map(totals as [string, number][])).toEqual(
          new Map(
            [...wanted].map(([id, all]) => [id, all.flatMap((one) => numbersIn(one.units)).length]),
          ),
        );
      }
    }),
    { numRuns: 40 },
  );
});

function numbersIn(ranges: readonly UnitRange[]): number[] {
  return parseRanges(formatRanges(ranges)).flatMap(([first, last]) =>
    Array.from({ length: last - first + 1 }, (_, at) => first + at),
  );
}
