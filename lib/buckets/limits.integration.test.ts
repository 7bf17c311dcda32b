import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { redis as redisStore } from '#knative/local/stores/redis.ts';
import { connectRedis, type RedisClient } from '#lib/redis/connect.ts';
import { createLog } from '#lib/telemetry/log.ts';
import { type OwnStore, startOwnStore } from '#lib/testing/own-store.ts';
import { defaultLimits, readLimits, setLimit } from './limits.ts';

let store: OwnStore;
let redis: RedisClient;

beforeAll(async () => {
  store = await startOwnStore(redisStore);
  redis = connectRedis({ urls: [store.address] }, createLog('test', 'silent'));
  await new Promise<void>((resolve) => redis.once('ready', resolve));
});

afterAll(async () => {
  redis.disconnect();
  await store.remove();
});

beforeEach(() => redis.flushall());

test('what nobody has set is the default', async () => {
  expect(await readLimits(redis)).toEqual(defaultLimits);
});

test('a limit is set for its tier, or for one product, and the default put back', async () => {
  await setLimit(redis, { tier: 'ip' }, { rate: 5, capacity: 6 });
  await setLimit(redis, { tier: 'product', productId: 'hot' }, { rate: 7, capacity: 8 });
  expect(await readLimits(redis)).toEqual({
    ...defaultLimits,
    ip: { rate: 5, capacity: 6 },
    products: new Map([['hot', { rate: 7, capacity: 8 }]]),
  });
  await setLimit(redis, { tier: 'ip' }, null);
  await setLimit(redis, { tier: 'product', productId: 'hot' }, null);
  expect(await readLimits(redis)).toEqual(defaultLimits);
});

test.each([
  { rate: 0, capacity: 1 },
  { rate: 1.5, capacity: 1 },
  { rate: 1, capacity: 1_000_000_001 },
  { rate: Number.NaN, capacity: 1 },
])('a limit that could not be counted exactly is refused: %j', async (limit) => {
  await expect(setLimit(redis, { tier: 'user' }, limit)).rejects.toThrow();
  expect(await readLimits(redis)).toEqual(defaultLimits);
});

test('only the product tier has limits of one product', async () => {
  const limit = { rate: 1, capacity: 1 };
  await expect(setLimit(redis, { tier: 'user', productId: 'p' }, limit)).rejects.toThrow();
  await expect(setLimit(redis, { tier: 'product', productId: '/' }, limit)).rejects.toThrow();
});

test('what somebody wrote by hand and nobody can read is the default', async () => {
  await redis.hset('seckill:limits', 'user', 'fast', 'global', '{"rate":-1,"capacity":2}');
  await redis.hset('seckill:limits', 'product:p', '[]', 'surprise', '1');
  expect(await readLimits(redis)).toEqual(defaultLimits);
});
