// On a Redis Cluster a call may only carry keys of one slot; the buckets must still come in few.

import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectRedis, type RedisClient } from '#lib/redis/connect.ts';
import { createLog } from '#lib/telemetry/log.ts';
import { type OwnCluster, startOwnCluster } from '#lib/testing/own-cluster.ts';
import { uniqueName } from '#lib/testing/unique.ts';
import { bucketKey, giveBackTokens, takeTokens } from './take.ts';

let cluster: OwnCluster;
let redis: RedisClient;
let nodes: Redis[];

beforeAll(async () => {
  cluster = await startOwnCluster();
  nodes = cluster.urls.map((url) => new Redis(url));
  redis = connectRedis({ urls: cluster.urls }, createLog('test', 'silent'));
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

const bucketsNamed = (name: string) =>
  Array.from({ length: 300 }, (_, index) => ({
    key: bucketKey('user', `${name} {${index}}`),
    limit: { rate: 1, capacity: 2 },
  }));

test('the buckets of many users need few calls, and each gets what it may', async () => {
  const buckets = bucketsNamed('user');
  const requests = [...buckets, ...buckets, ...buckets].map((bucket) => [bucket]);
  const granted = async () =>
    (await takeTokens(redis, requests)).map(({ outcome }) => outcome === 'granted');
  // So that every node knows the script: what is sent together then runs in its order.
  await giveBackTokens(redis, bucketsNamed('other'));
  for (const node of nodes) await node.call('CONFIG', 'RESETSTAT');
  const [first, , second] = await Promise.all([
    granted(),
    giveBackTokens(redis, buckets),
    granted(),
  ]);
  expect(first).toEqual(requests.map((_, index) => index < 600));
  expect(second).toEqual(requests.map((_, index) => index < 300));
  const calls = await Promise.all(nodes.map(callsOf));
  expect(Math.min(...calls)).toBeGreaterThan(0);
  expect(calls.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(3 * 16);
});

test('a give-back that is sent again, or late, gives nothing more', async () => {
  const bucket = {
    key: bucketKey('user', uniqueName('again')),
    limit: { rate: 1, capacity: 1_000 },
  };
  await takeTokens(
    redis,
    Array.from({ length: 50 }, () => [bucket]),
  );
  /** Micro-tokens that are not earned by the time alone: at rate 1 that is one a microsecond. */
  const given = async () => {
    const [level = 0n, since = 0n] = ((await redis.get(bucket.key)) ?? '').split(' ').map(BigInt);
    return level - since;
  };
  const atFirst = await given();
  // What ioredis does on a cluster where a connection ends before the answer has come.
  const sent: (() => Promise<unknown>)[] = [];
  const evalsha = (...args: Parameters<typeof redis.evalsha>) => {
    sent.push(() => redis.evalsha(...args));
    return redis.evalsha(...args);
  };
  const observed = Object.assign(Object.create(redis) as typeof redis, { evalsha });
  for (const count of [2, 3]) {
    await giveBackTokens(
      observed,
      Array.from({ length: count }, () => bucket),
    );
  }
  expect(sent).toHaveLength(2);
  for (const again of sent) await again();
  expect(await given()).toBe(atFirst + 5_000_000n);
});
