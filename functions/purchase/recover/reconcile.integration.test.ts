import { randomUUID } from 'node:crypto';
import { and, eq } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { recordBatch } from '#lib/board/board.ts';
import {
  deadLetterDecisions,
  operations,
  orders,
  orderUnits,
  stockMovements,
} from '#lib/mysql/schema.ts';
import { boardKey, deadLetterTopics, productsBoardKey, saleKeys } from '#lib/names.ts';
import type { DifferenceCode, Reconciliation, Repair } from '#lib/reconcile/report.ts';
import { claim, type Purchase } from '#lib/sale/sale.ts';
import { move } from '../operate/operation.ts';
import {
  accepted,
  type Bench,
  gate,
  type Instance,
  ledgerOf,
  log,
  many,
  openOwnBench,
  replayed,
  unavailable,
} from '../testing/purchase-fixture.ts';
import { eventLogOf } from './read-events.ts';
import { type ReconcileDependencies, reconcile } from './reconcile.ts';

let bench: Bench;
let instance: Instance;
beforeAll(async () => {
  bench = await openOwnBench();
});
beforeEach(() => {
  instance = bench.instance();
});
afterAll(() => bench.close());

/** Both sinks have answered for everything. */
const delivered = () => Promise.resolve({ committed: new Map(), ends: new Map(), complete: true });

function dependencies(overrides: Partial<ReconcileDependencies> = {}): ReconcileDependencies {
  const { redis, mysql, kafka, signingKeys } = bench;
  return {
    ...{ redis, mysql, log, seller: instance.seller, publisher: instance.publisher },
    readEvents: eventLogOf({ kafka, signingKeys }).readEvents,
    readProgress: delivered,
    deliveryWaitMs: 0,
    ...overrides,
  };
}

const run = (
  productId: string,
  options: Partial<Parameters<typeof reconcile>[2]> = {},
  overrides: Partial<ReconcileDependencies> = {},
): Promise<Reconciliation> =>
  reconcile(dependencies(overrides), productId, { dryRun: false, deep: true, ...options });

interface Sold {
  readonly productId: string;
  readonly purchases: readonly Purchase[];
}

/** What the two sinks do with everything that is in the topic. */
async function deliver(productId: string): Promise<void> {
  await bench.persistAll(productId);
  for (const { event } of await bench.published(productId)) await recordBatch(bench.redis, event);
}

/** A sale of ten units with three orders, each a row and on the boards. */
async function aSale(): Promise<Sold> {
  const productId = await bench.product({ stock: 10 });
  const purchases = many(productId, 3);
  const answers = await instance.seller.purchase(productId, purchases);
  expect(answers).toEqual([accepted, accepted, accepted]);
  await deliver(productId);
  return { productId, purchases };
}

/** An order that Kafka has acknowledged, and that nobody has delivered. */
async function undelivered({ productId }: Sold): Promise<void> {
  expect(await instance.seller.purchase(productId, many(productId, 1))).toEqual([accepted]);
}

/** An order that is sold and not published; its buyer was told 503. */
async function pending({ productId }: Sold): Promise<void> {
  instance.aroundPublish = () => Promise.reject(new Error('Kafka is away'));
  expect(await instance.seller.purchase(productId, many(productId, 1))).toEqual([unavailable]);
  instance.aroundPublish = (step) => step();
}

const first = ({ purchases }: Sold) => {
  const [purchase] = purchases;
  if (!purchase) throw new Error('nothing was sold');
  return purchase;
};

async function rewriteOrder(sold: Sold, rewrite: (record: string) => string): Promise<void> {
  const key = saleKeys(sold.productId).orders;
  const { orderId } = first(sold);
  await bench.redis.hset(key, orderId, rewrite((await bench.redis.hget(key, orderId)) ?? ''));
}

async function unitOf({ orderId }: Purchase): Promise<number> {
  const db = bench.mysql.db;
  const [row] = await db.select().from(orderUnits).where(eq(orderUnits.orderId, orderId));
  return row?.unit ?? 0;
}

