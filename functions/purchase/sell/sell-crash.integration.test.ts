// An instance ends before and after every call it makes to a store from the first load of a sale to
// the answer. Whoever comes after it tells the buyer the truth, and nothing is sold twice.

import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { orders, orderUnits } from '#lib/mysql/schema.ts';
import { saleKeys } from '#lib/names.ts';
import {
  accepted,
  aPurchase,
  type Bench,
  ledgerOf,
  openOwnBench,
  replayed,
  unitsPublished,
} from '../testing/purchase-fixture.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await openOwnBench();
});
afterAll(() => bench.close());

/** What an instance does: loads, with the boards in between, sells, publishes, acknowledges. */
const boardCalls = [
  'board by speed',
  'board by quantity',
  'board by score',
  'hot products',
] as const;
const loadCalls = ['claim', 'load first', ...boardCalls, 'load last'] as const;
const calls = [...loadCalls, 'sell', 'publish', 'acknowledge'] as const;

/** Ends an instance at one of its calls: from there on it neither does nor hears anything. */
function mortal(endAt: number, when: 'before' | 'after') {
  let call = -1;
  let dead: () => void = () => undefined;
  const died = new Promise<void>((resolve) => {
    dead = resolve;
  });
  const forever = () => {
    dead();
    return new Promise<never>(() => undefined);
  };
  const around = async <T>(step: () => Promise<T>): Promise<T> => {
    call += 1;
    if (call > endAt || (call === endAt && when === 'before')) return forever();
    const result = await step();
    return call === endAt ? forever() : result;
  };
  const redis = new Proxy(bench.redis, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (name !== 'evalsha' || typeof value !== 'function') return value;
      return (...args: unknown[]) => around(() => value.apply(target, args) as Promise<unknown>);
    },
  });
  return { redis, around, died };
}

describe.each(['before', 'after'] as const)('an instance that ends %s', (when) => {
  test.each(calls)('its call to %s', async (name) => {
    const productId = await bench.product({ stock: 2 });
    const { redis, around, died } = mortal(calls.indexOf(name), when);
    const instance = bench.instance({ redis });
    instance.aroundPublish = around;
    const purchase = aPurchase(productId);
    const unheard = instance.seller.purchase(productId, [purchase]);
    await died;
    await bench.endHolder(productId);

    const { seller } = bench.instance();
    const [answer] = await seller.purchase(productId, [purchase]);
    const sell = calls.indexOf('sell');
    const wasSold = calls.indexOf(name) > sell || (name === 'sell' && when === 'after');
    expect(answer).toEqual(wasSold ? replayed : accepted);
    expect(await seller.purchase(productId, [purchase, aPurchase(productId)])).toEqual([
      replayed,
      accepted,
    ]);

    expect(await unitsPublished(bench, productId)).toEqual([1, 2]);
    await bench.persistAll(productId);
    const { db } = bench.mysql;
    const rows = await db.select().from(orders).where(eq(orders.productId, productId));
    const units = await db.select().from(orderUnits).where(eq(orderUnits.productId, productId));
    expect(rows.map(({ status }) => status)).toEqual(['confirmed', 'confirmed']);
    expect(units).toHaveLength(2);
    const row = await bench.row(productId);
    expect(row.unsold).toBe(0);
    const sold = (await ledgerOf(bench, productId)).filter((line) => line.startsWith('sold '));
    expect(sold.map((line) => Number(line.split(' ')[2])).reduce((sum, n) => sum + n)).toBe(-2);
    expect(await bench.redis.hget(saleKeys(productId).sale, 'generation')).toBe(
      String(row.generation),
    );
    void unheard;
  });
});
