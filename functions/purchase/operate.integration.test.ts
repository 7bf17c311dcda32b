import { randomUUID } from 'node:crypto';
import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { operations } from '#lib/mysql/schema.ts';
import { saleKeys } from '#lib/names.ts';
import { epochUsOf } from '#lib/order-event.ts';
import { uniqueProductId } from '#lib/testing/unique.ts';
import { type Answer, openApp, type TestApp, verdictOf } from './testing/app-fixture.ts';
import {
  accepted,
  aPurchase,
  type Bench,
  gate,
  type Instance,
  ledgerOf,
  many,
  openOwnBench,
  replayed,
} from './testing/purchase-fixture.ts';

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

const aSale = (productId: string, values: object = {}) => ({
  ...{ productId, name: 'Schuh', stock: 5, unitPrice: 9_900, limitPerUser: 2 },
  ...values,
});
const create = (body: object, operationId: string = randomUUID(), of = app) =>
  of.operate('sales', { body, operationId });
const stands = ({ status, body }: Answer) => [status, body.outcome ?? body.state];
const audit = async (productId: string) =>
  bench.mysql.db
    .select()
    .from(operations)
    .where(eq(operations.productId, productId))
    .orderBy(operations.at);
const outcomeOf = async (productId: string) =>
  (await instance.seller.purchase(productId, [aPurchase(productId)]))[0]?.outcome;

describe('creating a sale', () => {
  test('puts it into MySQL, and into the audit log; it opens when it should', async () => {
    const productId = uniqueProductId();
    const operationId = randomUUID();
    const opensAt = new Date(Date.now() + 3_600_000).toISOString();
    const answer = await create(aSale(productId, { opensAt }), operationId);
    expect(answer.status).toBe(201);
    expect(answer.body).toMatchObject({
      ...{ productId, name: 'Schuh', stock: 5, left: 5, sold: 0, pending: 0, unitPrice: 9_900 },
      ...{ currency: 'CNY', limitPerUser: 2, state: 'scheduled', closesAt: null },
      ...{ generation: 0, loaded: false, settled: false },
    });
    expect(epochUsOf(String(answer.body.opensAt))).toBe(epochUsOf(opensAt));
    expect(await audit(productId)).toMatchObject([
      { operationId, productId, operator: 'Ольга', action: 'create', details: { stock: 5 } },
    ]);
    expect(await ledgerOf(bench, productId)).toEqual([`on_sale ${operationId} 5`]);
    expect(await outcomeOf(productId)).toBe('not_open');
  });

  test('again with the same values changes nothing; with others it is a conflict', async () => {
    const productId = uniqueProductId();
    const operationId = randomUUID();
    const first = await create(aSale(productId), operationId);
    const sale = { ...first.body, now: expect.any(String) as string };
    for (const repeated of [operationId, randomUUID()]) {
      const again = await create(aSale(productId), repeated);
      expect(again.status).toBe(201);
      expect(again.body).toMatchObject(sale);
    }
    const other = await create(aSale(productId, { stock: 6, limitPerUser: 1 }));
    expect(stands(other)).toEqual([409, 'conflict']);
    expect(other.body.detail).toContain('stock');
    expect(other.body.detail).toContain('limitPerUser');
    expect(await audit(productId)).toHaveLength(1);
    expect((await bench.row(productId)).stock).toBe(5);
    expect(await ledgerOf(bench, productId)).toEqual([`on_sale ${operationId} 5`]);
  });

  test('repeated after the sale has gone on gives the sale as it is', async () => {
    const productId = uniqueProductId();
    const operationId = randomUUID();
    await create(aSale(productId), operationId);
    await app.operate(`sales/${productId}/open`);
    expect(stands(await create(aSale(productId), operationId))).toEqual([201, 'open']);
  });

  test('of many at once, and of one many times, never says that a store is away', async () => {
    const productIds = Array.from({ length: 12 }, uniqueProductId);
    const answers = await Promise.all(productIds.map((productId) => create(aSale(productId))));
    expect(answers.map(({ status }) => status)).toEqual(productIds.map(() => 201));
    const productId = uniqueProductId();
    const same = await Promise.all(productIds.map(() => create(aSale(productId))));
    expect(same.map(({ status }) => status)).toEqual(productIds.map(() => 201));
    expect(await audit(productId)).toHaveLength(1);
  });

  test.each([
    ['productId', { productId: 'a b' }],
    ['productId', { productId: 'products' }],
    ['name', { name: ' ' }],
    ['stock', { stock: 0 }],
    ['stock', { stock: 10_000_001 }],
    ['unitPrice', { unitPrice: -1 }],
    ['unitPrice', { unitPrice: 1.5 }],
    ['currency', { currency: 'cny' }],
    ['limitPerUser', { limitPerUser: 10_000_001 }],
    ['opensAt', { opensAt: 'tomorrow' }],
    ['closesAt', { opensAt: '2030-01-01T00:00:00Z', closesAt: '2029-01-01T00:00:00Z' }],
    ['colour', { colour: 'red' }],
  ])('with a wrong %s is malformed, and says so', async (field, values) => {
    const productId = uniqueProductId();
    const answer = await create(aSale(productId, values));
    expect(stands(answer)).toEqual([400, 'malformed']);
    expect(answer.body.detail).toContain(field);
  });
});