/** What `orders cancel` does in MySQL, after which it crashed. */
async function cancelInMysql(sold: Sold, { logged }: { logged: boolean }): Promise<void> {
  const { productId } = sold;
  const { orderId } = first(sold);
  const { db } = bench.mysql;
  await db.update(orders).set({ status: 'cancelled' }).where(eq(orders.orderId, orderId));
  await db.delete(orderUnits).where(eq(orderUnits.orderId, orderId));
  await bench.update(productId, { unsold: (await bench.row(productId)).unsold + 1 });
  await move(db, { productId, kind: 'cancelled', reference: orderId, units: 1 });
  if (!logged) return;
  const operation = { operationId: randomUUID(), operator: 'a test', at: 1_000_000 };
  const details = { orderId, quantity: 1, reason: null };
  await db.insert(operations).values({ ...operation, productId, action: 'cancel', details });
}

/** What `sale restock` does in MySQL, after which it crashed. */
async function restockInMysql(productId: string, units: number): Promise<void> {
  const { stock, unsold } = await bench.row(productId);
  await bench.update(productId, { stock: stock + units, unsold: unsold + units });
  const reference = randomUUID();
  await move(bench.mysql.db, { productId, kind: 'restock', reference, units });
}

type Break = (sold: Sold) => Promise<unknown>;

const field = (name: string, value: string): Break => {
  return ({ productId }) => bench.redis.hset(saleKeys(productId).sale, name, value);
};
const drop = (...parts: (keyof ReturnType<typeof saleKeys>)[]): Break => {
  return ({ productId }) => bench.redis.del(...parts.map((part) => saleKeys(productId)[part]));
};

const repairable: readonly [string, DifferenceCode, Repair, Break][] = [
  ['the sale is gone', 'sale_missing', 'rebuild', drop('sale', 'orders', 'buyers', 'outbox')],
  ['Redis was restarted', 'other_process', 'rebuild', field('run_id', 'f'.repeat(40))],
  ['the orders are gone', 'sale_not_whole', 'rebuild', drop('orders')],
  [
    'only the outbox is gone',
    'sale_not_whole',
    'rebuild',
    async (sold) => {
      await pending(sold);
      await drop('outbox')(sold);
    },
  ],
  [
    'a rebuild that crashed',
    'sale_loading',
    'rebuild',
    ({ productId }) => claim(bench.redis, productId, 'nobody'),
  ],
  [
    'an older generation than MySQL’s',
    'generation',
    'rebuild',
    async ({ productId }) =>
      bench.update(productId, { generation: (await bench.row(productId)).generation + 1 }),
  ],
  [
    'a newer generation than MySQL’s',
    'generation',
    'rebuild',
    async ({ productId }) =>
      bench.update(productId, { generation: (await bench.row(productId)).generation - 1 }),
  ],
  [
    'a pause that did not come to Redis',
    'settings',
    'finish',
    ({ productId }) => bench.update(productId, { state: 'paused' }),
  ],
  ['another price', 'settings', 'rebuild', field('unit_price', '1')],
  [
    'a restock that did not come to Redis',
    'stock',
    'finish',
    ({ productId }) => restockInMysql(productId, 5),
  ],
  ['a wrong number of units left', 'counters', 'rebuild', field('left', '6')],
  ['a free unit too few', 'counters', 'rebuild', field('free', '5-10')],
  ['a unit that is free and sold', 'counters', 'rebuild', field('free', '3-9')],
  [
    'another quantity in Redis',
    'order_differs',
    'rebuild',
    (sold) => rewriteOrder(sold, (record) => record.replace('|1|', '|2|')),
  ],
  [
    'an order that MySQL has confirmed and Redis cancelled',
    'order_differs',
    'rebuild',
    (sold) => rewriteOrder(sold, (record) => record.replace('accepted', 'cancelled')),
  ],
  [
    'an order that Redis has forgotten',
    'order_missing',
    'rebuild',
    (sold) => bench.redis.hdel(saleKeys(sold.productId).orders, first(sold).orderId),
  ],
  [
    'a cancellation that did not come to Redis',
    'cancel_unfinished',
    'finish',
    (sold) => cancelInMysql(sold, { logged: true }),
  ],
  [
    'a cancellation that nobody has logged',
    'cancel_unfinished',
    'finish',
    (sold) => cancelInMysql(sold, { logged: false }),
  ],
  [
    'a status that was not noted',
    'status_not_noted',
    'note',
    (sold) => rewriteOrder(sold, (record) => record.replace(/\|\d{16}\|/, '|1000000|')),
  ],
  [
    'a buyer with a wrong total',
    'buyers',
    'rebuild',
    (sold) => bench.redis.hset(saleKeys(sold.productId).buyers, first(sold).userId, '1000000|5'),
  ],
  [
    'a buyer who is not forgotten',
    'buyers',
    'rebuild',
    ({ productId }) => bench.redis.hset(saleKeys(productId).buyers, 'nobody', '1000000|1'),
  ],
  [
    'a stranger on a board',
    'boards',
    'restore',
    ({ productId }) => bench.redis.zadd(boardKey(productId, 'quantity'), 9, 'nobody'),
  ],
  [
    'a buyer who is not on a board',
    'boards',
    'restore',
    (sold) => bench.redis.zrem(boardKey(sold.productId, 'score'), first(sold).userId),
  ],
  [
    'a product that is not on its board',
    'boards',
    'restore',
    ({ productId }) => bench.redis.zrem(productsBoardKey, productId),
  ],
  [
    'a wrong number of unsold units',
    'unsold',
    'recount',
    ({ productId }) => bench.update(productId, { unsold: 9 }),
  ],
];

