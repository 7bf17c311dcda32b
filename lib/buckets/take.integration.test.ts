import { setTimeout } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { redis as redisStore } from '#knative/local/stores/redis.ts';
import { connectRedis, type RedisClient } from '#lib/redis/connect.ts';
import { createLog } from '#lib/telemetry/log.ts';
import { type OwnStore, startOwnStore } from '#lib/testing/own-store.ts';
import { uniqueName } from '#lib/testing/unique.ts';
import { bucketKey, type Limit, retryAfterSecondsOf, takeTokens } from './take.ts';

const micro = 1_000_000n;
const log = createLog('test', 'silent');
let store: OwnStore;
let redis: RedisClient;

async function connect(): Promise<RedisClient> {
  const client = connectRedis([store.address], log);
  await new Promise<void>((resolve) => client.once('ready', resolve));
  return client;
}

beforeAll(async () => {
  store = await startOwnStore(redisStore);
  redis = await connect();
});

afterAll(async () => {
  redis.disconnect();
  await store.remove();
});

const freshKey = () => bucketKey('test', uniqueName('b'));

async function takeOne(key: string, limit: Limit, wanted: number, givenBack = 0) {
  const [taken] = await takeTokens(redis, [{ key, limit, wanted, givenBack }]);
  if (taken === undefined) throw new Error('Redis did not answer');
  return taken;
}

/** What is stored: the level and the time it was true, or undefined for a full bucket. */
async function stored(key: string): Promise<{ level: bigint; since: bigint } | undefined> {
  const text = await redis.get(key);
  if (text === null) return undefined;
  const [level = '', since = ''] = text.split(' ');
  return { level: BigInt(level), since: BigInt(since) };
}

const least = (a: bigint, b: bigint) => (a < b ? a : b);

describe('a bucket', () => {
  test('is full at first, and gives no more than it holds', async () => {
    const key = freshKey();
    const limit = { rate: 1, capacity: 5 };
    expect(await takeOne(key, limit, 3)).toMatchObject({ granted: 3 });
    expect(await takeOne(key, limit, 3)).toMatchObject({ granted: 2 });
    expect(await takeOne(key, limit, 3)).toMatchObject({ granted: 0 });
  });

  test('takes back what was not used, up to its capacity', async () => {
    const key = freshKey();
    const limit = { rate: 1, capacity: 5 };
    await takeOne(key, limit, 5);
    expect(await takeOne(key, limit, 4, 3)).toMatchObject({ granted: 3 });
    expect(await takeOne(key, limit, 9, 100)).toMatchObject({ granted: 5 });
  });

  test('is kept until it would be full, and then forgotten', async () => {
    const key = freshKey();
    await takeOne(key, { rate: 10, capacity: 100 }, 20);
    const ttlMs = await redis.pttl(key);
    expect(ttlMs).toBeGreaterThan(2_000);
    expect(ttlMs).toBeLessThanOrEqual(3_001);
    await takeOne(key, { rate: 10, capacity: 100 }, 0, 100);
    expect(await redis.exists(key)).toBe(0);
  });

  test('earns nothing from a clock that was set back, and goes on from there', async () => {
    const key = freshKey();
    const limit = { rate: 1_000, capacity: 10 };
    const [seconds = 0] = await redis.time();
    await redis.set(key, `0 ${(seconds + 3_600) * 1_000_000}`);
    expect(await takeOne(key, limit, 10)).toEqual({ granted: 0, microTokensLeft: 0 });
    await setTimeout(5);
    expect((await takeOne(key, limit, 1)).granted).toBe(1);
  });

  test('holds the new capacity at once when the limit is lowered', async () => {
    const key = freshKey();
    await takeOne(key, { rate: 1, capacity: 1_000 }, 1);
    expect(await takeOne(key, { rate: 1, capacity: 10 }, 1_000)).toMatchObject({ granted: 10 });
  });

  test('stays exact at the largest limit there is', async () => {
    const key = freshKey();
    const limit = { rate: 1, capacity: 1_000_000_000 };
    await takeOne(key, limit, 1);
    const first = await stored(key);
    await takeOne(key, limit, 1);
    const second = await stored(key);
    const elapsed = (second?.since ?? 0n) - (first?.since ?? 0n);
    const before = 999_999_999n * micro;
    expect(second?.level).toBe(least(before + elapsed, 1_000_000_000n * micro) - micro);
  });
});

