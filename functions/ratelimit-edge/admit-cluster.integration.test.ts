// The tiers of one request lie on different nodes of a Redis Cluster.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { setLimit } from '#lib/buckets/limits.ts';
import { connectRedis, type RedisClient } from '#lib/redis/connect.ts';
import { createLog } from '#lib/telemetry/log.ts';
import { type OwnCluster, startOwnCluster } from '#lib/testing/own-cluster.ts';
import { createAdmit } from './admit.ts';
import { createLimitsNow } from './limits-now.ts';
import { compareWithModel } from './testing/admission-model.ts';

let cluster: OwnCluster;
let redis: RedisClient;

beforeAll(async () => {
  cluster = await startOwnCluster();
  redis = connectRedis(cluster.urls, createLog('test', 'silent'));
  await new Promise<void>((resolve) => redis.once('ready', resolve));
});

afterAll(async () => {
  redis.disconnect();
  await cluster.remove();
});

test('limits and all tiers work on a cluster as on one Redis', async () => {
  await setLimit(redis, { tier: 'ip' }, { rate: 1, capacity: 70 });
  await setLimit(redis, { tier: 'product' }, { rate: 1, capacity: 20 });
  const admit = createAdmit({ redis, limitsNow: createLimitsNow(redis) });
  const admitted = await Promise.all(
    Array.from({ length: 90 }, (_, index) =>
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
  }).toEqual({ admitted: 60, ip: 20, product: 10 });
});

test('every group comes to what the model says, and so does every bucket', async () => {
  await compareWithModel(redis);
});
