// The tiers of one request lie on different nodes of a Redis Cluster.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { setLimit } from '#lib/buckets/limits.ts';
import { bucketKey } from '#lib/buckets/take.ts';
import { connectRedis, type RedisClient } from '#lib/redis/connect.ts';
import { createLog } from '#lib/telemetry/log.ts';
import { once } from '#lib/testing/once.ts';
import { type OwnCluster, startOwnCluster } from '#lib/testing/own-cluster.ts';
import { type Admit, createAdmit } from './admit.ts';
import { createLimitsNow } from './limits-now.ts';
import { compareWithModel } from './testing/admission-model.ts';

let cluster: OwnCluster;
let redis: RedisClient;

beforeAll(async () => {
  cluster = await startOwnCluster();
  redis = connectRedis({ urls: cluster.urls }, createLog('test', 'silent'));
  await new Promise<void>((resolve) => redis.once('ready', resolve));
});

afterAll(async () => {
  redis.disconnect();
  await cluster.remove();
});

test('limits and all tiers work on a cluster as on one Redis', async () => {
  await setLimit(redis, { tier: 'ip' }, { rate: 1, capacity: 50 });
  await setLimit(redis, { tier: 'product' }, { rate: 1, capacity: 12 });
  const admit = createAdmit({ redis, limitsNow: createLimitsNow(redis) });
  const admitted = await Promise.all(
    // One group: a second one may find what the first gives back, or not yet.
    Array.from({ length: 60 }, (_, index) =>
      admit({
        userId: `user ${index}`,
        productId: `p${index % 3}`,
        address: () => '203.0.113.9',
      }),
    ),
  );
  const tiers = Object.groupBy(admitted, (one) =>
    one.outcome === 'rate_limited' ? one.tier : one.outcome,
  );
  expect({
    admitted: tiers.admitted?.length,
    ip: tiers.ip?.length,
    product: tiers.product?.length,
  }).toEqual({ admitted: 36, ip: 10, product: 14 });
});

test('every group comes to what the model says, and so does every bucket', once, async () => {
  await compareWithModel(redis);
});

test('three edges at once admit what the tightest tier holds, and all else is given back', async () => {
  const [capacity, product] = [20, 'shared'];
  for (const key of ['seckill:limits', bucketKey('global', '')]) await redis.del(key);
  await setLimit(redis, { tier: 'product' }, { rate: 1, capacity: 50 });
  await setLimit(redis, { tier: 'global' }, { rate: 1, capacity });
  const connecting = [1, 2, 3].map(async () => {
    const client = connectRedis({ urls: cluster.urls }, createLog('test', 'silent'));
    await new Promise<void>((resolve) => client.once('ready', resolve));
    return client;
  });
  const clients = await Promise.all(connecting);
  const edges = clients.map((client) =>
    createAdmit({ redis: client, limitsNow: createLimitsNow(client) }),
  );
  const startedAtMs = performance.now();
  const admitted = await Promise.all(
    Array.from({ length: 90 }, (_, index) => {
      const request = { userId: `edge user ${index}`, productId: product, address: () => '' };
      return (edges[index % 3] as Admit)(request);
    }),
  );
  const passed = admitted.filter((one) => one.outcome === 'admitted').length;
  const earnedMost = () => Math.ceil((performance.now() - startedAtMs) / 1_000);
  expect(passed).toBeGreaterThanOrEqual(capacity);
  expect(passed).toBeLessThanOrEqual(capacity + earnedMost());
  // Given back after the answers: only who passed has cost the product anything.
  const tokens = async () => {
    const stored = await redis.get(bucketKey('product', product));
    return stored === null ? 50 : Math.floor(Number(stored.split(' ')[0]) / 1_000_000);
  };
  await expect.poll(tokens, { timeout: 10_000 }).toBeGreaterThanOrEqual(50 - passed);
  expect(await tokens()).toBeLessThanOrEqual(50 - passed + earnedMost());
  for (const client of clients) client.disconnect();
});
