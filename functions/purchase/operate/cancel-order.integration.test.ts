import { randomUUID } from 'node:crypto';
import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { recordBatch, topOf } from '#lib/board/board.ts';
import { orders } from '#lib/mysql/schema.ts';
import { saleKeys } from '#lib/names.ts';
import { noteStatus } from '#lib/sale/note-status.ts';
import type { Purchase } from '#lib/sale/sale.ts';
import {
  type Answer,
  failingRedis,
  openApp,
  type TestApp,
  verdictOf,
} from '../testing/app-fixture.ts';
import {
  aPurchase,
  type Bench,
  gate,
  type Instance,
  ledgerOf,
  many,
  openOwnBench,
  replayed,
} from '../testing/purchase-fixture.ts';
import { finishChanges, openCancellations } from './finish-changes.ts';

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

interface Cancelling {
  readonly operationId?: string;
  readonly of?: TestApp;
  readonly body?: object;
}

const cancel = (
  { orderId }: Pick<Purchase, 'orderId'>,
  { operationId = randomUUID(), of = app, body = {} }: Cancelling = {},
) => of.operate(`orders/${orderId}/cancel`, { operationId, body });
const stands = ({ status, body }: Answer) => [status, body.outcome ?? body.status];
const inRedis = (productId: string) =>
  bench.redis.hmget(saleKeys(productId).sale, 'left', 'sold', 'free');
const buy = async (productId: string, spec: Partial<Purchase> = {}, from = instance) => {
  const purchase = aPurchase(productId, spec);
  const [answer] = await from.seller.purchase(productId, [purchase]);
  return { purchase, outcome: answer?.outcome };
};
/** An order that has its row. */
const bought = async (productId: string, spec: Partial<Purchase> = {}) => {
  const { purchase, outcome } = await buy(productId, spec);
  expect(outcome).toBe('accepted');
  await bench.persistAll(productId);
  return purchase;
};
const logOf = async (productId: string) => {
  const path = `/operator/sales/${productId}/log`;
  return (await app.call('GET', path, { operator: 'ann' })).body.log as Record<string, unknown>[];
};
const show = ({ orderId, userId }: Purchase) =>
  app.call('GET', `/orders/${orderId}?userId=${userId}`);

