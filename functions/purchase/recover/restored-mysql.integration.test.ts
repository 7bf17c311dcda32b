// MySQL is put back to an older copy of itself while Redis and Kafka go on: what the topic still
// has comes back, no unit is sold twice, and `verify` says so.

import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { createWrite } from '#functions/persist-order/write.ts';
import { boardKeysOf } from '#lib/board/restore.ts';
import { productsBoardKey, saleKeys } from '#lib/names.ts';
import type { Purchase } from '#lib/sale/sale.ts';
import { openApp, type TestApp, verdictOf } from '../testing/app-fixture.ts';
import {
  accepted,
  type Bench,
  type Instance,
  log,
  many,
  numbersTo,
  openOwnBench,
  replayed,
  unitsPublished,
} from '../testing/purchase-fixture.ts';
import { eventLogOf } from './read-events.ts';
import { reconcile } from './reconcile.ts';

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

const tables = [
  ...['products', 'orders', 'order_units', 'stock_movements', 'operations', 'generations'],
  'dead_letter_decisions',
];
const stores = resolve(import.meta.dirname, '../../../knative/stores');
const afterRestore = readFileSync(join(stores, 'mysql/after-restore.sql'), 'utf8');

/** What a dump keeps, and what the restore makes of it; as knative/stores/mysql does it. */
async function dump() {
  const copies = tables.map((table) => [table, `copy_of_${table}_${randomUUID().slice(0, 8)}`]);
  for (const [table, copy] of copies) {
    await bench.mysql.pool.query(`create table ${copy} as select * from ${table}`);
  }
  return async ({ as = afterRestore } = {}) => {
    for (const [table, copy] of copies) {
      await bench.mysql.pool.query(`delete from ${table}`);
      await bench.mysql.pool.query(`insert into ${table} select * from ${copy}`);
    }
    const statements = as.replaceAll(/^--.*$/gm, '').split(';');
    for (const statement of statements.filter((text) => text.trim() !== '')) {
      await bench.mysql.pool.query(statement);
    }
  };
}

/** Three orders, whose rows are written. */
async function buyThree(productId: string): Promise<readonly Purchase[]> {
  const purchases = many(productId, 3);
  const answers = await instance.seller.purchase(productId, purchases);
  expect(answers).toEqual(purchases.map(() => accepted));
  await bench.persistAll(productId);
  return purchases;
}

async function loseRedis(productId: string): Promise<void> {
  await bench.redis.del(...Object.values(saleKeys(productId)), ...boardKeysOf(productId));
  await bench.redis.hdel(`{${productsBoardKey}}:marks`, productId);
}

/** The tick's, or an operator's: Kafka's groups have passed all of it long ago. */
const reconcileAll = (productId: string, { dryRun = false } = {}) =>
  reconcile(
    {
      ...bench,
      ...{ log, seller: instance.seller, publisher: instance.publisher, deliveryWaitMs: 0 },
      readEvents: eventLogOf(bench).readEvents,
      readProgress: () =>
        Promise.resolve({ committed: new Map(), ends: new Map(), complete: true }),
    },
    productId,
    { dryRun, deep: true },
  );

/** How often each event of the product lies in the topic. */
async function copiesOf(productId: string): Promise<ReadonlyMap<string, number>> {
  const copies = Map.groupBy(await bench.published(productId), ({ batchId }) => batchId);
  return new Map([...copies].map(([batchId, records]) => [batchId, records.length]));
}

/**
 * Does what persist-order does: it gets what was published since, and nothing that its group has
 * passed before. Resolves with `work`, which may wait for rows.
 */
async function whilePersisting<T>(productId: string, work: () => Promise<T>): Promise<T> {
  const passed = await copiesOf(productId);
  const write = createWrite(bench.mysql.pool, { nowUs: () => Date.now() * 1_000 });
  const persistNew = async () => {
    const now = await copiesOf(productId);
    for (const { batchId, event } of await bench.published(productId)) {
      if (now.get(batchId) === passed.get(batchId)) continue;
      await write({ batchId, event, acceptedAtMs: 0 });
    }
  };
  let over = false;
  const done = work().finally(() => {
    over = true;
  });
  const persisting = vi.waitFor(
    async () => {
      await persistNew();
      if (!over) throw new Error('not yet');
    },
    { timeout: 20_000, interval: 100 },
  );
  const [result] = await Promise.all([done, persisting]);
  await persistNew();
  return result;
}

const close = (productId: string) => app.operate(`sales/${productId}/close`, { body: {} });
const open = (productId: string) => app.operate(`sales/${productId}/open`, { body: {} });

/** A further order, with its row. */
const buyOne = (productId: string) =>
  whilePersisting(productId, () => instance.seller.purchase(productId, many(productId, 1)));

/** Said before anything that the groups have passed is delivered once more. */
async function expectWhole(productId: string, sold: number): Promise<void> {
  expect((await bench.row(productId)).unsold).toBe((await bench.row(productId)).stock - sold);
  expect(await verdictOf(bench, app, productId)).toMatchObject({
    ...{ ok: true, problems: [], sold, rows: sold, units: sold },
    ...{ oversold: 0, lost: 0, duplicated: 0 },
  });
  expect(await unitsPublished(bench, productId)).toEqual(numbersTo(sold));
}

