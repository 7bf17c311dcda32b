import { expect, test } from 'vitest';
import { saleKeys } from '#lib/names.ts';
import { createKnownProducts } from './known-products.ts';

/** A Redis that holds the sales of these products, or none at all. */
function redisWith(...productIds: string[]) {
  const asked: string[] = [];
  const keys = new Set(productIds.map((productId) => saleKeys(productId).sale));
  const redis = {
    isAway: false,
    async exists(key: unknown) {
      asked.push(String(key));
      await Promise.resolve();
      if (redis.isAway) throw new Error('away');
      return keys.has(String(key)) ? 1 : 0;
    },
  };
  return { redis, asked };
}

test('Redis is asked once by all who ask at once, and never about what is known', async () => {
  const { redis, asked } = redisWith('on-sale');
  const known = createKnownProducts(redis);
  expect(known.has('on-sale')).toBe(false);
  expect(await Promise.all([known.find('on-sale'), known.find('on-sale')])).toEqual([true, true]);
  expect(known.find('on-sale')).toBe(true);
  expect(known.has('on-sale')).toBe(true);
  expect(asked).toEqual([saleKeys('on-sale').sale]);
});

test('what is not there may be there the next time; what was learned is known', async () => {
  const { redis, asked } = redisWith();
  const known = createKnownProducts(redis);
  for (let time = 0; time < 2; time += 1) expect(await known.find('made-up')).toBe(false);
  expect(asked).toHaveLength(2);
  known.learn('made-up');
  expect(known.find('made-up')).toBe(true);
});

test('while Redis is away, nothing new is known, and nothing fails', async () => {
  const { redis } = redisWith('on-sale');
  const known = createKnownProducts(redis);
  redis.isAway = true;
  expect(await known.find('on-sale')).toBe(false);
  redis.isAway = false;
  expect(await known.find('on-sale')).toBe(true);
});