describe('an operation id', () => {
  test.each([undefined, '', 'short', 'with a space in it', 'x'.repeat(51)])(
    'is needed, and %o is none',
    async (operationId) => {
      const productId = await bench.product();
      const path = `/operator/sales/${productId}/pause`;
      const given = operationId === undefined ? {} : { operationId };
      const answer = await app.call('POST', path, { operator: 'ann', ...given });
      expect(stands(answer)).toEqual([400, 'malformed']);
      expect(answer.body.detail).toContain('operation-id');
      expect((await bench.row(productId)).state).toBe('on_sale');
    },
  );

  test('that is repeated changes nothing, whatever was changed since', async () => {
    const productId = await bench.product({ opensAt: null });
    const opened = randomUUID();
    const open = () => app.operate(`sales/${productId}/open`, { operationId: opened });
    expect(stands(await open())).toEqual([200, 'open']);
    const { opensAt } = await bench.row(productId);
    expect(stands(await app.operate(`sales/${productId}/pause`))).toEqual([200, 'paused']);
    expect(stands(await open())).toEqual([200, 'paused']);
    expect((await bench.row(productId)).opensAt).toBe(opensAt);
    expect(await outcomeOf(productId)).toBe('paused');
    expect((await audit(productId)).map(({ action }) => action)).toEqual(['open', 'pause']);
    await app.operate(`sales/${productId}/close`);
    expect(stands(await open())).toEqual([200, 'ended']);
  });

  test('of one change is no other’s', async () => {
    const [productId, other] = [await bench.product(), await bench.product()];
    const operationId = randomUUID();
    await app.operate(`sales/${productId}/pause`, { operationId });
    const reused = [
      await app.operate(`sales/${productId}/open`, { operationId }),
      await app.operate(`sales/${other}/pause`, { operationId }),
      await create(aSale(uniqueProductId()), operationId),
    ];
    for (const answer of reused) {
      expect(stands(answer)).toEqual([409, 'conflict']);
      expect(answer.body.detail).toContain('operation');
    }
    expect((await bench.row(productId)).state).toBe('paused');
    expect((await bench.row(other)).state).toBe('on_sale');
  });
});

