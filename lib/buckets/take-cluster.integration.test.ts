// A cluster of one node refuses what any Redis Cluster refuses: keys of several slots in one call.

import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { redis as redisStore } from '#knative/local/stores/redis.ts';
import { connectRedis, type RedisClient } from '#lib/redis/connect.ts';
import { createLog } from '#lib/telemetry/log.ts';
import { type OwnStore, startOwnStore } from '#lib/testing/own-store.ts';
import { bucketKey, takeTokens } from './take.ts';

let store: OwnStore;
let node: Redis;
let cluster: RedisClient;

beforeAll(async () => {
  store = await startOwnStore({
    ...redisStore,
    command(site) {
      const { command, args } = redisStore.command(site);
      const asCluster = ['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1'];
      return { command, args: [...args, ...asCluster] };
    },
  });
  node = new Redis(store.address);
  await node.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
  await vi.waitFor(async () => {
    expect(await node.call('CLUSTER', 'INFO')).toContain('cluster_state:ok');
  }, 10_000);
  cluster = connectRedis([store.address, store.address], createLog('test', 'silent'));
  await new Promise<void>((resolve) => cluster.once('ready', resolve));
});

afterAll(async () => {
  cluster.disconnect();
  node.disconnect();
  await store.remove();
});

test('the buckets of many users need few calls, and each gets what it may', async () => {
  const limit = { rate: 1, capacity: 2 };
  const takes = Array.from({ length: 300 }, (_, index) => ({
    key: bucketKey('user', `user {${index}}`),
    limit,
    wanted: 3,
    givenBack: 0,
  }));
  const takeAll = () => takeTokens(cluster, takes);
  expect((await takeAll()).map((taken) => taken?.granted)).toEqual(takes.map(() => 2));
  await node.call('CONFIG', 'RESETSTAT');
  expect((await takeAll()).map((taken) => taken?.granted)).toEqual(takes.map(() => 0));
  const calls = /cmdstat_evalsha:calls=(\d+)/.exec(await node.info('commandstats'))?.[1];
  expect(Number(calls)).toBeGreaterThan(1);
  expect(Number(calls)).toBeLessThanOrEqual(16);
});
