import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { eventBytesMax, eventOrdersMax, turnOrdersMax, userIdBytesMax } from '#lib/constants.ts';
import { parseOrderRecord } from './order-record.ts';
import { readOutbox, saleTimeUs } from './sale.ts';
import { connectTestRedis, eventsOf, loadTestSale, type TestSale } from './test-sale.ts';

const redis = connectTestRedis();
afterAll(() => redis.quit());

const many = (sale: TestSale, count: number) =>
  Array.from({ length: count }, () => sale.purchase());

describe('the event of a batch', () => {
  test('says what was sold, with running totals', async () => {
    const buyers = [['old', '1234|2']] as const;
    const free = '1-4,7-20';
    const spec = {
      generation: 3,
      stock: 20,
      left: 18,
      sold: 2,
      free,
      limit: 9,
      buyers,
      batches: 41,
    };
    const sale = await loadTestSale(redis, { ...spec, unitPrice: 0, currency: 'EUR' });
    const first = sale.purchase({ userId: 'old', quantity: 3 });
    const second = {
      ...sale.purchase({ userId: 'new', quantity: 2 }),
      traceparent: `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-01`,
    };
    const third = sale.purchase({ userId: 'new' });
    const { batches } = await sale.decide([first, second, third]);

    expect(batches.map(({ number }) => number)).toEqual([42]);
    const [event] = eventsOf(batches);
    const startedAt = event?.acceptedAt ?? 0;
    expect(event).toEqual({
      productId: sale.productId,
      generation: 3,
      acceptedAt: startedAt,
      unitPrice: 0,
      currency: 'EUR',
      orders: [
        {
          ...first,
          units: [[1, 3]],
          userFirstAt: 1234,
          userQuantity: 5,
          sold: 5,
        },
        {
          ...second,
          units: [
            [4, 4],
            [7, 7],
          ],
          userFirstAt: startedAt + 1,
          userQuantity: 2,
          sold: 7,
        },
        {
          ...third,
          units: [[8, 8]],
          userFirstAt: startedAt + 1,
          userQuantity: 3,
          sold: 8,
        },
      ],
    });
  });

  test('carries every user id that JSON can carry, and so do the other keys', async () => {
    const sale = await loadTestSale(redis, { stock: 1_000, limit: 1 });
    const names = [
      'o\'brien "the\\great"',
      'a|b|1|1-1|c',
      'slash/</script>',
      'line\nbreak\r\ttab',
      '数字🙂👩‍👩‍👧',
      '\u0000\u0001\u001f\u007f\u2028\u2029\ufeff',
      '{"orderId":"x"}]}',
      '%s %d %%',
      '__proto__',
      '1e3',
      'null',
    ];
    const batch = names.map((userId) => sale.purchase({ userId }));
    const { batches } = await sale.decide(batch);
    expect(eventsOf(batches)[0]?.orders.map(({ userId }) => userId)).toEqual(names);
    expect(Object.keys(await redis.hgetall(sale.keys.buyers)).sort()).toEqual([...names].sort());
    for (const { orderId, userId } of batch) {
      const text = (await redis.hget(sale.keys.orders, orderId)) ?? '';
      expect(parseOrderRecord(text)?.userId).toBe(userId);
    }
    await sale.publishAll();
    const again = names.map((userId) => sale.purchase({ userId }));
    expect(await sale.outcomes(again)).toEqual(names.map(() => 'limit_reached'));
  });

  test('carries whatever user id there may be', async () => {
    const sale = await loadTestSale(redis, { stock: 100_000, limit: 100_000 });
    const wellFormed = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
      .filter((name) => name.isWellFormed() && name.length <= userIdBytesMax);
    await fc.assert(
      fc.asyncProperty(fc.array(wellFormed, { minLength: 1, maxLength: 20 }), async (names) => {
        const { batches } = await sale.decide(names.map((userId) => sale.purchase({ userId })));
        await sale.publishAll();
        const found = eventsOf(batches).flatMap(({ orders }) => orders);
        expect(found.map(({ userId }) => userId)).toEqual(names);
      }),
      { numRuns: 50 },
    );
  });

  test('is what the outbox holds, byte for byte, in the order in which it was sold', async () => {
    const sale = await loadTestSale(redis, { stock: 1_000 });
    const { batches } = await sale.decide(many(sale, 500));
    expect(await readOutbox(redis, sale.productId)).toEqual(batches);
    expect(batches.map(({ number }) => number)).toEqual([1, 2, 3]);
    expect(eventsOf(batches).map(({ orders }) => orders.length)).toEqual([200, 200, 100]);
  });
});

