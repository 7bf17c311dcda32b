import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { stockMax } from '#lib/constants.ts';
import { saleKeys } from '#lib/names.ts';
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
  countOf,
  type Instance,
  ledgerOf,
  many,
  numbersTo,
  openOwnBench,
  unitsPublished,
} from '../testing/purchase-fixture.ts';

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

const restock = (productId: string, units: unknown, operationId = randomUUID(), of = app) =>
  of.operate(`sales/${productId}/restock`, { body: { units }, operationId });
const stands = ({ status, body }: Answer) => [status, body.outcome ?? body.stock];
const inRedis = (productId: string) =>
  bench.redis.hmget(saleKeys(productId).sale, 'stock', 'left', 'free');
const logOf = async (productId: string) => {
  const path = `/operator/sales/${productId}/log`;
  const { body } = await app.call('GET', path, { operator: 'ann' });
  return body.log as Record<string, unknown>[];
};

test('50 buyers buy while it is restocked: every unit is sold, and none twice', async () => {
  const productId = await bench.product({ stock: 10 });
  const instances = [instance, bench.instance()];
  let isRestocked = false;
  const buy = async (index: number) => {
    const purchase = aPurchase(productId);
    for (;;) {
      const wasRestocked = isRestocked;
      const seller = instances[index % 2]?.seller;
      const [answer] = (await seller?.purchase(productId, [purchase])) ?? [];
      if (answer?.outcome === 'accepted' || answer?.outcome === 'replayed') return 'accepted';
      if (answer?.outcome === 'sold_out' && wasRestocked) return 'sold_out';
    }
  };
  const buyers = Array.from({ length: 50 }, (_, index) => buy(index));
  const answers = await Promise.all([1, 2, 3].map(() => restock(productId, 10)));
  isRestocked = true;
  for (const { status } of answers) expect(status).toBe(200);
  const outcomes = await Promise.all(buyers);
  expect(outcomes.filter((outcome) => outcome === 'accepted')).toHaveLength(40);
  expect(await unitsPublished(bench, productId)).toEqual(numbersTo(40));
  expect(await verdictOf(bench, app, productId)).toMatchObject({
    ...{ stock: 40, sold: 40, rows: 40, units: 40, oversold: 0, lost: 0, duplicated: 0 },
    ...{ ok: true },
  });
});

