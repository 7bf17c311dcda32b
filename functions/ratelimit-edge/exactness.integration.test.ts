// Three edges share every limit: together they admit what its bucket earns by Redis' own clock,
// to the token, and a change counts for all of them within a second.

import { setTimeout } from 'node:timers/promises';
import { Pool } from 'undici';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { redis as redisStore } from '#knative/local/stores/redis.ts';
import { setLimit } from '#lib/buckets/limits.ts';
import { bucketKey, type Limit } from '#lib/buckets/take.ts';
import { connectRedis, type RedisClient } from '#lib/redis/connect.ts';
import { createLog } from '#lib/telemetry/log.ts';
import { once } from '#lib/testing/once.ts';
import { type OwnStore, startOwnStore } from '#lib/testing/own-store.ts';
import {
  acceptAll,
  type Edge,
  type FakePurchase,
  startEdge,
  startFakePurchase,
  tokenFor,
} from './testing/edge-fixture.ts';

let store: OwnStore;
let purchase: FakePurchase;
let edges: Edge[];
let pools: Pool[];
let redis: RedisClient;
let tokens: string[];

beforeAll(async () => {
  store = await startOwnStore(redisStore);
  purchase = await startFakePurchase();
  const starting = [1, 2, 3].map(() => startEdge(store.address, purchase.url));
  edges = await Promise.all(starting);
  redis = connectRedis({ urls: [store.address] }, createLog('test', 'silent'));
  await new Promise<void>((resolve) => redis.once('ready', resolve));
  pools = edges.map(({ url }) => new Pool(url, { connections: 50 }));
  // So many that no limit of a user is in the way.
  tokens = await Promise.all(Array.from({ length: 500 }, (_, user) => tokenFor(`user-${user}`)));
});

afterAll(async () => {
  await Promise.all(pools.map((pool) => pool.close()));
  await Promise.all(edges.map((edge) => edge.stop()));
  redis.disconnect();
  await purchase.close();
  await store.remove();
});

beforeEach(async () => {
  await redis.flushall();
  purchase.seen.length = 0;
  purchase.answer = acceptAll;
});

let sent = 0;

/** The n-th purchase goes through the n-th edge. */
async function buy(productId: string, n: number) {
  sent += 1;
  const response = await pools[n % 3]?.request({
    method: 'POST',
    path: `/api/products/${productId}/purchase`,
    headers: {
      authorization: `Bearer ${tokens[sent % tokens.length] ?? ''}`,
      'idempotency-key': `key-${String(sent).padStart(8, '0')}`,
      'content-type': 'application/json',
    },
    body: '{"quantity":1}',
  });
  await response?.body.dump();
  return { status: response?.statusCode, policy: response?.headers['ratelimit-policy'] };
}

/** Buys at once, evenly through all edges; resolves with how many were admitted. */
async function burst(productId: string, count: number): Promise<number> {
  const answers = await Promise.all(Array.from({ length: count }, (_, n) => buy(productId, n)));
  const statuses = new Set(answers.map(({ status }) => status));
  expect([...statuses].filter((status) => status !== 202 && status !== 429)).toEqual([]);
  return answers.filter(({ status }) => status === 202).length;
}

interface Level {
  readonly microTokens: bigint;
  readonly since: bigint;
}

/** What is in a product's bucket, and when that was so. */
async function levelOf(productId: string): Promise<Level> {
  const text = (await redis.get(bucketKey('product', productId))) ?? '';
  const [microTokens = 0n, since = 0n] = text.split(' ').map(BigInt);
  return { microTokens, since };
}