describe('the size of an event', () => {
  test('is bounded by its orders; the numbers of batches go on where they stopped', async () => {
    const sale = await loadTestSale(redis, { stock: 10_000 });
    const first = await sale.decide(many(sale, eventOrdersMax));
    expect(first.batches.map(({ number }) => number)).toEqual([1]);
    await sale.publishAll();
    const purchases = many(sale, turnOrdersMax);
    const second = await sale.decide(purchases);
    expect(second.batches.map(({ number }) => number)).toEqual([2, 3, 4]);
    const events = eventsOf(second.batches);
    expect(events.every(({ orders }) => orders.length <= eventOrdersMax)).toBe(true);
    const found = events.flatMap(({ orders }) => orders.map(({ orderId }) => orderId));
    expect(found).toEqual(purchases.map(({ orderId }) => orderId));
    await expectBatchNumbers(sale, second.batches);
  });

  test('is bounded by its bytes, and events are not needlessly small', async () => {
    const sale = await loadTestSale(redis, { stock: 10_000 });
    // Six bytes of JSON for each character.
    const purchases = Array.from({ length: 300 }, (_, index) => {
      const number = String(index).padStart(3, '0');
      return sale.purchase({ userId: number + '\u0001'.repeat(userIdBytesMax - 3) });
    });
    const { batches } = await sale.decide(purchases);
    const sizes = batches.map(({ data }) => Buffer.byteLength(data));
    expect(Math.max(...sizes)).toBeLessThanOrEqual(eventBytesMax);
    expect(Math.min(...sizes.slice(0, -1))).toBeGreaterThan(eventBytesMax * 0.9);
    const found = eventsOf(batches).flatMap(({ orders }) => orders.map(({ orderId }) => orderId));
    expect(found).toEqual(purchases.map(({ orderId }) => orderId));
    await expectBatchNumbers(sale, batches);
  });

  test('an order of a thousand single units still fits into one', async () => {
    // The widest numbers there are: every second unit up to ten million.
    const units = Array.from({ length: 2_000 }, (_, index) => 10_000_000 - 2 * (1_999 - index));
    const free = units.map((unit) => `${unit}-${unit}`).join(',');
    const spec = { stock: 10_000_000, left: 2_000, sold: 9_998_000, limit: 1_000, free };
    const sale = await loadTestSale(redis, spec);
    const two = [sale.purchase({ quantity: 1_000 }), sale.purchase({ quantity: 1_000 })];
    const { batches } = await sale.decide(two);
    expect(Math.max(...batches.map(({ data }) => data.length))).toBeLessThanOrEqual(eventBytesMax);
    const taken = eventsOf(batches).flatMap(({ orders }) => orders.flatMap((order) => order.units));
    expect(taken).toEqual(units.map((unit) => [unit, unit]));
  });

  /** Each order's record names the batch that carries it. */
  async function expectBatchNumbers(
    sale: TestSale,
    batches: readonly { number: number; data: string }[],
  ): Promise<void> {
    const records = await redis.hgetall(sale.keys.orders);
    for (const [index, { orders }] of eventsOf(batches).entries()) {
      for (const { orderId } of orders) {
        const record = parseOrderRecord(records[orderId] ?? '');
        expect(record?.batchNumber).toBe(batches[index]?.number);
      }
    }
  }
});

describe('the time of acceptance', () => {
  const acceptedAt = async (sale: TestSale) =>
    Object.values(await redis.hgetall(sale.keys.orders))
      .map((text) => parseOrderRecord(text)?.acceptedAtUs ?? 0)
      .sort((a, b) => a - b);

  test('rises with every order, within a batch and from batch to batch', async () => {
    const sale = await loadTestSale(redis, { stock: 1_000 });
    const order: string[] = [];
    for (const count of [300, 1, 50]) {
      const purchases = many(sale, count);
      order.push(...purchases.map(({ orderId }) => orderId));
      await sale.decide(purchases);
      await sale.publishAll();
    }
    const records = await redis.hgetall(sale.keys.orders);
    const times = order.map((id) => parseOrderRecord(records[id] ?? '')?.acceptedAtUs ?? 0);
    expect(times.every((time, index) => time > (times[index - 1] ?? 0))).toBe(true);
  });

  test('rises also when the clock is behind what was accepted last', async () => {
    const lastAtUs = (await saleTimeUs(redis, 'any')) + 3_600_000_000;
    const sale = await loadTestSale(redis, { stock: 1_000, lastAtUs });
    const { batches } = await sale.decide(many(sale, 3));
    await sale.publishAll();
    await sale.decide(many(sale, 2));
    expect(await acceptedAt(sale)).toEqual([1, 2, 3, 4, 5].map((step) => lastAtUs + step));
    expect(await sale.field('last_at')).toBe(String(lastAtUs + 5));
    expect(eventsOf(batches)[0]?.acceptedAt).toBe(lastAtUs + 1);
  });

  test('of an event is that of its first order', async () => {
    const sale = await loadTestSale(redis, { stock: 1_000 });
    const { batches } = await sale.decide(many(sale, 250));
    const times = await acceptedAt(sale);
    expect(eventsOf(batches).map((event) => event.acceptedAt)).toEqual([times[0], times[200]]);
  });
});
