// Transactions of one product side by side, beside each other's repetitions and beside those who
// have the product's row: what comes of it is what comes of one after the other.

import fc from 'fast-check';
import type { Connection, RowDataPacket } from 'mysql2/promise';
import { createConnection } from 'mysql2/promise';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readEnvironment } from '#lib/environment.ts';
import { delivery } from '#lib/http/delivery.ts';
import { connectMysql, type MysqlClient } from '#lib/mysql/connect.ts';
import { batchIdOf, type OrderEvent } from '#lib/order-event.ts';
import { anEvent, anEventOf } from '#lib/testing/order-events.ts';
import { uniqueDatabase, uniqueProductId } from '#lib/testing/unique.ts';
import { migrate } from './migrate.ts';
import { persist } from './persist.ts';
import { startSink } from './persist-fixture.ts';

const env = readEnvironment(['SECKILL_REDIS_URL', 'SECKILL_SIGNING_KEYS']);
let url: string;
let sinks: readonly [Sink, Sink];
let other: Connection;
let oneByOne: { readonly sink: Sink; readonly mysql: MysqlClient };
type Sink = ReturnType<typeof startSink>;

beforeAll(async () => {
  const urls = await Promise.all([uniqueDatabase(), uniqueDatabase()]);
  for (const one of urls) await migrate({ url: one });
  url = urls[0];
  const sinkOf = (mysqlUrl: string) => startSink({ ...env, SECKILL_MYSQL_URL: mysqlUrl });
  sinks = [sinkOf(url), sinkOf(url)];
  oneByOne = { sink: sinkOf(urls[1]), mysql: connectMysql({ url: urls[1] }, 1) };
  other = await createConnection({ uri: url });
});
afterAll(async () => {
  await Promise.all([...sinks, oneByOne.sink].map((sink) => sink.stop()));
  await Promise.all([other.end(), oneByOne.mysql.pool.end()]);
});

const stock = 60;
/** A product of the second generation in both databases. */
async function onSale(): Promise<string> {
  const productId = uniqueProductId();
  for (const sink of [sinks[0], oneByOne.sink]) await sink.putOnSale(productId, stock, 2);
  return productId;
}

interface Numbered {
  readonly event: OrderEvent;
  readonly batchNumber: number;
}

/** The careful way, a batch at a time. */
async function writeOneByOne(events: readonly Numbered[]): Promise<void> {
  for (const { event, batchNumber } of events) {
    const { productId, generation } = event;
    const batchId = batchIdOf(productId, generation, batchNumber);
    const batches = [{ batchId, event, acceptedAtMs: 0 }];
    const connection = await oneByOne.mysql.pool.getConnection();
    await persist(connection, { productId, batches, nowUs: 1 });
    connection.release();
  }
}

/** What was there before, and what is delivered on top of it, in any order and more than once. */
const anyScenario = fc.record({
  before: fc.integer({ min: 0, max: 4 }),
  kinds: fc.array(
    fc.array(fc.constantFrom('new', 'new', 'new', 'repeat', 'taken', 'beyond', 'twice'), {
      minLength: 1,
      maxLength: 5,
    }),
    { minLength: 1, maxLength: 8 },
  ),
  late: fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }),
  times: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 8, maxLength: 8 }),
  shuffled: fc.array(fc.double({ noNaN: true }), { minLength: 24, maxLength: 24 }),
});

interface Scenario {
  readonly before: number;
  readonly kinds: readonly (readonly string[])[];
  readonly late: readonly boolean[];
}

/** Events whose outcome does not hang on their order. */
function eventsOf(productId: string, { before, kinds, late }: Scenario) {
  const first = Array.from({ length: before }, (_, index): Numbered => {
    const event = { ...anEventOf(2, productId, 1 + index * 2), generation: 2 };
    return { event, batchNumber: index };
  });
  const known = first.flatMap(({ event }) => event.orders);
  let next = 1 + before * 2;
  const unitsOf = (kind: string, index: number): [number, number][] => {
    const held = known[index % Math.max(1, known.length)]?.units[0]?.[0];
    if (kind === 'taken' && held !== undefined) return [[held, held]];
    if (kind === 'beyond') return [[stock, stock + 1]];
    if (kind === 'twice')
      return [
        [stock, stock],
        [stock, stock],
      ];
    next += 1;
    return [[next - 1, next - 1]];
  };
  const then = kinds.map((orders, batch): Numbered => {
    const event = anEvent(
      productId,
      orders.map((kind, index) => ({ units: unitsOf(kind, index) })),
      { generation: late[batch] === true ? 1 : 2 },
    );
    // Known by its id, whichever event brings it.
    const mixed = event.orders.map((order, index) =>
      orders[index] === 'repeat' ? (known[index % Math.max(1, known.length)] ?? order) : order,
    );
    return { event: { ...event, orders: mixed }, batchNumber: 100 + batch };
  });
  return { first, then };
}