/** Everything that a reconciliation could change. */
async function everything(productId: string): Promise<unknown> {
  const { redis, mysql } = bench;
  const boards = (['speed', 'quantity', 'score'] as const).map((kind) => boardKey(productId, kind));
  return {
    hashes: await Promise.all(Object.values(saleKeys(productId)).map((key) => redis.hgetall(key))),
    boards: await Promise.all(boards.map((key) => redis.zrange(key, 0, '-1', 'WITHSCORES'))),
    product: await bench.row(productId),
    orders: await mysql.db.select().from(orders).where(eq(orders.productId, productId)),
  };
}

test('a sale without a difference is left as it is', async () => {
  const { productId } = await aSale();
  const before = await everything(productId);
  const found = await run(productId);
  expect(found).toMatchObject({ ok: true, differences: [], oversold: 0, lost: 0, waiting: [] });
  expect(found).toMatchObject({ deep: true, dryRun: false, generation: 1, orders: 3, rows: 3 });
  expect(await everything(productId)).toEqual(before);
  expect(instance.rebuilds).toBe(1);
});

describe('what is repaired', () => {
  test.each(repairable)('%s: %s', async (_, code, repair, breakIt) => {
    const sold = await aSale();
    const { productId } = sold;
    await breakIt(sold);
    const before = await everything(productId);
    const expected: unknown = expect.objectContaining({ code, repair });

    const dry = await run(productId, { dryRun: true });
    expect(dry.differences).toContainEqual(expected);
    expect(dry.differences.some(({ repaired }) => repaired)).toBe(false);
    expect(dry).toMatchObject({ ok: false, dryRun: true, oversold: 0, lost: 0 });
    expect(await everything(productId)).toEqual(before);

    const found = await run(productId);
    expect(found.differences).toContainEqual(expected);
    expect(found.differences.filter(({ repaired }) => !repaired)).toEqual([]);
    expect(found).toMatchObject({ oversold: 0, lost: 0 });

    await deliver(productId);
    const again = await run(productId);
    expect(again, JSON.stringify(again)).toMatchObject({ ok: true, differences: [] });
  });

  test('what is half done is ended without a rebuild', async () => {
    const sold = await aSale();
    await cancelInMysql(sold, { logged: true });
    await bench.update(sold.productId, { state: 'paused' });
    expect(await run(sold.productId)).toMatchObject({ ok: true, generation: 1 });
    expect(instance.rebuilds).toBe(1);
    expect(await bench.redis.hget(saleKeys(sold.productId).sale, 'left')).toBe('8');
  });

  test('batches that were left in the outbox are published', async () => {
    const sold = await aSale();
    const { productId } = sold;
    await pending(sold);
    expect((await run(productId, { dryRun: true })).differences).toEqual([]);
    // As if it had been a quarter of a minute ago.
    const { outbox } = saleKeys(productId);
    const [[number, data] = ['', '']] = Object.entries(await bench.redis.hgetall(outbox));
    const at = Number(/"acceptedAt":(\d+)/.exec(data)?.[1]);
    await bench.redis.hset(outbox, number, data.replaceAll(String(at), String(at - 15_000_000)));
    const dry = await run(productId, { dryRun: true });
    expect(dry.differences).toMatchObject([{ code: 'outbox_overdue', repaired: false }]);
    // The sinks have not got it yet.
    const found = await run(productId, {}, { readProgress: () => behind(1) });
    expect(found.differences).toMatchObject([{ code: 'outbox_overdue', repaired: true }]);
    expect(await bench.redis.exists(outbox)).toBe(0);
  });

  test('an order without a row is sent again from Kafka', async () => {
    const sold = await aSale();
    const { productId } = sold;
    await undelivered(sold);
    const missing: unknown = expect.objectContaining({ code: 'row_missing', count: 1 });
    const dry = await run(productId, { dryRun: true });
    expect(dry.differences).toContainEqual(missing);
    expect(dry.lost).toBe(1);
    const { publisher } = instance;
    const sink = {
      ...publisher,
      publish: async (events: Parameters<typeof publisher.publish>[0]) => {
        await publisher.publish(events);
        await deliver(productId);
      },
    };
    const found = await run(productId, {}, { publisher: sink });
    expect(found.differences).toContainEqual(missing);
    expect(found).toMatchObject({ ok: true, lost: 0 });
    expect(await run(productId)).toMatchObject({ ok: true, differences: [], rows: 4 });
  });
});

