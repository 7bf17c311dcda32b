import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { orders, orderUnits } from '#lib/mysql/schema.ts';
import { type SaleKeys, saleKeys } from '#lib/names.ts';
import {
  accepted,
  aPurchase,
  type Bench,
  many,
  openOwnBench,
  replayed,
} from '../testing/purchase-fixture.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await openOwnBench();
});
afterAll(() => bench.close());

describe('what a seller believes of a sale', () => {
  async function warm(overrides: Parameters<Bench['instance']>[0] = {}) {
    const productId = await bench.product();
    const instance = bench.instance(overrides);
    const first = aPurchase(productId);
    expect(await instance.seller.purchase(productId, [first])).toEqual([accepted]);
    return { productId, instance, first, keys: saleKeys(productId) };
  }

  test('a newer generation is somebody else’s rebuild: it goes on with that', async () => {
    const { productId, instance, first } = await warm();
    await instance.seller.exclusively(productId, () => Promise.resolve());
    await bench.persistAll(productId);
    await bench.redis.del(...Object.values(saleKeys(productId)));
    const other = bench.instance();
    expect(await other.seller.purchase(productId, [first])).toEqual([replayed]);
    expect(other.rebuilds).toBe(1);
    expect(await instance.seller.purchase(productId, [first])).toEqual([replayed]);
    expect(instance.rebuilds).toBe(1);
  });

  /** The sale as Redis holds it now; put back later, it is a copy of the past. */
  async function copyOf({ sale, orders, buyers }: SaleKeys) {
    const copies = await Promise.all(
      [sale, orders, buyers].map(async (key) => [key, await bench.redis.dumpBuffer(key)] as const),
    );
    return async () => {
      await bench.redis.del(sale, orders, buyers);
      for (const [key, copy] of copies) await bench.redis.restore(key, 0, copy);
    };
  }

  const statusesOf = async (productId: string) => {
    const rows = await bench.mysql.db.select().from(orders).where(eq(orders.productId, productId));
    return rows.map(({ status }) => status);
  };

  /** Sold once in generation 1, of which there is a copy, and once in generation 2. */
  async function twoGenerations() {
    const { productId, instance, first, keys } = await warm();
    const putBack = await copyOf(keys);
    await bench.persistAll(productId);
    await bench.redis.del(...Object.values(keys));
    const second = aPurchase(productId);
    expect(await instance.seller.purchase(productId, [second])).toEqual([accepted]);
    await bench.persistAll(productId);
    expect(instance.rebuilds).toBe(2);
    return { productId, instance, first, second, keys, putBack };
  }

  test('an older generation than its own is a copy of the past: it rebuilds', async () => {
    const { productId, instance, first, second, keys, putBack } = await twoGenerations();
    await putBack();
    expect(await instance.seller.purchase(productId, [second, first])).toEqual([
      replayed,
      replayed,
    ]);
    expect(instance.rebuilds).toBe(3);
    expect(await bench.redis.hget(keys.sale, 'generation')).toBe('3');
  });

  test('who knows no generation yet does not believe an old copy either', async () => {
    const { productId, first, second, keys, putBack } = await twoGenerations();
    await putBack();
    const fresh = bench.instance();
    const third = aPurchase(productId);
    const answers = await fresh.seller.purchase(productId, [second, first, third]);
    await bench.persistAll(productId);
    expect(await statusesOf(productId)).toEqual(['confirmed', 'confirmed', 'confirmed']);
    expect(answers).toEqual([replayed, replayed, accepted]);
    expect(fresh.rebuilds).toBe(1);
    expect(await bench.redis.hget(keys.sale, 'generation')).toBe('3');
  });

  test('a copy of a generation between its own and the loaded one is not believed', async () => {
    const { productId, instance, keys } = await warm();
    await bench.persistAll(productId);
    const others = bench.instance();
    const later = [aPurchase(productId), aPurchase(productId)];
    let putBack: () => Promise<void> = () => Promise.resolve();
    for (const purchase of later) {
      putBack = await copyOf(keys);
      await bench.redis.del(...Object.values(keys));
      expect(await others.seller.purchase(productId, [purchase])).toEqual([accepted]);
      await bench.persistAll(productId);
    }
    expect(await bench.redis.hget(keys.sale, 'generation')).toBe('3');
    await putBack();
    const answers = await instance.seller.purchase(productId, [...later, aPurchase(productId)]);
    await bench.persistAll(productId);
    expect(answers).toEqual([replayed, replayed, accepted]);
    expect(await statusesOf(productId)).not.toContain('rejected');
  });

  describe('a copy of the generation that is loaded', () => {
    async function soldSince() {
      const { productId, instance, first, keys } = await warm();
      const putBack = await copyOf(keys);
      const second = aPurchase(productId);
      expect(await instance.seller.purchase(productId, [second])).toEqual([accepted]);
      await bench.persistAll(productId);
      await putBack();
      return { productId, instance, first, second };
    }

    test('is known by what the seller itself has sold since', async () => {
      const { productId, instance, first, second } = await soldSince();
      const third = aPurchase(productId);
      const answers = await instance.seller.purchase(productId, [second, first, third]);
      await bench.persistAll(productId);
      expect(await statusesOf(productId)).toEqual(['confirmed', 'confirmed', 'confirmed']);
      expect(answers).toEqual([replayed, replayed, accepted]);
      expect(instance.rebuilds).toBe(2);
    });

    test('is known to a fresh seller by the rows', async () => {
      const { productId, first, second } = await soldSince();
      const fresh = bench.instance();
      const third = aPurchase(productId);
      const answers = await fresh.seller.purchase(productId, [second, first, third]);
      await bench.persistAll(productId);
      expect(await statusesOf(productId)).toEqual(['confirmed', 'confirmed', 'confirmed']);
      expect(answers).toEqual([replayed, replayed, accepted]);
      expect(fresh.rebuilds).toBe(1);
    });

    test('is known to a seller that another has overtaken by the rows', async () => {
      const { productId, instance, keys } = await warm({ knownForMs: 0 });
      const other = bench.instance();
      const [second, third, fourth] = many(productId, 3);
      const sellOne = async ({ seller }: typeof other, purchase: typeof second) =>
        purchase && (await seller.purchase(productId, [purchase]))[0];
      expect(await sellOne(other, second)).toEqual(accepted);
      const putBack = await copyOf(keys);
      expect(await sellOne(other, third)).toEqual(accepted);
      await bench.persistAll(productId);
      await putBack();
      await sellOne(instance, fourth);
      await bench.persistAll(productId);
      expect(await statusesOf(productId)).toEqual(Array(4).fill('confirmed'));
    });
  });

  test('MySQL put back to an earlier state gets what was accepted since', async () => {
    const { productId, first, second, keys } = await twoGenerations();
    await bench.mysql.db.delete(orders).where(eq(orders.productId, productId));
    await bench.mysql.db.delete(orderUnits).where(eq(orderUnits.productId, productId));
    await bench.update(productId, { generation: 1, unsold: 10 });
    const fresh = bench.instance();
    const answer = fresh.seller.purchase(productId, [first, second]);
    await vi.waitFor(async () => {
      expect(await bench.published(productId)).toHaveLength(4);
    }, 20_000);
    await bench.persistAll(productId);
    expect(await answer).toEqual([replayed, replayed]);
    expect(await bench.redis.hget(keys.sale, 'generation')).toBe('3');
  });

  test('a token that Redis calls old though etcd confirms it: it rebuilds and sells', async () => {
    const { productId, instance, first, keys } = await warm();
    await bench.persistAll(productId);
    await bench.redis.hset(keys.sale, 'revision', String(Number.MAX_SAFE_INTEGER));
    const second = aPurchase(productId);
    expect(await instance.seller.purchase(productId, [first, second])).toEqual([
      replayed,
      accepted,
    ]);
    expect(await bench.redis.hget(keys.sale, 'generation')).toBe('2');
  });

  test('a settled sale is not rebuilt for a buyer: its rows answer', async () => {
    const { productId, instance, first, keys } = await warm();
    await bench.persistAll(productId);
    await bench.update(productId, { state: 'settled' });
    // Redis has restarted since, and holds the sale of the process before.
    await bench.redis.hset(keys.sale, 'run_id', 'f'.repeat(40), 'state', 'closed');
    const late = aPurchase(productId);
    for (const { seller } of [instance, bench.instance()]) {
      expect(await seller.purchase(productId, [first, { ...first, quantity: 2 }, late])).toEqual([
        replayed,
        { outcome: 'key_reused' },
        { outcome: 'ended' },
      ]);
    }
    expect(await bench.redis.hget(keys.sale, 'generation')).toBe('1');
    await bench.redis.del(...Object.values(keys));
    expect(await instance.seller.purchase(productId, [first])).toEqual([replayed]);
    expect(await bench.redis.exists(...Object.values(keys))).toBe(0);
  });
});