describe('what three edges admit of one product', () => {
  /** Slow enough to be used up, and never full again, on any machine. */
  const limit = { rate: 50, capacity: 100_000 };
  const first = 1_000;

  /** From a bucket with so many tokens on, at a time that Redis has said. */
  async function begin(productId: string): Promise<Level> {
    await setLimit(redis, { tier: 'product', productId }, limit);
    const [seconds = 0n, us = 0n] = (await redis.time()).map(BigInt);
    const since = seconds * 1_000_000n + us;
    await redis.set(bucketKey('product', productId), `${first}000000 ${since}`);
    return { microTokens: BigInt(first) * 1_000_000n, since };
  }

  /** Buys until the bucket is empty: whoever was refused was so by right. */
  async function buyAll(productId: string): Promise<number> {
    let admitted = 0;
    do admitted += await burst(productId, 150);
    while ((await levelOf(productId)).microTokens >= 1_000_000n);
    return admitted;
  }

  test(
    'is capacity + rate × time, of each of two at once, and a third loses nothing',
    once,
    async () => {
      const begun = [await begin('p1'), await begin('p2')];
      // A change counts within a second.
      await setTimeout(1_000);
      const until = performance.now() + 2_000;
      const crowd = async (productId: string) => {
        let admitted = 0;
        while (performance.now() < until) admitted += await burst(productId, 150);
        return admitted + (await buyAll(productId));
      };
      const [p1, p2, quiet] = await Promise.all([crowd('p1'), crowd('p2'), burst('p3', 300)]);
      for (const [at, admitted] of [p1, p2].entries()) {
        const { microTokens, since } = await levelOf(`p${at + 1}`);
        const earned = BigInt(limit.rate) * (since - (begun[at]?.since ?? 0n));
        // Nothing is lost, and nothing is given twice.
        expect(BigInt(admitted) * 1_000_000n + microTokens).toBe(
          BigInt(first) * 1_000_000n + earned,
        );
        expect(microTokens).toBeLessThan(1_000_000n);
        expect(admitted).toBeGreaterThan(first);
      }
      expect(quiet).toBe(300);
    },
  );
});

test('with the shipped limit never more than its capacity + rate × time', once, async () => {
  const nowUs = async () => {
    const [seconds = 0, us = 0] = (await redis.time()).map(Number);
    return seconds * 1_000_000 + us;
  };
  const startedAtUs = await nowUs();
  let admitted = 0;
  for (let round = 0; round < 12; round += 1) admitted += await burst('shipped', 300);
  const seconds = ((await nowUs()) - startedAtUs) / 1_000_000;
  expect(admitted).toBeLessThanOrEqual(1_000 + 1_000 * seconds);
  expect(admitted).toBeGreaterThanOrEqual(1_000);
});

test('a change counts at every edge within a second, whichever was told', async () => {
  const productId = 'changed';
  const policies = (one: Limit) => `"product";q=${one.capacity};w=1`;
  const before = { rate: 900, capacity: 900 };
  const after = { rate: 7, capacity: 7 };
  /** What each edge refuses by: the bucket is empty when it is asked. */
  const inForce = async () => {
    const seen = [];
    for (const n of [0, 1, 2]) {
      const [seconds = 0] = (await redis.time()).map(Number);
      await redis.set(bucketKey('product', productId), `0 ${(seconds + 3_600) * 1_000_000}`);
      seen.push((await buy(productId, n)).policy);
    }
    return seen;
  };
  const allBy = (one: Limit) => [1, 2, 3].map(() => policies(one));
  await setLimit(redis, { tier: 'product', productId }, before);
  await expect.poll(inForce, { timeout: 10_000 }).toEqual(allBy(before));

  purchase.answer = (request, response) => {
    if (request.method === 'POST') acceptAll(request, response);
    else response.end('{}');
  };
  const response = await fetch(`${edges[1]?.url ?? ''}/operator/limits/product?product=changed`, {
    method: 'PUT',
    headers: {
      authorization: `Bearer ${await tokenFor('operator', 'operator')}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify(after),
  });
  const changedAt = performance.now();
  expect(response.status).toBe(200);
  // Meanwhile they are asked all the time, and remember as long as they may.
  while (performance.now() < changedAt + 1_000) await inForce();
  expect(await inForce()).toEqual(allBy(after));
});