describe('a change', () => {
  test('warm loads the sale, again and again only once', async () => {
    const productId = await bench.product();
    for (let time = 0; time < 2; time += 1) {
      const answer = await app.operate(`sales/${productId}/warm`);
      expect(answer.body).toMatchObject({ loaded: true, generation: 1 });
    }
    expect(await bench.redis.exists(saleKeys(productId).sale)).toBe(1);
  });

  test('open opens now; pause and open again; the opening time stays', async () => {
    const productId = await bench.product({ opensAt: null });
    expect(await outcomeOf(productId)).toBe('not_open');
    expect(stands(await app.operate(`sales/${productId}/open`))).toEqual([200, 'open']);
    expect(await outcomeOf(productId)).toBe('accepted');
    const { opensAt } = await bench.row(productId);
    expect(stands(await app.operate(`sales/${productId}/pause`))).toEqual([200, 'paused']);
    expect(await outcomeOf(productId)).toBe('paused');
    expect(stands(await app.operate(`sales/${productId}/open`))).toEqual([200, 'open']);
    expect(await outcomeOf(productId)).toBe('accepted');
    expect((await bench.row(productId)).opensAt).toBe(opensAt);
  });

  test('open comes before a later opening time', async () => {
    const productId = await bench.product({ opensAt: Date.now() * 1_000 + 3_600_000_000 });
    expect(stands(await app.operate(`sales/${productId}/open`))).toEqual([200, 'open']);
    expect(await outcomeOf(productId)).toBe('accepted');
  });

  test('that does not fit is a conflict which says why', async () => {
    const closed = await bench.product({ state: 'closed' });
    const settled = await bench.product({ state: 'settled' });
    const over = await bench.product({ closesAt: 2_000_000 });
    const conflicts = [
      [`${closed}/open`, 'closed'],
      [`${closed}/pause`, 'closed'],
      [`${settled}/open`, 'settled'],
      [`${settled}/pause`, 'settled'],
      [`${settled}/warm`, 'settled'],
      [`${over}/open`, 'closing time'],
    ] as const;
    for (const [path, why] of conflicts) {
      const answer = await app.operate(`sales/${path}`);
      expect(stands(answer), path).toEqual([409, 'conflict']);
      expect(answer.body.detail).toContain(why);
    }
    for (const productId of [closed, settled, over]) expect(await audit(productId)).toEqual([]);
  });

  test('of an unknown product or of an unknown kind is not found', async () => {
    for (const kind of ['warm', 'open', 'pause', 'close']) {
      const answer = await app.operate(`sales/${uniqueProductId()}/${kind}`);
      expect(stands(answer)).toEqual([404, 'unknown_product']);
    }
    const productId = await bench.product();
    for (const kind of [
      'explode',
      'constructor',
      '__proto__',
      'toString',
      'valueOf',
      'hasOwnProperty',
    ]) {
      const answer = await app.operate(`sales/${productId}/${kind}`);
      expect(stands(answer), kind).toEqual([404, 'not_found']);
    }
    const unknown = await app.call('GET', '/operator/sales/no-such-product', { operator: 'ann' });
    expect(stands(unknown)).toEqual([404, 'unknown_product']);
  });

  test('that reached MySQL but not Redis is brought there by its repetition', async () => {
    const productId = await bench.product();
    expect(await outcomeOf(productId)).toBe('accepted');
    const operationId = randomUUID();
    let failing = true;
    const redis = new Proxy(bench.redis, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]) => {
          const isConfigure = name === 'evalsha' && args.includes('closes_at');
          if (failing && isConfigure) return Promise.reject(new Error('Redis is away'));
          return value.apply(target, args) as unknown;
        };
      },
    });
    const own = openApp(bench, instance, { redis });
    const pause = () => own.operate(`sales/${productId}/pause`, { operationId });
    expect(stands(await pause())).toEqual([503, 'unavailable']);
    expect((await bench.row(productId)).state).toBe('paused');
    expect(await outcomeOf(productId)).toBe('accepted');
    failing = false;
    expect(stands(await pause())).toEqual([200, 'paused']);
    expect(await outcomeOf(productId)).toBe('paused');
    expect(await audit(productId)).toHaveLength(1);
  });

  test('by two at once: both stores end with the same', async () => {
    const productId = await bench.product();
    const other = openApp(bench, bench.instance());
    const changes = Array.from({ length: 6 }, (_, index) =>
      (index % 2 === 0 ? app : other).operate(
        `sales/${productId}/${index % 3 === 0 ? 'pause' : 'open'}`,
      ),
    );
    for (const { status } of await Promise.all(changes)) expect(status).toBe(200);
    const { state } = await bench.row(productId);
    expect(await bench.redis.hget(saleKeys(productId).sale, 'state')).toBe(state);
  });
});

