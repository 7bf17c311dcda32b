import { afterAll, expect, test } from 'vitest';
import { boardKey, boardKinds, productsBoardKey } from '#lib/names.ts';
import type { OrderEvent } from '#lib/order-event.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import { cancel } from '#lib/sale/change.ts';
import type { Purchase } from '#lib/sale/sale.ts';
import { connectTestRedis, eventsOf, loadTestSale, type TestSale } from '#lib/sale/test-sale.ts';
import { placeOf, recordBatch, topOf } from './board.ts';
import { restoreBuyers } from './cancelled.ts';

const redis = connectTestRedis();
afterAll(() => redis.quit());

/** Sells, one event for each purchase. */
async function eventsFor(sale: TestSale, purchases: readonly Purchase[]): Promise<OrderEvent[]> {
  const events: OrderEvent[] = [];
  for (const purchase of purchases) {
    const { batches } = await sale.decide([purchase]);
    await sale.publishAll();
    events.push(...eventsOf(batches));
  }
  return events;
}

/** What `orders cancel` does in Redis. */
async function cancelOne(sale: TestSale, { orderId }: Purchase): Promise<void> {
  const result = await cancel(redis, sale.productId, sale.fence, [orderId]);
  if (result.kind !== 'cancelled') throw new Error(result.kind);
  await restoreBuyers(redis, sale.productId, result.buyers, result.sold);
}

const quantities = async ({ productId }: TestSale) =>
  new Map(
    (await topOf(redis, productId, 'quantity', 10)).map(({ member, score }) => [member, score]),
  );
const soldOf = ({ productId }: TestSale) => redis.zscore(productsBoardKey, productId);

/** Ann has 2 and 1, Bob 4. */
async function aSale() {
  const sale = await loadTestSale(redis, { limit: 9, stock: 20 });
  const purchases = [
    sale.purchase({ userId: 'ann', quantity: 2 }),
    sale.purchase({ userId: 'bob', quantity: 4 }),
    sale.purchase({ userId: 'ann', quantity: 1 }),
  ] as const;
  return { sale, purchases, events: await eventsFor(sale, purchases) };
}

test('a cancellation takes from the boards what was given back', async () => {
  const { sale, purchases, events } = await aSale();
  for (const event of events) await recordBatch(redis, event);
  expect(await soldOf(sale)).toBe('7');
  const before = await placeOf(redis, sale.productId, 'speed', 'ann');
  await cancelOne(sale, purchases[0]);
  expect(await quantities(sale)).toEqual(
    new Map([
      ['bob', 4],
      ['ann', 1],
    ]),
  );
  expect(await placeOf(redis, sale.productId, 'speed', 'ann')).toEqual(before);
  expect((await placeOf(redis, sale.productId, 'score', 'ann'))?.place).toBe(2);
  await cancelOne(sale, purchases[1]);
  for (const kind of boardKinds) {
    const members = await redis.zrange(boardKey(sale.productId, kind), 0, '-1');
    expect(members).toEqual(['ann']);
  }
  expect(await soldOf(sale)).toBe('1');
  await cancelOne(sale, purchases[2]);
  expect(await quantities(sale)).toEqual(new Map());
  expect(await soldOf(sale)).toBeNull();
});

test('events that come late, or again, do not put it back', async () => {
  const { sale, purchases, events } = await aSale();
  await cancelOne(sale, purchases[0]);
  await cancelOne(sale, purchases[1]);
  for (const event of [...events, ...events]) await recordBatch(redis, event);
  expect(await quantities(sale)).toEqual(new Map([['ann', 1]]));
  expect(await soldOf(sale)).toBe('1');
  await cancelOne(sale, purchases[2]);
  for (const event of events) await recordBatch(redis, event);
  expect(await quantities(sale)).toEqual(new Map());
  expect(await soldOf(sale)).toBeNull();
});

test('what is bought after a cancellation counts as ever', async () => {
  const { sale, purchases, events } = await aSale();
  for (const event of events) await recordBatch(redis, event);
  await cancelOne(sale, purchases[1]);
  const more = await eventsFor(sale, [sale.purchase({ userId: 'bob', quantity: 2 })]);
  for (const event of more) await recordBatch(redis, event);
  expect(await quantities(sale)).toEqual(
    new Map([
      ['ann', 3],
      ['bob', 2],
    ]),
  );
  expect(await soldOf(sale)).toBe('5');
});

test('a cancellation while an event is written wins', async () => {
  const { sale, purchases, events } = await aSale();
  let isDone = false;
  // Right before the first write of the event.
  const slow = new Proxy(redis, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return async (...args: unknown[]) => {
        if (name === 'evalsha' && !isDone) {
          isDone = true;
          await cancelOne(sale, purchases[1]);
        }
        return value.apply(target, args) as unknown;
      };
    },
  }) as RedisClient;
  await recordBatch(slow, events[1] as OrderEvent);
  expect(isDone).toBe(true);
  expect(await quantities(sale)).toEqual(new Map());
  expect(await soldOf(sale)).toBe('3');
});

test('who was cut off the end of a full board does not come back by having less', async () => {
  const { sale, purchases } = await aSale();
  await cancelOne(sale, purchases[0]);
  expect(await quantities(sale)).toEqual(new Map());
});