describe('rows written since the dump come back', () => {
  test('to a sale that goes on selling: reconcile finds them missing', async () => {
    const productId = await bench.product({ stock: 10 });
    await buyThree(productId);
    const restore = await dump();
    const later = await buyThree(productId);
    await restore();
    expect(await instance.seller.purchase(productId, later)).toEqual(later.map(() => replayed));
    await whilePersisting(productId, () => reconcileAll(productId));
    expect((await open(productId)).status).toBe(200);
    expect(await buyOne(productId)).toEqual([accepted]);
    await expectWhole(productId, 7);
  });

  test.each(['another instance', 'the same'])(
    'to one that was loaded anew since the dump, whose generation MySQL has forgotten: %s',
    async (whose) => {
      const productId = await bench.product({ stock: 20 });
      const early = await buyThree(productId);
      const restore = await dump();
      const middle = await buyThree(productId);
      await loseRedis(productId);
      const late = await buyThree(productId);
      expect((await bench.row(productId)).generation).toBe(2);
      await restore();
      expect((await bench.row(productId)).generation).toBe(1);

      if (whose === 'another instance') {
        await instance.seller.stop();
        instance = bench.instance();
        app = openApp(bench, instance);
      }
      await whilePersisting(productId, () => reconcileAll(productId));
      expect((await open(productId)).status).toBe(200);
      const all = [...early, ...middle, ...late];
      expect(await instance.seller.purchase(productId, all)).toEqual(all.map(() => replayed));
      expect(await buyOne(productId)).toEqual([accepted]);
      expect((await bench.row(productId)).generation).toBe(3);
      await expectWhole(productId, 10);
    },
  );

  test.each([
    ['Redis still has it', () => Promise.resolve(), afterRestore],
    ['Redis has lost it, too', loseRedis, afterRestore],
    ['the restore was not ours', () => Promise.resolve(), ''],
  ])('to one that the dump knows as never loaded; %s', async (_, lose, as) => {
    const productId = await bench.product({ stock: 10 });
    const restore = await dump();
    const purchases = await buyThree(productId);
    await restore({ as });
    await lose(productId);
    await instance.seller.stop();
    instance = bench.instance();
    app = openApp(bench, instance);
    await whilePersisting(productId, () => open(productId));
    await whilePersisting(productId, () => reconcileAll(productId));
    const answers = await instance.seller.purchase(productId, purchases);
    expect(answers).toEqual([replayed, replayed, replayed]);
    expect(await buyOne(productId)).toEqual([accepted]);
    await expectWhole(productId, 4);
  });
});

test('a sale that was closed since the dump sells nothing, and can be closed again', async () => {
  const productId = await bench.product({ stock: 10 });
  await buyThree(productId);
  const restore = await dump();
  await buyThree(productId);
  expect((await close(productId)).body.settled).toBe(true);
  await restore();
  await whilePersisting(productId, () => reconcileAll(productId));
  const [answer] = await instance.seller.purchase(productId, many(productId, 1));
  expect(answer?.outcome).not.toBe('accepted');
  expect((await whilePersisting(productId, () => close(productId))).body.settled).toBe(true);
  await expectWhole(productId, 6);
});

describe('units restocked since the dump', () => {
  /** Three sold of the three that the dump knows of, and three of five more. */
  async function restockedAndRestored() {
    const productId = await bench.product({ stock: 3 });
    await buyThree(productId);
    const restore = await dump();
    await app.operate(`sales/${productId}/restock`, { body: { units: 5 } });
    await buyThree(productId);
    await restore();
    return productId;
  }

  test('nobody has told MySQL: what was sold of them is said to be lost', async () => {
    const productId = await restockedAndRestored();
    await whilePersisting(productId, () => reconcileAll(productId));
    expect(await verdictOf(bench, app, productId)).toMatchObject({
      ...{ ok: false, stock: 3, rows: 3, units: 3, lost: 3 },
      problems: expect.arrayContaining([
        expect.stringContaining('Lost: accepted orders were rejected'),
      ]) as unknown,
    });
  });

  test('MySQL is told before rows come back, as the guide says: nothing is lost', async () => {
    const productId = await restockedAndRestored();
    const { differences } = await reconcileAll(productId, { dryRun: true });
    expect(differences.map(({ found }) => found)).toContain('Redis has 8 units on sale, MySQL 3');
    const guide = readFileSync(join(stores, 'README.md'), 'utf8');
    const [, sql = ''] = /```sql\n([^`]+)```/.exec(guide) ?? [];
    for (const statement of sql.split(';').filter((text) => text.trim() !== '')) {
      await bench.mysql.pool.query(statement.replaceAll("'phone", `'${productId}`));
    }
    await whilePersisting(productId, () => reconcileAll(productId));
    await expectWhole(productId, 6);
  });
});