describe('a cancelled order', () => {
  test('gives its unit to the next buyer; everybody keeps what they were told', async () => {
    const productId = await bench.product({ stock: 1 });
    const first = await bought(productId);
    expect((await buy(productId)).outcome).toBe('sold_out');
    const operationId = randomUUID();
    const answer = await cancel(first, { operationId, body: { reason: 'nicht bezahlt' } });
    expect(answer.body).toMatchObject({
      ...{ orderId: first.orderId, userId: first.userId, productId, quantity: 1, units: [] },
      ...{ status: 'cancelled', reason: 'nicht bezahlt' },
    });
    expect(await bench.row(productId)).toMatchObject({ stock: 1, unsold: 1 });
    expect(await inRedis(productId)).toEqual(['1', '0', '1-1']);
    expect(await logOf(productId)).toMatchObject([
      {
        ...{ operationId, operator: 'Ольга', action: 'cancel' },
        details: { orderId: first.orderId, quantity: 1, reason: 'nicht bezahlt' },
      },
    ]);

    const second = await bought(productId);
    expect(await instance.seller.purchase(productId, [first, second])).toEqual([
      replayed,
      replayed,
    ]);
    expect(stands(await show(first))).toEqual([200, 'cancelled']);
    expect(stands(await show(second))).toEqual([200, 'confirmed']);
    // Every event comes once more, and is judged with all the others.
    expect(await verdictOf(bench, app, productId)).toMatchObject({
      ...{ stock: 1, sold: 1, rows: 1, units: 1, oversold: 0, lost: 0, duplicated: 0, ranked: 1 },
      ...{ ok: true, problems: [], waiting: [] },
    });
  });

  test('stays what it is through a rebuild, and its purchase keeps its answer', async () => {
    const productId = await bench.product({ stock: 5, limitPerUser: 3 });
    const mine = await bought(productId, { userId: 'ann', quantity: 2 });
    const other = await bought(productId, { userId: 'ann' });
    await cancel(mine);
    await bench.redis.unlink(saleKeys(productId).sale);
    expect(await instance.seller.purchase(productId, [mine, other])).toEqual([
      { outcome: 'replayed', quantity: 2 },
      replayed,
    ]);
    expect(await inRedis(productId)).toEqual(['4', '1', '1-2,4-5']);
    await bought(productId, { userId: 'ann', quantity: 2 });
    expect(await verdictOf(bench, app, productId)).toMatchObject({ sold: 3, rows: 2, ok: true });
  });

  test('counts no longer against its buyer’s limit, nor on the boards', async () => {
    const productId = await bench.product({ limitPerUser: 2 });
    const userId = 'bob';
    const first = await bought(productId, { userId });
    const second = await bought(productId, { userId });
    for (const { event } of await bench.published(productId)) await recordBatch(bench.redis, event);
    expect((await buy(productId, { userId })).outcome).toBe('limit_reached');
    await cancel(first);
    expect(await topOf(bench.redis, productId, 'quantity', 9)).toMatchObject([{ score: 1 }]);
    await cancel(second);
    expect(await topOf(bench.redis, productId, 'quantity', 9)).toEqual([]);
    expect((await buy(productId, { userId, quantity: 2 })).outcome).toBe('accepted');
    expect(await verdictOf(bench, app, productId)).toMatchObject({ sold: 2, ranked: 1, ok: true });
  });

  test('is not noted as such by a row that is told late: only its units would be lost', async () => {
    const productId = await bench.product();
    const purchase = await bought(productId);
    const redis = failingRedis(bench.redis, (args) => args.at(-1) === purchase.orderId);
    await cancel(purchase, { of: openApp(bench, instance, { redis }) });
    await noteStatus(bench.redis, productId, [[purchase.orderId, 'cancelled']]);
    expect(stands(await cancel(purchase))).toEqual([200, 'cancelled']);
    expect(await inRedis(productId)).toEqual(['10', '0', '1-10']);
  });
});

describe('an operation id', () => {
  test('that is repeated changes nothing, also after the units were sold again', async () => {
    const productId = await bench.product({ stock: 1 });
    const first = await bought(productId);
    const operationId = randomUUID();
    const all = await Promise.all([1, 2, 3].map(() => cancel(first, { operationId })));
    expect(all.map(stands)).toEqual([1, 2, 3].map(() => [200, 'cancelled']));
    await bought(productId);
    expect(stands(await cancel(first, { operationId }))).toEqual([200, 'cancelled']);
    // Another one, for what is cancelled already, has nothing to change either.
    expect(stands(await cancel(first, { body: { reason: 'late' } }))).toEqual([200, 'cancelled']);
    expect(await logOf(productId)).toHaveLength(1);
    expect(await bench.row(productId)).toMatchObject({ unsold: 0 });
    expect(await ledgerOf(bench, productId)).toEqual([
      `cancelled ${first.orderId} 1`,
      `on_sale ${productId} 1`,
      `sold ${productId}.1.1 -1`,
      `sold ${productId}.1.2 -1`,
    ]);
    expect(await inRedis(productId)).toEqual(['0', '1', '']);
    expect(await verdictOf(bench, app, productId)).toMatchObject({ sold: 1, ok: true });
  });

  test('of something else is a conflict', async () => {
    const productId = await bench.product();
    const [first, second] = [await bought(productId), await bought(productId)];
    const operationId = randomUUID();
    await cancel(first, { operationId });
    expect(stands(await cancel(second, { operationId }))).toEqual([409, 'conflict']);
    const restocked = await app.operate(`sales/${productId}/restock`, {
      ...{ operationId, body: { units: 1 } },
    });
    expect(stands(restocked)).toEqual([409, 'conflict']);
    expect(stands(await show(second))).toEqual([200, 'confirmed']);
    expect(await bench.row(productId)).toMatchObject({ stock: 10, unsold: 9 });
  });

  test('is needed', async () => {
    const productId = await bench.product();
    const { orderId } = await bought(productId);
    const answer = await app.call('POST', `/operator/orders/${orderId}/cancel`, { operator: 'a' });
    expect(stands(answer)).toEqual([400, 'malformed']);
  });
});

