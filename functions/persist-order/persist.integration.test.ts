import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { readEnvironment } from '#lib/environment.ts';
import { delivery } from '#lib/http/delivery.ts';
import { sign } from '#lib/http/signature.ts';
import { saleKeys } from '#lib/names.ts';
import type { OrderEvent } from '#lib/order-event.ts';
import { formatOrderRecord, type OrderStatus } from '#lib/sale/order-record.ts';
import { anEvent, anEventOf, requestOf } from '#lib/testing/order-events.ts';
import { uniqueProductId } from '#lib/testing/unique.ts';
import { startSink } from './persist-fixture.ts';

const env = readEnvironment(['SECKILL_MYSQL_URL', 'SECKILL_REDIS_URL', 'SECKILL_SIGNING_KEYS']);
const sink = startSink(env);
const another = startSink(env);
afterAll(async () => {
  await sink.stop();
  await another.stop();
});

async function onSale(stock: number, generation = 1): Promise<string> {
  const productId = uniqueProductId();
  await sink.putOnSale(productId, stock, generation);
  return productId;
}

const done = delivery.done;
const never = delivery.never;

test('an event delivered three times is one row each, one unit each, and stock once', async () => {
  const productId = await onSale(10);
  const event = anEvent(
    productId,
    [
      { units: [[1, 2]], userId: '张三 🛒', userFirstAt: 1_790_000_000_000_001 },
      { units: [[4, 4]], userId: `it's "quoted" \\' -- ; drop table orders` },
    ],
    { acceptedAt: 1_790_000_000_123_456 },
  );
  for (let delivered = 0; delivered < 3; delivered += 1) {
    expect(await sink.deliver(event)).toBe(done);
  }
  const { unsold, rows, units } = await sink.held(productId);
  expect(unsold).toBe(7);
  expect(units.map(({ unit }) => unit)).toEqual([1, 2, 4]);
  expect(rows).toHaveLength(2);
  for (const order of event.orders) {
    const { orderId, userId, quantity, userFirstAt, userQuantity, sold } = order;
    expect(rows).toContainEqual({
      ...{ orderId, userId, quantity, userFirstAt, userQuantity, sold, productId },
      ...{ status: 'confirmed', reason: null, unitPrice: 9_900, currency: 'CNY' },
      ...{ batchId: `${productId}.1.1`, acceptedAt: 1_790_000_000_123_456 },
      createdAt: expect.any(Number) as number,
    });
  }
});

test('the ledger has what is new in a batch, however many transactions write it', async () => {
  const productId = await onSale(10);
  const event = anEvent(productId, [{ units: [[1, 2]] }, { units: [[3, 3]] }, { units: [[2, 4]] }]);
  const part: OrderEvent = { ...event, orders: event.orders.slice(0, 1) };
  for (const delivered of [part, event, event]) expect(await sink.deliver(delivered)).toBe(done);
  await sink.deliver(anEvent(productId, [{ units: [[1, 1]] }]), 2);
  const { ledger } = await sink.held(productId);
  expect(ledger.map(({ kind, reference, units }) => [kind, reference, units])).toEqual([
    ['on_sale', productId, 10],
    ['sold', `${productId}.1.1`, -3],
  ]);
});

test('events at once, each twice, at two instances: every order once', async () => {
  const productId = await onSale(1_000);
  const events = Array.from({ length: 50 }, (_, index) => anEventOf(20, productId, index * 20 + 1));
  const deliveries = events.flatMap((event, index) => [
    sink.deliver(event, index),
    another.deliver(event, index),
  ]);
  expect(new Set(await Promise.all(deliveries))).toEqual(new Set([done]));
  const { unsold, rows, units } = await sink.held(productId);
  expect(unsold).toBe(0);
  expect(new Set(rows.map(({ orderId }) => orderId)).size).toBe(1_000);
  expect(rows.every(({ status }) => status === 'confirmed')).toBe(true);
  expect(units.map(({ unit }) => unit)).toEqual(Array.from({ length: 1_000 }, (_, i) => i + 1));
});

test('99 requests of 30 products at once are all answered: none is turned away by the pool', async () => {
  const productIds = await Promise.all(Array.from({ length: 30 }, () => onSale(10)));
  const deliveries = Array.from({ length: 99 }, (_, index) => {
    const productId = productIds[index % 30] ?? '';
    return sink.deliver(anEventOf(1, productId, Math.floor(index / 30) + 1), index);
  });
  expect(new Set(await Promise.all(deliveries))).toEqual(new Set([done]));
  const left = await Promise.all(productIds.map(async (id) => (await sink.held(id)).unsold));
  expect(left.reduce<number>((sum, unsold) => sum + unsold, 0)).toBe(300 - 99);
});