/** Everything but the time of writing. */
async function held(sink: Sink, productId: string) {
  const { unsold, rows, units, ledger } = await sink.held(productId);
  return {
    unsold,
    rows: rows.map((row) => ({ ...row, createdAt: 0 })),
    units,
    ledger: ledger.map((row) => ({ ...row, at: 0 })),
  };
}

test('any mix of orders, repeated and in any order at two instances, is what one by one is', async () => {
  await fc.assert(
    fc.asyncProperty(anyScenario, async ({ times, shuffled, ...scenario }) => {
      const productId = await onSale();
      const { first, then } = eventsOf(productId, scenario);
      for (const { event, batchNumber } of first) await sinks[0].deliver(event, batchNumber);
      const deliveries = then
        .flatMap((numbered, index) => Array.from({ length: times[index] ?? 1 }, () => numbered))
        .map((numbered, index) => ({ ...numbered, key: shuffled[index] ?? 0, index }))
        .sort((a, b) => a.key - b.key);
      const statuses = await Promise.all(
        deliveries.map(({ event, batchNumber, index }) =>
          (index % 2 === 0 ? sinks[0] : sinks[1]).deliver(event, batchNumber),
        ),
      );
      expect(new Set(statuses)).toEqual(new Set([delivery.done]));
      await writeOneByOne([...first, ...then]);
      expect(await held(sinks[0], productId)).toEqual(await held(oneByOne.sink, productId));
    }),
    { numRuns: 25 },
  );
});

/** Resolves when a statement like this waits in the server. */
async function waiting(sql: string): Promise<void> {
  const connection = await createConnection({ uri: url });
  const count = async () => {
    const [rows] = await connection.query<RowDataPacket[]>(
      'select count(*) n from information_schema.processlist where info like ? and id <> connection_id()',
      [sql],
    );
    return Number(rows[0]?.['n']);
  };
  await expect.poll(count, { timeout: 10_000 }).toBeGreaterThan(0);
  await connection.end();
}

test('what waits for a rebuild that has read the rows is of an older generation then, and dropped', async () => {
  const productId = await onSale();
  await other.beginTransaction();
  await other.query('update products set generation = 3 where product_id = ?', [productId]);
  const event = { ...anEventOf(3, productId), generation: 2 };
  const delivered = sinks[0].deliver(event);
  // Its rows are there already, and nobody sees them.
  await waiting(`update products set unsold%${productId}%`);
  const [rows] = await other.query<RowDataPacket[]>('select * from orders where product_id = ?', [
    productId,
  ]);
  expect(rows).toEqual([]);
  await other.commit();
  expect(await delivered).toBe(delivery.done);
  expect(await sinks[0].held(productId)).toMatchObject({ unsold: stock, rows: [], units: [] });
});

test('who loses to a deadlock comes through the next time, each order once', async () => {
  const productId = await onSale();
  const event = { ...anEventOf(2, productId), generation: 2 };
  const [first, second] = event.orders.map(({ orderId }) => orderId).sort();
  const before = await sinks[0].valueOf('seckill_persist_retries_total{reason="deadlock"}');
  await other.beginTransaction();
  // More rows than the event has: it is not this one that is given up.
  const insert = (orderId: string | undefined) =>
    other.query(
      `insert into orders values (?, ?, 'u', 1, 'confirmed', null, 1, 'CNY', 'b', now(6), 1, 1,
        now(6), now(6))`,
      [orderId, productId],
    );
  for (let index = 0; index < 20; index += 1) await insert(`${productId}.filler-${index}`);
  await insert(second);
  const delivered = sinks[0].deliver(event);
  await waiting(`insert into \`orders\`%${productId}%`);
  await insert(first);
  await other.rollback();
  expect(await delivered).toBe(delivery.done);
  expect(await sinks[0].valueOf('seckill_persist_retries_total{reason="deadlock"}')).toBe(
    before + 1,
  );
  const { rows, units } = await sinks[0].held(productId);
  expect([rows.length, units.length]).toEqual([2, 2]);
});
