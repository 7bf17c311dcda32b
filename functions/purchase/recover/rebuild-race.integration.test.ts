// Two rebuilds of one sale: one is frozen before each call it makes to anything, while another
// instance has taken the lock, rebuilt and sold; then it wakes up. Whatever it does, the sale is
// sold only in the generation that MySQL has, and nothing accepted is forgotten.

import { eq } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/mysql2';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { HeldLock } from '#lib/lock/lock.ts';
import { orders } from '#lib/mysql/schema.ts';
import { saleKeys } from '#lib/names.ts';
import { claim, sell, unclaim } from '#lib/sale/sale.ts';
import {
  accepted,
  aPurchase,
  type Bench,
  gate,
  openOwnBench,
  replayed,
  unavailable,
} from '../testing/purchase-fixture.ts';
import { eventLogOf } from './read-events.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await openOwnBench();
});
afterAll(() => bench.close());

/** Freezes before its n-th call, counted over everything that is wrapped. */
function freezer(freezeAt: number) {
  const frozen = gate();
  const seen: string[] = [];
  const before = async (name: string) => {
    seen.push(name);
    if (seen.length - 1 === freezeAt) await frozen.pass();
  };
  /** Wraps methods that give promises; what `getConnection` gives is wrapped as well. */
  const wrap = <T extends object>(target: T, names: readonly string[]): T =>
    new Proxy(target, {
      get(object, name) {
        const value: unknown = Reflect.get(object, name);
        if (typeof value !== 'function') return value;
        if (!names.includes(String(name))) return value.bind(object) as unknown;
        return async (...args: unknown[]) => {
          await before(nameOf(String(name), args));
          const result = (await value.apply(object, args)) as object;
          return name === 'getConnection' ? wrap(result, ['query']) : result;
        };
      },
    });
  return { frozen, seen, before, wrap };
}

/** `query update`, `evalsha`: for the message of a failure. */
function nameOf(method: string, [first]: readonly unknown[]): string {
  const statement = method === 'query' ? ((first as { sql?: string }).sql ?? String(first)) : '';
  return `${method} ${statement.split(' ')[0] ?? ''}`.trim();
}

/** An instance that freezes before its n-th call. */
function freezingInstance(freezeAt: number) {
  const { frozen, seen, before, wrap } = freezer(freezeAt);
  const pool = wrap(bench.mysql.pool, ['query', 'getConnection']);
  const { mark, readEvents } = eventLogOf(bench);
  const instance = bench.instance({
    redis: wrap(bench.redis, ['evalsha']),
    mysql: { pool, db: drizzle(pool) },
    mark: async () => {
      await before('mark');
      return mark();
    },
    async *readEvents(...args) {
      await before('readEvents');
      yield* readEvents(...args);
    },
    rowsTimeoutMs: 1_000,
  });
  instance.wrapLock = (held) => wrap(held, ['confirm']);
  instance.aroundPublish = async (publish) => {
    await before('publish');
    await publish();
  };
  return { instance, frozen, seen };
}

/** A product that has sold one unit, and that Redis has lost. */
async function lostSale() {
  const productId = await bench.product();
  const first = aPurchase(productId);
  const instance = bench.instance();
  expect(await instance.seller.purchase(productId, [first])).toEqual([accepted]);
  await instance.seller.stop();
  await bench.persistAll(productId);
  await bench.redis.del(...Object.values(saleKeys(productId)));
  return { productId, first };
}

/** If anybody could sell now, it would be in the generation that MySQL has. */
async function expectSellsOnlyTheLatest(productId: string, message: string): Promise<void> {
  const generation = Number(await bench.redis.hget(saleKeys(productId).sale, 'generation'));
  const fence = { generation, revision: Number.MAX_SAFE_INTEGER - 1, incarnation: 1 };
  const { kind } = await sell(bench.redis, productId, fence, []);
  if (kind !== 'decided' && kind !== 'leftovers') return;
  expect((await bench.row(productId)).generation, message).toBe(generation);
}