describe('cannot be cancelled', () => {
  test('an order that nobody knows', async () => {
    const productId = await bench.product();
    for (const orderId of [aPurchase(productId).orderId, 'x', aPurchase('no-such').orderId]) {
      expect(stands(await cancel({ orderId }))).toEqual([404, 'not_found']);
    }
  });

  test('yet: one whose row is on its way, which is waited for for a moment', async () => {
    const productId = await bench.product();
    const { purchase } = await buy(productId);
    const early = await cancel(purchase);
    expect(stands(early)).toEqual([409, 'conflict']);
    expect(early.body.detail).toContain('try again');
    const waiting = cancel(purchase);
    await bench.persistAll(productId);
    expect(stands(await waiting)).toEqual([200, 'cancelled']);
  });

  test('one that was rejected: it has no units', async () => {
    const productId = await bench.product();
    const { orderId } = await bought(productId);
    await bench.mysql.db
      .update(orders)
      .set({ status: 'rejected', reason: 'no_stock' })
      .where(eq(orders.orderId, orderId));
    expect(stands(await cancel({ orderId }))).toEqual([409, 'conflict']);
    expect(await logOf(productId)).toEqual([]);
  });

  test.each([
    [{ reason: 1 }],
    [{ reason: ' ' }],
    [{ reason: 'x'.repeat(65) }],
    [{ why: 'x' }],
    [[]],
  ])('with what is no reason: %j', async (body: object) => {
    const productId = await bench.product();
    expect(stands(await cancel(await bought(productId), { body }))).toEqual([400, 'malformed']);
  });
});

describe('a cancellation that reached MySQL but not Redis', () => {
  async function halfDone() {
    const productId = await bench.product({ stock: 2, limitPerUser: 2 });
    const purchase = await bought(productId, { quantity: 2 });
    const redis = failingRedis(bench.redis, (args) => args.at(-1) === purchase.orderId);
    const operationId = randomUUID();
    const answer = await cancel(purchase, { operationId, of: openApp(bench, instance, { redis }) });
    expect(stands(answer)).toEqual([503, 'unavailable']);
    expect(stands(await show(purchase))).toEqual([200, 'cancelled']);
    expect(await inRedis(productId)).toEqual(['0', '2', '']);
    expect(await openCancellations(bench, productId)).toEqual([purchase.orderId]);
    // Nobody is sold what nobody holds.
    expect((await buy(productId)).outcome).toBe('sold_out');
    return { productId, purchase, operationId };
  }
  const isDone = async (productId: string) => {
    expect(await openCancellations(bench, productId)).toEqual([]);
    expect(await inRedis(productId)).toEqual(['2', '0', '1-2']);
    expect(await logOf(productId)).toHaveLength(1);
    await bought(productId, { quantity: 2 });
    expect(await verdictOf(bench, app, productId)).toMatchObject({ stock: 2, sold: 2, ok: true });
  };

  test('is ended by its repetition', async () => {
    const { productId, purchase, operationId } = await halfDone();
    expect(stands(await cancel(purchase, { operationId }))).toEqual([200, 'cancelled']);
    await isDone(productId);
  });

  test('is ended by whoever looks after the sale', async () => {
    const { productId } = await halfDone();
    for (let time = 0; time < 2; time += 1) {
      await instance.seller.exclusively(productId, (fence) =>
        finishChanges(bench, productId, fence),
      );
    }
    await isDone(productId);
  });

  test('is ended by a rebuild', async () => {
    const { productId } = await halfDone();
    await bench.redis.unlink(saleKeys(productId).sale);
    await app.operate(`sales/${productId}/warm`);
    await isDone(productId);
  });

  test('is ended before the sale is settled', async () => {
    const { productId } = await halfDone();
    const closed = await app.operate(`sales/${productId}/close`);
    expect(closed.body).toMatchObject({ settled: true, left: 2 });
    expect(await verdictOf(bench, app, productId)).toMatchObject({ sold: 0, ok: true });
  });
});