describe('closing', () => {
  const close = (productId: string, operationId: string = randomUUID()) =>
    app.operate(`sales/${productId}/close`, { operationId });
  const ttls = (productId: string) =>
    Promise.all(
      [saleKeys(productId).sale, saleKeys(productId).orders, saleKeys(productId).buyers].map(
        (key) => bench.redis.ttl(key),
      ),
    );

  test('ends the sale at once; it is settled when every accepted order is a row', async () => {
    const productId = await bench.product();
    const purchase = aPurchase(productId);
    expect(await instance.seller.purchase(productId, [purchase])).toEqual([accepted]);
    const first = await close(productId);
    expect(first.body).toMatchObject({ state: 'ended', settled: false, loaded: true });
    expect(await instance.seller.purchase(productId, [purchase, ...many(productId, 1)])).toEqual([
      replayed,
      { outcome: 'ended' },
    ]);
    expect(await ttls(productId)).toEqual([-1, -1, -1]);
    const { closesAt } = await bench.row(productId);

    await bench.persistAll(productId);
    const second = await close(productId);
    expect(second.body).toMatchObject({ state: 'ended', settled: true });
    expect((await bench.row(productId)).closesAt).toBe(closesAt);
    const week = 7 * 24 * 60 * 60;
    for (const ttl of await ttls(productId)) {
      expect(ttl).toBeGreaterThan(week - 60);
      expect(ttl).toBeLessThanOrEqual(week);
    }
    expect((await audit(productId)).map(({ action }) => action)).toEqual([
      'close',
      'close',
      'settle',
    ]);
    expect(await instance.seller.purchase(productId, [purchase])).toEqual([replayed]);

    expect(stands(await close(productId))).toEqual([200, 'ended']);
    expect((await audit(productId)).map(({ action }) => action)).toHaveLength(3);
  });

  test('publishes first what is still pending', async () => {
    const productId = await bench.product();
    instance.aroundPublish = () => Promise.reject(new Error('Kafka is away'));
    const purchase = aPurchase(productId);
    await instance.seller.purchase(productId, [purchase]);
    expect(stands(await close(productId))).toEqual([503, 'unavailable']);
    instance.aroundPublish = (publish) => publish();
    expect((await close(productId)).body).toMatchObject({ pending: 0, settled: false });
    await bench.persistAll(productId);
    expect((await close(productId)).body).toMatchObject({ settled: true });
    expect(await instance.seller.purchase(productId, [purchase])).toEqual([replayed]);
  });

  test('by the same operation again settles what it could not settle before', async () => {
    const productId = await bench.product();
    await instance.seller.purchase(productId, many(productId, 1));
    const operationId = randomUUID();
    expect((await close(productId, operationId)).body.settled).toBe(false);
    await bench.persistAll(productId);
    expect((await close(productId, operationId)).body.settled).toBe(true);
    expect((await close(productId, operationId)).body.settled).toBe(true);
  });

  test('that ended between the stores is finished by closing again', async () => {
    const productId = await bench.product();
    await instance.seller.purchase(productId, many(productId, 1));
    await bench.persistAll(productId);
    await close(productId);
    // As if it had ended right after MySQL's commit.
    for (const key of Object.values(saleKeys(productId))) await bench.redis.persist(key);
    expect((await close(productId)).body.settled).toBe(true);
    for (const ttl of await ttls(productId)) expect(ttl).toBeGreaterThan(0);
  });

  test('a sale that was never sold and never loaded settles at once', async () => {
    const productId = await bench.product();
    expect((await close(productId)).body).toMatchObject({ state: 'ended', settled: true });
  });

  test('waits for the turn under way, whose buyers keep what they are told', async () => {
    const productId = await bench.product();
    const publishing = gate();
    instance.aroundPublish = async (publish) => {
      await publishing.pass();
      await publish();
    };
    const answer = instance.seller.purchase(productId, many(productId, 1));
    await publishing.isReached;
    const closing = close(productId);
    publishing.open();
    expect(await answer).toEqual([accepted]);
    expect((await closing).body).toMatchObject({ state: 'ended', sold: 1 });
  });
});

test('a sale tells how many orders are pending', async () => {
  const productId = await bench.product();
  await app.operate(`sales/${productId}/warm`);
  instance.aroundPublish = () => Promise.reject(new Error('Kafka is away'));
  const purchases = ['{"orderId":"x"', 'b', 'c'].map((userId) => aPurchase(productId, { userId }));
  await instance.seller.purchase(productId, purchases);
  const { body } = await app.call('GET', `/operator/sales/${productId}`, { operator: 'ann' });
  expect(body).toMatchObject({ pending: 3, sold: 3 });
});

test('sales are listed for operators; verify tells about one', async () => {
  const productId = await bench.product();
  await instance.seller.purchase(productId, many(productId, 1));
  const list = await app.call('GET', '/operator/sales', { operator: 'ann' });
  const sales = list.body.sales as { productId: string }[];
  expect(sales.find((sale) => sale.productId === productId)).toMatchObject({
    sold: 1,
    left: 9,
    pending: 0,
    generation: 1,
    loaded: true,
    state: 'open',
  });
  expect(await verdictOf(bench, app, productId)).toMatchObject({
    stock: 10,
    sold: 1,
    rows: 1,
    units: 1,
    oversold: 0,
    lost: 0,
  });
});