async function raceWithFreezeAt(freezeAt: number): Promise<string | undefined> {
  const { productId, first } = await lostSale();
  const slow = freezingInstance(freezeAt);
  const [mine, others] = [aPurchase(productId), aPurchase(productId)];
  const slowAnswer = slow.instance.seller.purchase(productId, [mine]);
  if (!(await Promise.race([slow.frozen.isReached.then(() => true), slowAnswer])))
    throw new Error();
  const at = slow.seen[freezeAt];
  if (at === undefined) return undefined;
  const message = `frozen before call ${freezeAt}, ${at}`;
  await bench.endHolder(productId);
  await vi.waitFor(() => {
    expect(slow.instance.locks.state().leasesLost).toBe(1);
  }, 20_000);

  const quick = bench.instance();
  // Inside of the slow one's transaction it has to wait for it, and gives up.
  const [said] = await quick.seller.purchase(productId, [others]);
  expect([accepted, unavailable], message).toContainEqual(said);
  await expectSellsOnlyTheLatest(productId, message);
  if (said?.outcome === 'accepted') await bench.persistAll(productId);
  slow.frozen.open();
  expect(await slowAnswer, message).toEqual([unavailable]);
  await expectSellsOnlyTheLatest(productId, message);

  await bench.persistAll(productId);
  await slow.instance.seller.stop();
  await quick.seller.stop();
  const last = bench.instance();
  const [one, two, three] = await last.seller.purchase(productId, [first, others, mine]);
  expect(one, message).toEqual(replayed);
  if (said?.outcome === 'accepted') expect(two, message).toEqual(replayed);
  expect([accepted, replayed], message).toContainEqual(two);
  expect([accepted, replayed], message).toContainEqual(three);
  await expectSellsOnlyTheLatest(productId, message);
  await bench.persistAll(productId);
  const rows = await bench.mysql.db.select().from(orders).where(eq(orders.productId, productId));
  expect(
    rows.map(({ status }) => status),
    message,
  ).toEqual(rows.map(() => 'confirmed'));
  expect(rows, message).toHaveLength(3);
  expect((await bench.row(productId)).unsold, message).toBe(7);
  expect(await bench.redis.hget(saleKeys(productId).sale, 'sold'), message).toBe('3');
  return at;
}

/** A lock that was confirmed; then its holder stands still while this happens. */
const frozenAfterConfirm = (meanwhile: () => Promise<void>) => (held: HeldLock) =>
  new Proxy(held, {
    get(target, name) {
      if (name === 'confirm') {
        return async () => {
          const isOurs = await target.confirm();
          await meanwhile();
          return isOurs;
        };
      }
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });

test.each([
  ['in the generation that it knows', 0],
  ['after another rebuild', 1],
])('who claims a sale that was settled, %s, leaves nothing behind', async (_when, raised) => {
  const { productId, first } = await lostSale();
  const { generation } = await bench.row(productId);
  const settled = generation + raised;
  const slow = bench.instance();
  slow.wrapLock = frozenAfterConfirm(() =>
    bench.update(productId, { state: 'settled', generation: settled }),
  );
  expect(await slow.seller.purchase(productId, [first])).toEqual([replayed]);
  expect(slow.rebuilds).toBe(0);
  expect((await bench.row(productId)).generation).toBe(settled);
  expect(await bench.redis.exists(...Object.values(saleKeys(productId)))).toBe(0);
});

test('who was overtaken by another claim leaves it alone', async () => {
  const { productId } = await lostSale();
  await claim(bench.redis, productId, 'another');
  expect(await unclaim(bench.redis, productId, 'ours')).toBe(false);
  expect(await bench.redis.hget(saleKeys(productId).sale, 'claim')).toBe('another');
  await bench.redis.hset(saleKeys(productId).outbox, '1', '{}');
  expect(await unclaim(bench.redis, productId, 'another')).toBe(true);
  expect(await bench.redis.exists(...Object.values(saleKeys(productId)))).toBe(0);
});

test('a rebuild that was overtaken, wherever it stood, does no harm', async () => {
  const passed: string[] = [];
  for (let freezeAt = 0; ; freezeAt += 1) {
    const at = await raceWithFreezeAt(freezeAt);
    if (at === undefined) break;
    passed.push(at);
  }
  // All of it: the rebuild, the sale, the send and its acknowledgement.
  const steps = ['confirm', 'mark', 'readEvents', 'query update', 'query commit', 'publish'];
  expect(passed.filter((name) => steps.includes(name))).toEqual(steps);
  expect(passed.filter((name) => name === 'evalsha').length).toBeGreaterThanOrEqual(7);
}, 240_000);