describe('a restock', () => {
  test('lets a sale that is sold out go on, and is in the audit log', async () => {
    const productId = await bench.product({ stock: 1 });
    await instance.seller.purchase(productId, many(productId, 1));
    const sold = await instance.seller.purchase(productId, many(productId, 1));
    expect(sold).toEqual([{ outcome: 'sold_out', left: 0 }]);
    const operationId = randomUUID();
    const answer = await restock(productId, 2, operationId);
    expect(answer.body).toMatchObject({ stock: 3, left: 2, sold: 1, state: 'open' });
    expect(await inRedis(productId)).toEqual(['3', '2', '2-3']);
    expect(await bench.row(productId)).toMatchObject({ stock: 3, unsold: 3 });
    expect(await logOf(productId)).toEqual([
      {
        ...{ operationId, operator: 'Ольга', action: 'restock' },
        at: expect.stringMatching(/^\d{4}-.*Z$/) as string,
        details: { units: 2, stock: 3, unsold: 3 },
      },
    ]);
    const answers = await instance.seller.purchase(productId, many(productId, 3));
    expect(countOf(answers, 'accepted')).toBe(2);
  });

  test('is made once, however often it is asked for with one operation id', async () => {
    const productId = await bench.product({ stock: 5 });
    const operationId = randomUUID();
    for (let time = 0; time < 3; time += 1) {
      expect(stands(await restock(productId, 4, operationId))).toEqual([200, 9]);
    }
    await restock(productId, 1);
    expect(stands(await restock(productId, 4, operationId))).toEqual([200, 10]);
    const twice = await Promise.all(
      [operationId, operationId].map((id) => restock(productId, 4, id)),
    );
    expect(twice.map(stands)).toEqual([
      [200, 10],
      [200, 10],
    ]);
    const log = await logOf(productId);
    expect(log.map(({ action }) => action)).toEqual(['restock', 'restock']);
    expect(await ledgerOf(bench, productId)).toEqual(
      [
        `on_sale ${productId} 5`,
        `restock ${operationId} 4`,
        `restock ${String(log[1]?.['operationId'])} 1`,
      ].sort(),
    );
    expect(await inRedis(productId)).toEqual(['10', '10', '1-10']);
  });

  test('with the operation id of something else is a conflict', async () => {
    const [productId, other] = [await bench.product(), await bench.product()];
    const operationId = randomUUID();
    await restock(productId, 1, operationId);
    const reused = [
      await restock(productId, 2, operationId),
      await restock(other, 1, operationId),
      await app.operate(`sales/${productId}/pause`, { operationId }),
    ];
    for (const answer of reused) expect(stands(answer)).toEqual([409, 'conflict']);
    expect((await bench.row(productId)).stock).toBe(11);
    expect((await bench.row(other)).stock).toBe(10);
  });

  test('of a sale that is over, or beyond what a sale can have, is a conflict', async () => {
    const conflicts = [
      [await bench.product({ state: 'closed' }), 'closed'],
      [await bench.product({ state: 'settled' }), 'settled'],
      [await bench.product({ closesAt: 2_000_000 }), 'closing time'],
      [await bench.product({ stock: stockMax }), String(stockMax)],
    ] as const;
    for (const [productId, why] of conflicts) {
      const answer = await restock(productId, 1);
      expect(stands(answer), why).toEqual([409, 'conflict']);
      expect(answer.body.detail).toContain(why);
      expect(await logOf(productId)).toEqual([]);
    }
    expect(stands(await restock('no-such-product', 1))).toEqual([404, 'unknown_product']);
  });

  test.each([0, -1, 1.5, '3', null, undefined, stockMax + 1])(
    'of %o units is malformed',
    async (units) => {
      const productId = await bench.product();
      const answer = await restock(productId, units);
      expect(stands(answer)).toEqual([400, 'malformed']);
      expect(answer.body.detail).toContain('units');
    },
  );

  test('of a sale that is paused, or not loaded yet, is there when it opens', async () => {
    const productId = await bench.product({ state: 'paused', stock: 1 });
    expect((await restock(productId, 1)).body).toMatchObject({ stock: 2, state: 'paused' });
    await app.operate(`sales/${productId}/open`);
    const answers = await instance.seller.purchase(productId, many(productId, 3));
    expect(countOf(answers, 'accepted')).toBe(2);
  });
});

describe('a restock that reached MySQL but not Redis', () => {
  /** Sold out in Redis, while MySQL has three units more. */
  async function halfDone() {
    const productId = await bench.product({ stock: 2 });
    await instance.seller.purchase(productId, many(productId, 2));
    const redis = failingRedis(bench.redis, (args) => args.at(-1) === 5);
    const operationId = randomUUID();
    const own = openApp(bench, instance, { redis });
    const answer = await restock(productId, 3, operationId, own);
    expect(stands(answer)).toEqual([503, 'unavailable']);
    expect((await bench.row(productId)).stock).toBe(5);
    expect(await inRedis(productId)).toEqual(['2', '0', '']);
    return { productId, operationId };
  }
  const isDone = async (productId: string) => {
    expect(await inRedis(productId)).toEqual(['5', '3', '3-5']);
    expect(await logOf(productId)).toHaveLength(1);
    const answers = await instance.seller.purchase(productId, many(productId, 4));
    expect(countOf(answers, 'accepted')).toBe(3);
    expect(await verdictOf(bench, app, productId)).toMatchObject({ stock: 5, sold: 5, ok: true });
  };

  test('is ended by its repetition', async () => {
    const { productId, operationId } = await halfDone();
    expect(stands(await restock(productId, 3, operationId))).toEqual([200, 5]);
    await isDone(productId);
  });

  test('is ended by any other change', async () => {
    const { productId } = await halfDone();
    await app.operate(`sales/${productId}/pause`);
    await app.operate(`sales/${productId}/open`);
    expect(await inRedis(productId)).toEqual(['5', '3', '3-5']);
  });

  test('is ended by a rebuild', async () => {
    const { productId } = await halfDone();
    await bench.persistAll(productId);
    await bench.redis.unlink(saleKeys(productId).sale);
    await app.operate(`sales/${productId}/warm`);
    await isDone(productId);
  });
});