test('an event that an operator has dropped is not sent again, and its order stays lost', async () => {
  const sold = await aSale();
  const { productId } = sold;
  await undelivered(sold);
  const before = await bench.published(productId);
  const open = before.find(({ event }) => event.orders.length === 1);
  await bench.mysql.db.insert(deadLetterDecisions).values({
    ...{ topic: deadLetterTopics['persist-order'], partition: 0, offset: Date.now() },
    ...{ diedMs: 0, productId, batchId: open?.batchId, action: 'dropped', operator: 'ann' },
    ...{ operationId: randomUUID(), at: Date.now() * 1_000 },
  });
  expect(await run(productId)).toMatchObject({ ok: false, lost: 1 });
  expect(await bench.published(productId)).toHaveLength(before.length);
});

/** The groups have not answered for so many events. */
const behind = (events: number) =>
  Promise.resolve({ committed: new Map(), ends: new Map([[0, events]]), complete: true });

describe('what is only reported', () => {
  test('an order that neither Kafka nor MySQL has: lost, and Redis goes on knowing it', async () => {
    const { productId } = await aSale();
    const keys = saleKeys(productId);
    const at = await bench.redis.hget(keys.sale, 'last_at');
    const orderId = `${productId}.1234567890123456789012`;
    await bench.redis.hset(keys.orders, orderId, `accepted|1|1|${at}|4-4|ghost`);
    await bench.redis.hset(keys.buyers, 'ghost', `${at}|1`);
    await bench.redis.hset(keys.sale, 'left', 6, 'sold', 4, 'free', '5-10');
    for (let round = 0; round < 2; round += 1) {
      const found = await run(productId);
      expect(found).toMatchObject({ ok: false, lost: 1, oversold: 0 });
      const missing: unknown = expect.objectContaining({ code: 'row_missing', repaired: false });
      expect(found.differences).toContainEqual(missing);
    }
    // Also where something else would have had the sale made anew.
    await bench.redis.hset(keys.sale, 'free', '1-10');
    expect(await run(productId)).toMatchObject({ ok: false, lost: 1, generation: 1 });
    expect(await bench.redis.hexists(keys.orders, orderId)).toBe(1);
  });

  test('units beyond the stock, in MySQL', async () => {
    const sold = await aSale();
    const { productId } = sold;
    const { orderId } = first(sold);
    await bench.mysql.db.insert(orderUnits).values({ productId, unit: 11, orderId });
    const found = await run(productId);
    expect(found).toMatchObject({ ok: false, oversold: 1, lost: 0 });
    const codes = found.differences.map(({ code, repaired }) => [code, repaired]);
    expect(codes).toContainEqual(['oversold', false]);
    expect(codes).toContainEqual(['units', false]);
  });

  test.each([
    ['sums up to another stock', { kind: 'on_sale' as const }, [1, 9, 6]],
    ['leaves other units unsold', { kind: 'sold' as const }, [2, 10, 9]],
  ])('a ledger that %s, in MySQL', async (_, { kind }, [count, stock, unsold]) => {
    const { productId } = await aSale();
    const { db } = bench.mysql;
    const lines = and(eq(stockMovements.productId, productId), eq(stockMovements.kind, kind));
    const before = await ledgerOf(bench, productId);
    await db
      .update(stockMovements)
      .set({ units: kind === 'sold' ? -1 : 9 })
      .where(lines);
    const broken = await ledgerOf(bench, productId);
    expect(broken).not.toEqual(before);
    const found = await run(productId);
    expect(found).toMatchObject({
      ok: false,
      differences: [
        {
          ...{ code: 'ledger', repair: null, repaired: false, count },
          found: `MySQL: by its ledger ${unsold} of ${stock} units are unsold, by its rows 7 of 10`,
        },
      ],
    });
    expect(await ledgerOf(bench, productId)).toEqual(broken);
  });

  test('a unit of two orders, in Redis', async () => {
    const sold = await aSale();
    await rewriteOrder(sold, (record) => record.replace(/\|(\d+)-\1\|/, '|2-2|'));
    await rewriteOrder({ ...sold, purchases: sold.purchases.slice(1) }, (record) =>
      record.replace(/\|(\d+)-\1\|/, '|2-2|'),
    );
    expect(await run(sold.productId)).toMatchObject({ ok: false, oversold: 1 });
  });

  test('orders that were rejected, and units without their order', async () => {
    const sold = await aSale();
    const { orderId } = first(sold);
    const { db } = bench.mysql;
    await db.update(orders).set({ status: 'rejected' }).where(eq(orders.orderId, orderId));
    const found = await run(sold.productId);
    expect(found).toMatchObject({ ok: false, lost: 1 });
    const codes = found.differences.map(({ code }) => code);
    expect(codes).toEqual(expect.arrayContaining(['rejected', 'units']));
  });

  test('what is on its way is waited for, and not called lost', async () => {
    const sold = await aSale();
    await undelivered(sold);
    const found = await run(sold.productId, {}, { readProgress: () => behind(2) });
    expect(found).toMatchObject({ ok: false, lost: 0, differences: [] });
    expect(found.lag).toEqual({ 'persist-order': 2, 'update-rank': 2 });
    expect(found.waiting).toEqual([
      '2 events wait for persist-order',
      '2 events wait for update-rank',
    ]);
  });

  test('a Redis that keeps nothing is warned of', async () => {
    const { productId } = await aSale();
    const [, kept] = (await bench.redis.config('GET', 'appendonly')) as [string, string];
    const { warnings } = await run(productId);
    expect(warnings.includes('redis_keeps_no_aof')).toBe(kept === 'no');
    expect(warnings).not.toContain('redis_evicts');
  });
});

