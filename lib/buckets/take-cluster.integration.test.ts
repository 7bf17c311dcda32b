// On a Redis Cluster a call may only carry keys of one slot; the buckets must still come in few.

import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectRedis, type RedisClient } from '#lib/redis/connect.ts';
import { createLog } from '#lib/telemetry/log.ts';
import { type OwnCluster, startOwnCluster } from '#lib/testing/own-cluster.ts';
import { bucketKey, takeTokens } from './take.ts';

let cluster: OwnCluster;
let redis: RedisClient;
let nodes: Redis[];

beforeAll(async () => {
  cluster = await startOwnCluster();
  nodes = cluster.urls.map((url) => new Redis(url));
  redis = connectRedis(cluster.urls, createLog('test', 'silent'));
  await new Promise<void>((resolve) => redis.once('ready', resolve));
});

afterAll(async () => {
  redis.disconnect();
  for (const node of nodes) node.disconnect();
  await cluster.remove();
});

async function callsOf(node: Redis): Promise<number> {
  const stats = await node.info('commandstats');
  return Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1] ?? 0);
}

test('the buckets of many users need few calls, and each gets what it may', async () => {
  const limit = { rate: 1, capacity: 2 };
  const takes = Array.from({ length: 300 }, (_, index) => ({
    key: bucketKey('user', `user {${index}}`),
    limit,
    wanted: 3,
    givenBack: 0,
  }));
  const takeAll = () => takeTokens(redis, takes);
  expect((await takeAll()).map((taken) => taken?.granted)).toEqual(takes.map(() => 2));
  for (const node of nodes) await node.call('CONFIG', 'RESETSTAT');
  expect((await takeAll()).map((taken) => taken?.granted)).toEqual(takes.map(() => 0));
  const calls = await Promise.all(nodes.map(callsOf));
  expect(Math.min(...calls)).toBeGreaterThan(0);
  expect(calls.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(16);
});
