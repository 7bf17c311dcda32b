import { afterAll, describe, expect, test } from 'vitest';
import { parseOrderRecord } from './order-record.ts';
import { configure, saleTimeUs } from './sale.ts';
import { connectTestRedis, eventsOf, loadTestSale } from './test-sale.ts';

const redis = connectTestRedis();
afterAll(() => redis.quit());

const hourUs = 3_600_000_000;

describe('what a purchase comes to', () => {
  test('accepted: it has its units, its record, its buyer and its place in the outbox', async () => {
    const sale = await loadTestSale(redis, { limit: 3 });
    const purchase = sale.purchase({ userId: 'alice', quantity: 3 });
    const before = await saleTimeUs(redis, sale.productId);
    const { answers, batches } = await sale.decide([purchase]);
    const after = await saleTimeUs(redis, sale.productId);

    expect(answers).toEqual([{ outcome: 'accepted', quantity: 3 }]);
    const record = parseOrderRecord((await redis.hget(sale.keys.orders, purchase.orderId)) ?? '');
    expect(record).toMatchObject({
      status: 'accepted',
      quantity: 3,
      batchNumber: 1,
      units: [[1, 3]],
      userId: 'alice',
    });
    const acceptedAtUs = record?.acceptedAtUs ?? 0;
    expect(acceptedAtUs).toBeGreaterThan(before);
    expect(acceptedAtUs).toBeLessThan(after);
    expect(await redis.hgetall(sale.keys.buyers)).toEqual({ alice: `${acceptedAtUs}|3` });
    expect(await redis.hgetall(sale.keys.outbox)).toEqual({ '1': batches[0]?.data });
    expect(await redis.hgetall(sale.keys.sale)).toMatchObject({
      left: '7',
      sold: '3',
      free: '4-10',
      batches: '1',
      last_at: String(acceptedAtUs),
    });
  });

  test('replayed: the same key again buys nothing more, however often it comes', async () => {
    const sale = await loadTestSale(redis, { limit: 5 });
    const purchase = sale.purchase({ quantity: 2 });
    expect(await sale.outcomes([purchase])).toEqual(['accepted']);
    await sale.publishAll();
    const again = await sale.decide([purchase, purchase]);
    expect(again.answers).toEqual([
      { outcome: 'replayed', quantity: 2 },
      { outcome: 'replayed', quantity: 2 },
    ]);
    expect(again.batches).toEqual([]);
    expect(await sale.field('sold')).toBe('2');
  });

  test('key_reused: the same key with another quantity buys nothing', async () => {
    const sale = await loadTestSale(redis, { limit: 5 });
    const purchase = sale.purchase({ quantity: 2 });
    await sale.outcomes([purchase]);
    await sale.publishAll();
    expect(await sale.outcomes([{ ...purchase, quantity: 1 }])).toEqual(['key_reused']);
    expect(await sale.field('sold')).toBe('2');
  });

  test('duplicates within one batch are one purchase', async () => {
    const sale = await loadTestSale(redis, { limit: 5 });
    const purchase = sale.purchase({ quantity: 2 });
    const batch = [purchase, purchase, { ...purchase, quantity: 3 }];
    expect(await sale.outcomes(batch)).toEqual(['accepted', 'replayed', 'key_reused']);
    expect(await sale.field('sold')).toBe('2');
  });

  test('limit_reached: per user, within a batch and over several', async () => {
    const sale = await loadTestSale(redis, { limit: 3 });
    const buy = (quantity: number) => sale.purchase({ userId: 'bob', quantity });
    expect(await sale.outcomes([buy(4), buy(2), buy(2), buy(1)])).toEqual([
      'limit_reached',
      'accepted',
      'limit_reached',
      'accepted',
    ]);
    await sale.publishAll();
    expect(await sale.outcomes([buy(1), sale.purchase()])).toEqual(['limit_reached', 'accepted']);
  });

  test('a refusal decides nothing: the same key may succeed later', async () => {
    const sale = await loadTestSale(redis, { state: 'paused' });
    const purchase = sale.purchase();
    expect(await sale.outcomes([purchase])).toEqual(['paused']);
    await configure(redis, sale.productId, sale.fence, {
      state: 'on_sale',
      opensAtUs: 1,
      closesAtUs: null,
    });
    expect(await sale.outcomes([purchase])).toEqual(['accepted']);
  });

  test('sold_out is for this quantity: what is left can still be bought', async () => {
    const sale = await loadTestSale(redis, { stock: 3, limit: 5 });
    const { answers } = await sale.decide([
      sale.purchase({ quantity: 2 }),
      sale.purchase({ quantity: 2 }),
    ]);
    expect(answers).toEqual([
      { outcome: 'accepted', quantity: 2 },
      { outcome: 'sold_out', left: 1 },
    ]);
    await sale.publishAll();
    expect((await sale.decide([sale.purchase()])).answers[0]?.outcome).toBe('accepted');
    await sale.publishAll();
    expect((await sale.decide([sale.purchase()])).answers).toEqual([
      { outcome: 'sold_out', left: 0 },
    ]);
    expect(await sale.field('free')).toBe('');
  });
});

