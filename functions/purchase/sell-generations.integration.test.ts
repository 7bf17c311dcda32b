import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { saleKeys } from '#lib/names.ts';
import { accepted, aPurchase, type Bench, openOwnBench, replayed } from './purchase-fixture.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await openOwnBench();
});
afterAll(() => bench.close());

describe('what a seller believes of a sale', () => {
  async function warm() {
    const productId = await bench.product();
    const instance = bench.instance();
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

  test('an older generation than its own is a copy of the past: it rebuilds', async () => {
    const { productId, instance, first, keys } = await warm();
    const copies = await Promise.all(
      [keys.sale, keys.orders, keys.buyers].map(
        async (key) => [key, await bench.redis.dumpBuffer(key)] as const,
      ),
    );
    await bench.persistAll(productId);
    await bench.redis.del(...Object.values(keys));
    const second = aPurchase(productId);
    expect(await instance.seller.purchase(productId, [second])).toEqual([accepted]);
    await bench.persistAll(productId);
    expect(instance.rebuilds).toBe(2);

    await bench.redis.del(...Object.values(keys));
    for (const [key, copy] of copies) await bench.redis.restore(key, 0, copy);
    expect(await instance.seller.purchase(productId, [second, first])).toEqual([
      replayed,
      replayed,
    ]);
    expect(instance.rebuilds).toBe(3);
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