test('cancelled while its event comes again, and again: it stays cancelled', async () => {
  const productId = await bench.product({ stock: 8, limitPerUser: 8 });
  const purchases: Purchase[] = [];
  for (let count = 0; count < 8; count += 1) purchases.push(await bought(productId));
  const redelivering = Promise.all([1, 2, 3].map(() => bench.persistAll(productId)));
  const cancelled = await Promise.all(purchases.slice(0, 6).map((purchase) => cancel(purchase)));
  expect(cancelled.map(stands)).toEqual(cancelled.map(() => [200, 'cancelled']));
  await redelivering;
  await bench.persistAll(productId);
  expect(await bench.row(productId)).toMatchObject({ stock: 8, unsold: 6 });
  const again = await instance.seller.purchase(productId, many(productId, 7));
  expect(again.filter(({ outcome }) => outcome === 'accepted')).toHaveLength(6);
  expect(await verdictOf(bench, app, productId)).toMatchObject({
    ...{ stock: 8, sold: 8, rows: 8, units: 8, oversold: 0, lost: 0, duplicated: 0, ok: true },
  });
});

describe('during a rebuild', () => {
  /** A sale that Redis lost, while one instance that holds its lock reads the topic. */
  async function rebuilding() {
    const productId = await bench.product({ stock: 3, limitPerUser: 3 });
    const purchase = await bought(productId, { quantity: 2 });
    await instance.seller.stop();
    await bench.redis.unlink(saleKeys(productId).sale);
    const reading = gate();
    const slow = bench.instance({
      // All of its events have their rows.
      async *readEvents() {
        await reading.pass();
        yield* [];
      },
    });
    const answer = slow.seller.purchase(productId, [purchase]);
    await reading.isReached;
    const own = openApp(bench, bench.instance());
    return { productId, purchase, reading, answer, own };
  }
  const isDone = async (productId: string) => {
    expect(await inRedis(productId)).toEqual(['3', '0', '1-3']);
    const again = bench.instance();
    expect((await buy(productId, { quantity: 3 }, again)).outcome).toBe('accepted');
    expect(await verdictOf(bench, app, productId)).toMatchObject({ stock: 3, sold: 3, ok: true });
  };

  test('it waits for the lock, and is not lost', async () => {
    const { productId, purchase, reading, answer, own } = await rebuilding();
    const cancelling = cancel(purchase, { of: own });
    reading.open();
    expect(await answer).toEqual([{ outcome: 'replayed', quantity: 2 }]);
    expect(stands(await cancelling)).toEqual([200, 'cancelled']);
    await isDone(productId);
  });

  test('by a holder that was overtaken it changes nothing of the cancelled order', async () => {
    const { productId, purchase, reading, answer, own } = await rebuilding();
    await bench.endHolder(productId);
    expect(stands(await cancel(purchase, { of: own }))).toEqual([200, 'cancelled']);
    reading.open();
    expect(await answer).toMatchObject([{ outcome: 'unavailable' }]);
    await isDone(productId);
  });

  test('that comes between MySQL and Redis it is there, and repeating it says so', async () => {
    const productId = await bench.product({ stock: 3, limitPerUser: 3 });
    const purchase = await bought(productId, { quantity: 2 });
    const other = bench.instance();
    // Right before the script: the lock is lost, and another instance rebuilds the sale.
    let overtaken = false;
    const redis = new Proxy(bench.redis, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== 'function') return value;
        return async (...args: unknown[]) => {
          // `cancel` takes three keys; reads of the order take fewer.
          const isCancel = name === 'evalsha' && args[1] === 3;
          if (isCancel && args.at(-1) === purchase.orderId && !overtaken) {
            overtaken = true;
            await bench.endHolder(productId);
            await bench.redis.unlink(saleKeys(productId).sale);
            await other.seller.exclusively(productId, () => Promise.resolve());
          }
          return value.apply(target, args) as unknown;
        };
      },
    });
    const operationId = randomUUID();
    const of = openApp(bench, instance, { redis });
    expect(stands(await cancel(purchase, { operationId, of }))).toEqual([503, 'unavailable']);
    expect(await inRedis(productId)).toEqual(['3', '0', '1-3']);
    expect(stands(await cancel(purchase, { operationId }))).toEqual([200, 'cancelled']);
    await isDone(productId);
  });
});