test('an order whose unit is another’s is recorded as rejected, its neighbours are sold', async () => {
  const productId = await onSale(10);
  await sink.deliver(anEvent(productId, [{ units: [[5, 5]] }]));
  const event = anEvent(productId, [{ units: [[4, 4]] }, { units: [[5, 6]] }, { units: [[7, 7]] }]);
  expect(await sink.deliver(event, 2)).toBe(done);
  const { unsold, rows, units } = await sink.held(productId);
  expect(unsold).toBe(7);
  expect(units.map(({ unit }) => unit)).toEqual([4, 5, 7]);
  const rejected = rows.filter(({ status }) => status === 'rejected');
  expect(rejected).toMatchObject([
    { orderId: event.orders[1]?.orderId, reason: 'unit_taken', quantity: 2 },
  ]);
});

test('an order above the stock is recorded as rejected, and the stock stays what it is', async () => {
  const productId = await onSale(3);
  const event = anEvent(productId, [{ units: [[1, 2]] }, { units: [[3, 4]] }, { units: [[3, 3]] }]);
  expect(await sink.deliver(event)).toBe(done);
  const { unsold, rows } = await sink.held(productId);
  expect(unsold).toBe(0);
  const reasons = event.orders.map(
    ({ orderId }) => rows.find((row) => row.orderId === orderId)?.reason,
  );
  expect(reasons).toEqual([null, 'no_stock', null]);
});

test('an unknown order of an older generation is dropped and counted, a known one is a repeat', async () => {
  const productId = await onSale(10, 2);
  const before = await sink.valueOf('seckill_persisted_orders_total{result="dropped"}');
  const late = anEventOf(3, productId);
  expect(await sink.deliver(late)).toBe(done);
  expect(await sink.held(productId)).toMatchObject({ unsold: 10, rows: [], units: [] });
  expect(await sink.valueOf('seckill_persisted_orders_total{result="dropped"}')).toBe(before + 3);
  const current: OrderEvent = { ...late, generation: 2 };
  expect(await sink.deliver(current, 2)).toBe(done);
  expect(await sink.deliver(late)).toBe(done);
  expect((await sink.held(productId)).rows).toHaveLength(3);
  expect(await sink.valueOf('seckill_persisted_orders_total{result="dropped"}')).toBe(before + 3);
});

test('an event of an unknown product, or signed with an unknown key, is never written', async () => {
  expect(await sink.deliver(anEventOf(1, uniqueProductId()))).toBe(never);
  const productId = await onSale(10);
  const forged = requestOf(anEventOf(1, productId), ['a key that nobody here has heard of before']);
  expect((await sink.app.request('/', forged)).status).toBe(never);
  expect(await sink.held(productId)).toMatchObject({ unsold: 10, rows: [], units: [] });
});

test('values that no row can hold are refused, and harm no event folded with them', async () => {
  const productId = await onSale(100);
  // The first one keeps the product busy, so that the others are folded.
  const statuses = await Promise.all([
    sink.deliver(anEventOf(1, productId, 1), 1),
    sink.deliver(anEventOf(1, productId, 2), 2),
    sink.deliver(anEvent(productId, [{ units: [[3, 3]], sold: 2 ** 40 }]), 3),
    sink.deliver(anEventOf(1, productId, 4), 4),
  ]);
  expect(statuses).toEqual([done, done, never, done]);
  const { unsold, units } = await sink.held(productId);
  expect(unsold).toBe(97);
  expect(units.map(({ unit }) => unit)).toEqual([1, 2, 4]);
});