describe('which sales', () => {
  test('one that has never been loaded is left alone', async () => {
    const productId = await bench.product();
    expect(await run(productId)).toMatchObject({ ok: true, differences: [], generation: 0 });
    expect(await bench.redis.exists(saleKeys(productId).sale)).toBe(0);
  });

  test('an unknown one is refused', async () => {
    await expect(run('no-such-product')).rejects.toThrow('no-such-product');
  });

  describe('a settled one', () => {
    async function settled(): Promise<Sold> {
      const sold = await aSale();
      await bench.redis.hset(saleKeys(sold.productId).sale, 'state', 'closed');
      await bench.update(sold.productId, { state: 'settled' });
      return sold;
    }
    const isInRedis = async ({ productId }: Sold) =>
      (await bench.redis.exists(saleKeys(productId).sale)) === 1;

    test('is left alone where all is well, whether Redis still has it or not', async () => {
      const sold = await settled();
      expect(await run(sold.productId)).toMatchObject({ ok: true, differences: [], rows: 3 });
      expect(await isInRedis(sold)).toBe(true);
      await bench.redis.unlink(...Object.values(saleKeys(sold.productId)));
      expect(await run(sold.productId)).toMatchObject({ ok: true, differences: [] });
    });

    test('gets its boards from the rows', async () => {
      const sold = await settled();
      const board = boardKey(sold.productId, 'speed');
      const before = await bench.redis.zrange(board, 0, '-1', 'WITHSCORES');
      await bench.redis.zadd(board, 5, 'ghost');
      await bench.redis.zrem(board, first(sold).userId);
      const found = { differences: [{ code: 'boards', repaired: false }], ok: false };
      expect(await run(sold.productId, { dryRun: true })).toMatchObject(found);
      expect(await run(sold.productId)).toMatchObject({
        ok: true,
        differences: [{ code: 'boards', repaired: true }],
      });
      expect(await bench.redis.zrange(board, 0, '-1', 'WITHSCORES')).toEqual(before);
      expect(await isInRedis(sold)).toBe(true);
    });

    test('is dropped from Redis where that is wrong: MySQL answers for it', async () => {
      const sold = await settled();
      await bench.redis.hset(saleKeys(sold.productId).sale, 'left', '2');
      expect(await run(sold.productId)).toMatchObject({
        ok: true,
        differences: [{ code: 'counters', repaired: true }],
      });
      expect(await isInRedis(sold)).toBe(false);
      expect(await instance.seller.purchase(sold.productId, [first(sold)])).toEqual([replayed]);
    });

    test('is dropped from Redis where that has lost a part of it', async () => {
      const sold = await settled();
      await bench.redis.del(saleKeys(sold.productId).orders);
      const differences = [{ code: 'sale_not_whole', repaired: true }];
      expect(await run(sold.productId)).toMatchObject({ ok: true, differences });
      expect(await isInRedis(sold)).toBe(false);
    });

    test('keeps what only Redis knows, and says that it is lost', async () => {
      const sold = await settled();
      const { db } = bench.mysql;
      const { orderId } = first(sold);
      await db.delete(orderUnits).where(eq(orderUnits.orderId, orderId));
      await db.delete(orders).where(eq(orders.orderId, orderId));
      const found = await run(sold.productId);
      expect(found).toMatchObject({ ok: false, lost: 1 });
      expect(found.differences).toContainEqual(
        expect.objectContaining({ code: 'row_missing', repaired: false }),
      );
      expect(await isInRedis(sold)).toBe(true);
    });
  });

  test('a large one is compared by its figures while these fit, and whole where they do not', async () => {
    const sold = await aSale();
    const { productId } = sold;
    const few = { ...dependencies(), deepOrdersMax: 2 };
    const options = { dryRun: false, deep: false };
    expect(await reconcile(few, productId, options)).toMatchObject({ ok: true, deep: false });
    await bench.redis.hdel(saleKeys(productId).orders, first(sold).orderId);
    expect(await reconcile(few, productId, options)).toMatchObject({ ok: true, deep: true });
    expect(instance.rebuilds).toBe(2);
  });
});