describe('of a settled sale', () => {
  const settled = async () => {
    const productId = await bench.product({ limitPerUser: 3 });
    const [paid, unpaid] = [await bought(productId), await bought(productId, { quantity: 3 })];
    for (const { event } of await bench.published(productId)) await recordBatch(bench.redis, event);
    expect((await app.operate(`sales/${productId}/close`)).body.settled).toBe(true);
    return { productId, paid, unpaid };
  };

  test('it is cancelled in Redis, too, as long as that has it', async () => {
    const { productId, unpaid } = await settled();
    expect(stands(await cancel(unpaid))).toEqual([200, 'cancelled']);
    expect(await inRedis(productId)).toEqual(['9', '1', '2-10']);
    expect(await instance.seller.purchase(productId, [unpaid])).toMatchObject([
      { outcome: 'replayed' },
    ]);
    expect((await buy(productId)).outcome).toBe('ended');
    expect(await verdictOf(bench, app, productId)).toMatchObject({ sold: 1, ranked: 1, ok: true });
  });

  test('it is cancelled in MySQL alone after that, and the boards know', async () => {
    const { productId, unpaid } = await settled();
    await bench.redis.unlink(...Object.values(saleKeys(productId)));
    const operationId = randomUUID();
    for (let time = 0; time < 2; time += 1) {
      expect(stands(await cancel(unpaid, { operationId }))).toEqual([200, 'cancelled']);
    }
    expect(await bench.row(productId)).toMatchObject({ unsold: 9, state: 'settled' });
    expect(await topOf(bench.redis, productId, 'quantity', 9)).toMatchObject([{ score: 1 }]);
    expect(await bench.redis.exists(saleKeys(productId).sale)).toBe(0);
    // Every event comes to the boards once more.
    const verdict = { sold: 1, rows: 1, lost: 0, ranked: 1, ok: true };
    expect(await verdictOf(bench, app, productId)).toMatchObject(verdict);
  });

  test('it leaves no old copy of the order in a Redis that was restarted', async () => {
    const { productId, paid, unpaid } = await settled();
    await bench.redis.hset(saleKeys(productId).sale, 'run_id', 'of-another-process');
    const again = bench.instance();
    const of = openApp(bench, again);
    expect(stands(await cancel(unpaid, { of }))).toEqual([200, 'cancelled']);
    expect(await again.seller.purchase(productId, [paid, unpaid])).toEqual([
      replayed,
      { outcome: 'replayed', quantity: 3 },
    ]);
    expect(await verdictOf(bench, app, productId)).toMatchObject({ sold: 1, ranked: 1, ok: true });
  });
});