describe('the window', () => {
  test('not_open says when it opens, where that is known', async () => {
    const opensAtUs = (await saleTimeUs(redis, 'any')) + hourUs;
    const known = await loadTestSale(redis, { opensAtUs });
    expect((await known.decide([known.purchase()])).answers).toEqual([
      { outcome: 'not_open', opensAtUs },
    ]);
    const unknown = await loadTestSale(redis, { opensAtUs: null });
    expect((await unknown.decide([unknown.purchase()])).answers).toEqual([{ outcome: 'not_open' }]);
  });

  test('it opens and closes by the time of Redis, not by that of the caller', async () => {
    const now = await saleTimeUs(redis, 'any');
    const sale = await loadTestSale(redis, { opensAtUs: now - 1, closesAtUs: now + hourUs });
    expect(await sale.outcomes([sale.purchase()])).toEqual(['accepted']);
    const over = await loadTestSale(redis, { opensAtUs: now - hourUs, closesAtUs: now - 1 });
    expect(await over.outcomes([over.purchase()])).toEqual(['ended']);
  });

  test('closing counts for more than opening, a pause for more than both', async () => {
    const now = await saleTimeUs(redis, 'any');
    const window = { opensAtUs: now + hourUs, closesAtUs: now - hourUs };
    const ended = await loadTestSale(redis, window);
    expect(await ended.outcomes([ended.purchase()])).toEqual(['ended']);
    const paused = await loadTestSale(redis, { ...window, state: 'paused' });
    expect(await paused.outcomes([paused.purchase()])).toEqual(['paused']);
    const closed = await loadTestSale(redis, { state: 'closed' });
    expect(await closed.outcomes([closed.purchase()])).toEqual(['ended']);
  });
});

describe('the order of the checks', () => {
  const soldOut = { stock: 1, limit: 1 };

  test.each([
    ['sold out', {}],
    ['paused', { state: 'paused' }],
    ['closed', { state: 'closed' }],
    ['after its closing time', { closesAtUs: 1 }],
    ['not yet open', { opensAtUs: null }],
  ] as const)('an acceptance is repeated when the sale is %s', async (_, settings) => {
    const sale = await loadTestSale(redis, soldOut);
    const purchase = sale.purchase();
    await sale.outcomes([purchase]);
    await sale.publishAll();
    await configure(redis, sale.productId, sale.fence, {
      state: 'on_sale',
      opensAtUs: 1,
      closesAtUs: null,
      ...settings,
    });
    expect(await sale.outcomes([purchase, { ...purchase, quantity: 2 }])).toEqual([
      'replayed',
      'key_reused',
    ]);
  });

  test('the window comes before the limit, the limit before the stock', async () => {
    const sale = await loadTestSale(redis, { ...soldOut, state: 'paused' });
    const tooMany = sale.purchase({ quantity: 2 });
    expect(await sale.outcomes([tooMany])).toEqual(['paused']);
    const open = await loadTestSale(redis, soldOut);
    expect(await open.outcomes([open.purchase({ quantity: 2 })])).toEqual(['limit_reached']);
    await open.outcomes([open.purchase({ userId: 'carol' })]);
    await open.publishAll();
    expect(await open.outcomes([open.purchase({ userId: 'carol' }), open.purchase()])).toEqual([
      'limit_reached',
      'sold_out',
    ]);
  });

  test('leftovers come before everything that could be decided, also before nothing', async () => {
    const sale = await loadTestSale(redis);
    const purchase = sale.purchase();
    const { batches } = await sale.decide([purchase]);
    await expect(sale.decide([purchase])).rejects.toThrow('leftovers');
    await expect(sale.decide([])).rejects.toThrow('leftovers');
    expect(await redis.hgetall(sale.keys.outbox)).toEqual({ '1': batches[0]?.data });
    await sale.publishAll();
    expect(await sale.decide([])).toMatchObject({ answers: [], batches: [] });
  });
});