test('a bucket does what the reference model does, to the micro-token', async () => {
  const limitOf = fc.record({
    rate: fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 1_000_000 })),
    capacity: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 1_000_000 })),
  });
  const step = fc.record({
    wanted: fc.nat({ max: 30 }),
    givenBack: fc.oneof(fc.constant(0), fc.nat({ max: 5 })),
    pauseMs: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.nat({ max: 3 })),
  });
  const steps = fc.array(step, { minLength: 1, maxLength: 25 });
  await fc.assert(
    fc.asyncProperty(limitOf, steps, async (limit, sequence) => {
      const key = freshKey();
      const capacity = BigInt(limit.capacity) * micro;
      let before = await stored(key);
      for (const { wanted, givenBack, pauseMs } of sequence) {
        if (pauseMs > 0) await setTimeout(pauseMs);
        const taken = await takeOne(key, limit, wanted, givenBack);
        const after = await stored(key);
        // The model, in integers without bounds. Its time is the one the script has used; a
        // bucket that is not stored afterwards was full, whatever the time was.
        const earned = before && after ? BigInt(limit.rate) * (after.since - before.since) : 0n;
        const filled = before && after ? least(capacity, before.level + earned) : capacity;
        const level = least(capacity, filled + BigInt(givenBack) * micro);
        const granted = least(BigInt(wanted), level / micro);
        expect(BigInt(taken.granted)).toBe(granted);
        expect(BigInt(taken.microTokensLeft)).toBe(level - granted * micro);
        expect(after?.level ?? capacity).toBe(level - granted * micro);
        before = after;
      }
    }),
    { numRuns: 60 },
  );
});

test('three clients at once get all that the rate × time earns, and not one token more', async () => {
  const key = freshKey();
  // So large that it never fills up again, however long a busy machine keeps the clients waiting.
  const limit = { rate: 5_000, capacity: 1_000_000 };
  const clients = await Promise.all([connect(), connect(), connect()]);
  // From an empty bucket at a known time on: all that is granted was earned since.
  const [first] = await takeTokens(redis, [{ key, limit, wanted: 1_000_000, givenBack: 0 }]);
  const start = await stored(key);
  expect(first).toEqual({ granted: 1_000_000, microTokensLeft: 0 });

  const until = performance.now() + 600;
  const grants = await Promise.all(
    clients.map(async (client) => {
      let granted = 0;
      while (performance.now() < until) {
        const takes = Array.from({ length: 8 }, () =>
          takeTokens(client, [{ key, limit, wanted: 50, givenBack: 0 }]),
        );
        for (const [taken] of await Promise.all(takes)) granted += taken?.granted ?? 0;
      }
      return granted;
    }),
  );
  const end = await stored(key);
  for (const client of clients) client.disconnect();

  const elapsed = (end?.since ?? 0n) - (start?.since ?? 0n);
  const granted = BigInt(grants.reduce((sum, part) => sum + part, 0));
  expect(granted).toBeGreaterThan(1_000n);
  expect(granted * micro + (end?.level ?? 0n)).toBe(5_000n * elapsed);
});

test('one call serves many buckets, each by its own limit', async () => {
  const takes = Array.from({ length: 600 }, (_, index) => ({
    key: freshKey(),
    limit: { rate: 1, capacity: (index % 7) + 1 },
    wanted: 4,
    givenBack: 0,
  }));
  const taken = await takeTokens(redis, takes);
  expect(taken.map((one) => one?.granted)).toEqual(takes.map((_, i) => Math.min(4, (i % 7) + 1)));
});

test('a Redis that does not answer grants nothing', async () => {
  const client = connectRedis(['redis://127.0.0.1:1'], log);
  const take = { key: freshKey(), limit: { rate: 1, capacity: 1 }, wanted: 1, givenBack: 0 };
  expect(await takeTokens(client, [take])).toEqual([undefined]);
  client.disconnect();
});

test('who is refused is told when the bucket has refilled for all before them too', () => {
  const limit = { rate: 10, capacity: 10 };
  const empty = { granted: 0, microTokensLeft: 0 };
  expect(retryAfterSecondsOf(limit, empty, 1)).toBe(1);
  expect(retryAfterSecondsOf(limit, empty, 10)).toBe(1);
  expect(retryAfterSecondsOf(limit, empty, 11)).toBe(2);
  expect(retryAfterSecondsOf(limit, { granted: 0, microTokensLeft: 999_999 }, 11)).toBe(2);
  expect(retryAfterSecondsOf(limit, empty, 100)).toBe(10);
});