describe('orders for operators', () => {
  const list = async (query: string) => {
    const answer = await app.call('GET', `/operator/orders?${query}`, { operator: 'ann' });
    const listed = (answer.body.orders ?? []) as { orderId: string; userId: string }[];
    return { ...answer, ids: listed.map(({ orderId }) => orderId), next: answer.body.next };
  };

  test('are listed newest first, page by page, by buyer and by status', async () => {
    const productId = await bench.product({ limitPerUser: 9 });
    const userIds = ['ann', 'bob', 'ann', 'ann ', 'bob'];
    const purchases = userIds.map((userId) => aPurchase(productId, { userId }));
    // One event, so that all have one time.
    await instance.seller.purchase(productId, purchases);
    await bench.persistAll(productId);
    await cancel(purchases[1] ?? { orderId: '' });
    const all = await list(`productId=${productId}`);
    expect(all.next).toBeNull();
    expect([...all.ids].sort()).toEqual(purchases.map(({ orderId }) => orderId).sort());
    const paged: string[] = [];
    let after = '';
    for (let page = 0; page < 3; page += 1) {
      const { ids, next } = await list(`productId=${productId}&limit=2${after}`);
      paged.push(...ids);
      after = `&after=${String(next)}`;
    }
    expect(after).toBe('&after=null');
    expect(paged).toEqual(all.ids);
    const mine = await list(`productId=${productId}&userId=ann`);
    const [first, , third] = purchases.map(({ orderId }) => orderId);
    expect([...mine.ids].sort()).toEqual([first, third].sort());
    const cancelled = await list(`productId=${productId}&status=cancelled`);
    expect(cancelled.body.orders).toMatchObject([
      { orderId: purchases[1]?.orderId, userId: 'bob', status: 'cancelled', quantity: 1 },
    ]);
  });

  test('one is shown with its buyer and its units, as soon as it is accepted', async () => {
    const productId = await bench.product({ limitPerUser: 3 });
    const { purchase } = await buy(productId, { userId: 'ann', quantity: 3 });
    const path = `/operator/orders/${purchase.orderId}`;
    const look = async () => (await app.call('GET', path, { operator: 'x' })).body;
    expect(await look()).toMatchObject({ userId: 'ann', status: 'accepted', units: [] });
    await bench.persistAll(productId);
    expect(await look()).toMatchObject({ userId: 'ann', status: 'confirmed', units: [[1, 3]] });
  });

  test.each([
    ['limit=1', 400],
    ['productId=', 400],
    ['productId=a%20b', 400],
    ['productId=no-such-product', 404],
    ['productId=$&status=accepted', 400],
    ['productId=$&limit=0', 400],
    ['productId=$&limit=1001', 400],
    ['productId=$&limit=x', 400],
    ['productId=$&after=x', 400],
    ['productId=$&colour=red', 400],
    [`productId=$&after=${aPurchase('other').orderId}`, 400],
  ])('asked for with `%s` are %i', async (query, status) => {
    const productId = await bench.product();
    expect((await list(query.replace('$', productId))).status).toBe(status);
  });

  test('are for operators only, and an unknown one is not found', async () => {
    const { orderId } = aPurchase('p');
    for (const path of [`/operator/orders/${orderId}`, '/operator/orders?productId=p']) {
      expect((await app.call('GET', path)).status).toBe(403);
    }
    const unknown = await app.call('GET', `/operator/orders/${orderId}`, { operator: 'ann' });
    expect(stands(unknown)).toEqual([404, 'not_found']);
  });
});

test('the log of a sale is read in order, the newest last, and says who', async () => {
  const productId = await bench.product({ opensAt: null });
  const acts = ['open', 'pause', 'open'];
  for (const act of acts) await app.operate(`sales/${productId}/${act}`, { operator: `${act}er` });
  await app.operate(`sales/${productId}/restock`, { operator: 'restocker', body: { units: 1 } });
  const log = await logOf(productId);
  expect(log.map(({ action }) => action)).toEqual([...acts, 'restock']);
  expect(log.map(({ operator }) => operator)).toEqual([
    ...acts.map((act) => `${act}er`),
    'restocker',
  ]);
  expect(log[0]?.details).toMatchObject({
    state: 'on_sale',
    opensAt: expect.stringMatching(/^\d{4}-.*Z$/) as string,
  });
  const path = `/operator/sales/${productId}/log?limit=2`;
  const { body } = await app.call('GET', path, { operator: 'ann' });
  expect(body.log).toEqual(log.slice(-2));
  for (const [query, status] of [
    ['limit=0', 400],
    ['limt=1', 400],
  ] as const) {
    const answer = await app.call('GET', `/operator/sales/${productId}/log?${query}`, {
      operator: 'ann',
    });
    expect(answer.status).toBe(status);
  }
  const unknown = await app.call('GET', '/operator/sales/no-such/log', { operator: 'ann' });
  expect(stands(unknown)).toEqual([404, 'unknown_product']);
});