describe('the note of the status in Redis', () => {
  const record = (status: OrderStatus, userId = 'u') =>
    formatOrderRecord({
      ...{ status, quantity: 1, batchNumber: 1, acceptedAtUs: 1, units: [[1, 1]], userId },
    });

  test('says what became of the orders that are there, and makes no others', async () => {
    const productId = await onSale(2);
    const event = anEvent(productId, [
      { units: [[1, 1]] },
      { units: [[9, 9]] },
      { units: [[2, 2]] },
    ]);
    const [sold, rejected, unknown] = event.orders.map(({ orderId }) => orderId);
    const { orders } = saleKeys(productId);
    await sink.redis.hset(orders, { [sold ?? '']: record('accepted', 'a|b') });
    await sink.redis.hset(orders, { [rejected ?? '']: record('accepted') });
    await sink.deliver(event);
    await sink.settle();
    expect(await sink.redis.hgetall(orders)).toEqual({
      [sold ?? '']: record('confirmed', 'a|b'),
      [rejected ?? '']: record('rejected'),
    });
    expect((await sink.held(productId)).rows.map(({ orderId }) => orderId)).toContain(unknown);
  });

  test('is made up for by a repeat, and never overwrites a later status', async () => {
    const productId = await onSale(2);
    const event = anEventOf(2, productId);
    const [first, second] = event.orders.map(({ orderId }) => orderId);
    const { orders } = saleKeys(productId);
    await sink.deliver(event);
    await sink.settle();
    expect(await sink.redis.exists(orders)).toBe(0);
    await sink.redis.hset(orders, { [first ?? '']: record('accepted') });
    await sink.redis.hset(orders, { [second ?? '']: record('cancelled') });
    await sink.deliver(event);
    await sink.settle();
    expect(await sink.redis.hgetall(orders)).toEqual({
      [first ?? '']: record('confirmed'),
      [second ?? '']: record('cancelled'),
    });
  });

  test('is nobody’s business while Redis is away', async () => {
    const alone = startSink({ ...env, SECKILL_REDIS_URL: ['redis://127.0.0.1:1'] });
    const productId = await onSale(2);
    expect(await alone.deliver(anEventOf(2, productId))).toBe(done);
    await alone.settle();
    expect(await alone.valueOf('seckill_status_notes_total{result="failed"}')).toBe(1);
    expect((await sink.held(productId)).rows).toHaveLength(2);
    await alone.stop();
  });
});

describe('garbage', () => {
  const anything = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom(0, -1, 1.5, 2 ** 31, 2 ** 53, 1e300, '', 'x'.repeat(300), '\u0000', '\ud800'),
  );

  test('is 422 and writes nothing, if it is not signed as it is', async () => {
    const productId = await onSale(10);
    const { headers, body } = requestOf(anEventOf(2, productId), sink.keys);
    const checked = ['ce-id', 'ce-type', 'ce-specversion', 'ce-signature', 'content-type'];
    const text = fc.string({ unit: 'grapheme-ascii', maxLength: 80 }).map((value) => value.trim());
    const mangled = fc
      .tuple(fc.constantFrom(...checked), text)
      .map(([name, value]) => ({ method: 'POST', headers: { ...headers, [name]: value }, body }));
    const other = fc
      .oneof(fc.string(), fc.json(), fc.constant(body.slice(1)))
      .map((data) => ({ method: 'POST', headers, body: data }));
    await fc.assert(
      fc.asyncProperty(fc.oneof(mangled, other), async (request) => {
        expect((await sink.app.request('/', request)).status).toBe(never);
      }),
      { numRuns: 250 },
    );
    expect(await sink.held(productId)).toMatchObject({ unsold: 10, rows: [], units: [] });
  });

  test('is never a fault and never breaks the books, even signed', async () => {
    const productId = await onSale(1_000);
    const event = anEventOf(2, productId);
    const [order, ...others] = event.orders;
    const field = fc.constantFrom(...Object.keys(event), ...Object.keys(order ?? {}));
    const broken = fc.tuple(field, anything).map(([name, value]) => {
      const data =
        name in event
          ? { ...event, [name]: value }
          : { ...event, orders: [{ ...order, [name]: value }, ...others] };
      const { headers } = requestOf(event, sink.keys);
      const body = JSON.stringify(data);
      const signature = sign(sink.keys, headers['ce-id'] ?? '', body);
      return { method: 'POST', headers: { ...headers, 'ce-signature': signature }, body };
    });
    const statuses = new Set<number>();
    await fc.assert(
      fc.asyncProperty(broken, async (request) => {
        statuses.add((await sink.app.request('/', request)).status);
        expect([...statuses].filter((status) => status !== done && status !== never)).toEqual([]);
      }),
      { numRuns: 250 },
    );
    expect(statuses).toContain(never);
    const { unsold, rows, units } = await sink.held(productId);
    const sold = rows.filter(({ status }) => status === 'confirmed');
    expect(units).toHaveLength(1_000 - unsold);
    expect(sold.reduce((sum, { quantity }) => sum + quantity, 0)).toBe(units.length);
  });
});

test('other paths and methods are told so, as problems', async () => {
  for (const [path, init, status] of [
    ['/', { method: 'GET' }, 405],
    ['/', { method: 'PUT', body: 'x' }, 405],
    ['/nothing', { method: 'POST', body: 'x' }, 422],
    ['/livez', {}, 200],
  ] as const) {
    expect((await sink.app.request(path, init)).status).toBe(status);
  }
});