describe('units', () => {
  test('are numbered without gap or repeat over many batches', async () => {
    const sale = await loadTestSale(redis, { stock: 50, limit: 7 });
    const taken: number[] = [];
    for (const quantities of [
      [1, 7, 3],
      [5, 5],
      [7, 7, 7],
      [7, 2],
    ]) {
      const { batches } = await sale.decide(
        quantities.map((quantity) => sale.purchase({ quantity })),
      );
      await sale.publishAll();
      for (const { orders } of eventsOf(batches)) {
        for (const [first, last] of orders.flatMap(({ units }) => units)) {
          for (let unit = first; unit <= last; unit += 1) taken.push(unit);
        }
      }
    }
    // 11 + 10 + 21 are sold; of the last batch, 7 are, and then only one is left.
    expect(taken).toEqual(Array.from({ length: 49 }, (_, index) => index + 1));
    expect(await sale.field('left')).toBe('1');
  });

  test('are taken from fragmented ranges, lowest first, and an order may span several', async () => {
    const free = '2-2,4-6,9-9,20-29';
    const sale = await loadTestSale(redis, { stock: 30, left: 15, sold: 15, free, limit: 10 });
    const take = async (quantity: number) => {
      const { batches } = await sale.decide([sale.purchase({ quantity })]);
      await sale.publishAll();
      return eventsOf(batches)[0]?.orders[0]?.units;
    };
    expect(await take(1)).toEqual([[2, 2]]);
    expect(await sale.field('free')).toBe('4-6,9-9,20-29');
    expect(await take(2)).toEqual([[4, 5]]);
    expect(await sale.field('free')).toBe('6-6,9-9,20-29');
    expect(await take(5)).toEqual([
      [6, 6],
      [9, 9],
      [20, 22],
    ]);
    expect(await sale.field('free')).toBe('23-29');
    expect(await take(7)).toEqual([[23, 29]]);
    expect(await sale.field('free')).toBe('');
    expect(await sale.field('left')).toBe('0');
  });

  test('of one batch follow one another through the ranges', async () => {
    const free = '1-2,5-5,8-10';
    const sale = await loadTestSale(redis, { stock: 10, left: 6, sold: 4, free, limit: 10 });
    const { batches } = await sale.decide([1, 2, 3].map((quantity) => sale.purchase({ quantity })));
    expect(eventsOf(batches)[0]?.orders.map(({ units }) => units)).toEqual([
      [[1, 1]],
      [
        [2, 2],
        [5, 5],
      ],
      [[8, 10]],
    ]);
  });

  test('a sale whose counter says more than its ranges sells nothing', async () => {
    const sale = await loadTestSale(redis, { stock: 10, left: 5, sold: 5, free: '1-2', limit: 10 });
    const before = await redis.hgetall(sale.keys.sale);
    await expect(sale.decide([sale.purchase(), sale.purchase({ quantity: 3 })])).rejects.toThrow();
    expect(await redis.hgetall(sale.keys.sale)).toEqual(before);
    expect(await redis.hkeys(sale.keys.orders)).toEqual(['before']);
    expect(await redis.exists(sale.keys.outbox)).toBe(0);
  });

  test('numbers of ten million are not rounded', async () => {
    const free = '9999991-10000000';
    const spec = { stock: 10_000_000, left: 10, sold: 9_999_990, free, limit: 10 };
    const sale = await loadTestSale(redis, spec);
    const { batches } = await sale.decide([sale.purchase({ quantity: 10 })]);
    const [order] = eventsOf(batches)[0]?.orders ?? [];
    expect(order).toMatchObject({ units: [[9_999_991, 10_000_000]], sold: 10_000_000 });
  });
});

test('two users of one name in different letters are two', async () => {
  const sale = await loadTestSale(redis);
  const names = ['anna', 'Anna', 'anna ', 'ännä'];
  const purchases = names.map((userId) => sale.purchase({ userId }));
  expect(await sale.outcomes(purchases)).toEqual(names.map(() => 'accepted'));
});