describe('while others are at work', () => {
  test('a sale under load is looked at twenty times: no purchase fails', async () => {
    const productId = await bench.product({ stock: 10_000 });
    const other = bench.instance();
    const [early] = await instance.seller.purchase(productId, many(productId, 1));
    const answers: string[] = [early?.outcome ?? ''];
    const buy = async ({ seller }: Instance) => {
      for (let times = 0; times < 5; times += 1) {
        const given = await seller.purchase(productId, many(productId, 4));
        answers.push(...given.map(({ outcome }) => outcome));
      }
    };
    const buying: Promise<unknown>[] = [];
    const found: Reconciliation[] = [];
    for (let round = 0; round < 20; round += 1) {
      // What is on its way is let through twice: then rows and boards are compared, too.
      const readProgress = async () => {
        if (round % 10 < 9) return behind(1);
        await deliver(productId);
        buying.push(buy(instance), buy(other));
        return delivered();
      };
      buying.push(buy(instance), buy(instance), buy(other));
      found.push(await run(productId, {}, { readProgress }));
      await Promise.all(buying);
    }
    expect(new Set(answers)).toEqual(new Set(['accepted']));
    expect(found.flatMap(({ differences }) => differences)).toEqual([]);
    await deliver(productId);
    const last = await run(productId);
    expect(last, JSON.stringify(last)).toMatchObject({ ok: true, orders: answers.length });
    expect(instance.rebuilds + other.rebuilds).toBe(1);
  }, 120_000);

  test.each(['before it looks again', 'between its look and its repair'])(
    'one that was frozen %s, and lost the lock, repairs nothing any more',
    async (when) => {
      const sold = await aSale();
      const { productId } = sold;
      await rewriteOrder(sold, (record) => record.replace('|1|', '|2|'));
      const frozen = gate();
      let turns = 0;
      const seller: ReconcileDependencies['seller'] = {
        exclusively: (id, work) =>
          instance.seller.exclusively(id, async (fence) => {
            turns += 1;
            if (turns === 2 && when === 'before it looks again') await frozen.pass();
            return work(fence);
          }),
      };
      // Orders are read again under the lock, after the look and before the repair.
      const redis = new Proxy(bench.redis, {
        get(target, name) {
          const value: unknown = Reflect.get(target, name);
          if (name !== 'hmget')
            return typeof value === 'function' ? (value.bind(target) as unknown) : value;
          return async (key: string, ...names: string[]) => {
            const read = await target.hmget(key, ...names);
            if (turns === 2) await frozen.pass();
            return read;
          };
        },
      });
      const stuck = run(productId, {}, { seller, redis });
      await frozen.isReached;
      await bench.endHolder(productId);
      const other = bench.instance();
      const answers = await other.seller.purchase(productId, many(productId, 2));
      expect(answers).toEqual([accepted, accepted]);
      const before = await everything(productId);
      frozen.open();
      const found = await stuck;
      expect(found.ok).toBe(false);
      expect(found.differences).toContainEqual(expect.objectContaining({ code: 'order_differs' }));
      expect(found.differences.filter(({ repaired }) => repaired)).toEqual([]);
      expect(await everything(productId)).toEqual(before);
      expect(other.rebuilds).toBe(0);
    },
  );

  test('a sale that is settled meanwhile is left as it is: nobody would load it again', async () => {
    const sold = await aSale();
    const { productId } = sold;
    await rewriteOrder(sold, (record) => record.replace('|1|', '|2|'));
    let before: unknown;
    const settle = async () => {
      await bench.update(productId, { state: 'settled' });
      before = await everything(productId);
      return delivered();
    };
    const found = await run(productId, {}, { readProgress: settle });
    expect(found.differences).toContainEqual(expect.objectContaining({ code: 'order_differs' }));
    expect(found.differences.filter(({ repaired }) => repaired)).toEqual([]);
    expect(await everything(productId)).toEqual(before);
  });
});

test('a retry of an order whose outbox was deleted is decided again, and sold once', async () => {
  const productId = await bench.product({ stock: 3 });
  const [purchase] = many(productId, 1);
  if (!purchase) throw new Error('no purchase');
  instance.aroundPublish = () => Promise.reject(new Error('Kafka is away'));
  expect(await instance.seller.purchase(productId, [purchase])).toEqual([unavailable]);
  instance.aroundPublish = (step) => step();
  await bench.redis.del(saleKeys(productId).outbox);
  expect(await instance.seller.purchase(productId, [purchase])).toEqual([accepted]);
  expect(await bench.published(productId)).toHaveLength(1);
  await deliver(productId);
  const rows = bench.mysql.db
    .select()
    .from(orders)
    .where(and(eq(orders.productId, productId), eq(orders.orderId, purchase.orderId)));
  expect(await rows).toHaveLength(1);
  expect(await unitOf(purchase)).toBe(1);
});
