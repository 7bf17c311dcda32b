import { setTimeout } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { redis as redisStore } from '#knative/local/stores/redis.ts';
import { connectRedis, type RedisClient } from '#lib/redis/connect.ts';
import { createLog } from '#lib/telemetry/log.ts';
import { once } from '#lib/testing/once.ts';
import { type OwnStore, startOwnStore } from '#lib/testing/own-store.ts';
import { uniqueName } from '#lib/testing/unique.ts';
import { type Bucket, bucketKey, giveBackTokens, retryAfterSecondsOf, takeTokens } from './take.ts';

const micro = 1_000_000n;
const log = createLog('test', 'silent');
let store: OwnStore;
let redis: RedisClient;

async function connect(): Promise<RedisClient> {
  const client = connectRedis({ urls: [store.address] }, log);
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

/** How many of so many requests to one bucket were granted. */
async function take(bucket: Bucket, wanted: number, client = redis): Promise<number> {
  const requests = Array.from({ length: wanted }, () => [bucket]);
  const taken = await takeTokens(client, requests);
  return taken.filter(({ outcome }) => outcome === 'granted').length;
}

const repeated = <T>(count: number, value: T) => Array.from({ length: count }, () => value);

interface Stored {
  readonly level: bigint;
  readonly since: bigint;
}

/** What is stored: the level and the time it was true, or undefined for a full bucket. */
async function stored(key: string): Promise<Stored | undefined> {
  const text = await redis.get(key);
  if (text === null) return undefined;
  const [level = '', since = ''] = text.split(' ');
  return { level: BigInt(level), since: BigInt(since) };
}

const least = (a: bigint, b: bigint) => (a < b ? a : b);

describe('a bucket', () => {
  test('is full at first, and gives no more than it holds', async () => {
    const bucket = { key: freshKey(), limit: { rate: 1, capacity: 5 } };
    expect(await take(bucket, 3)).toBe(3);
    expect(await take(bucket, 3)).toBe(2);
    expect(await take(bucket, 3)).toBe(0);
  });

  test('takes back what was not used, up to its capacity', async () => {
    const bucket = { key: freshKey(), limit: { rate: 1, capacity: 5 } };
    await take(bucket, 5);
    await giveBackTokens(redis, repeated(3, bucket));
    expect(await take(bucket, 4)).toBe(3);
    await giveBackTokens(redis, repeated(100, bucket));
    expect(await take(bucket, 9)).toBe(5);
  });

  test('is kept until it would be full, and then forgotten', async () => {
    const bucket = { key: freshKey(), limit: { rate: 10, capacity: 100 } };
    await take(bucket, 20);
    const ttlMs = await redis.pttl(bucket.key);
    // And two seconds longer.
    expect(ttlMs).toBeGreaterThan(2_000);
    expect(ttlMs).toBeLessThanOrEqual(4_001);
    await giveBackTokens(redis, repeated(100, bucket));
    expect(await redis.pttl(bucket.key)).toBeLessThanOrEqual(2_000);
    const untouched = { key: freshKey(), limit: bucket.limit };
    await giveBackTokens(redis, [untouched]);
    expect(await redis.exists(untouched.key)).toBe(0);
  });

  test('earns nothing from a clock that was set back, and goes on from there', async () => {
    const bucket = { key: freshKey(), limit: { rate: 1_000, capacity: 10 } };
    const [seconds = 0] = (await redis.time()).map(Number);
    await redis.set(bucket.key, `0 ${(seconds + 3_600) * 1_000_000}`);
    expect(await takeTokens(redis, [[bucket]])).toEqual([
      { outcome: 'refused', bucket, microTokensLeft: 0 },
    ]);
    await setTimeout(5);
    expect(await take(bucket, 1)).toBe(1);
  });

  test('holds the new capacity at once when the limit is lowered', async () => {
    const key = freshKey();
    await take({ key, limit: { rate: 1, capacity: 1_000 } }, 1);
    expect(await take({ key, limit: { rate: 1, capacity: 10 } }, 1_000)).toBe(10);
  });

  test('gives no more while instances count by different limits', async () => {
    const key = freshKey();
    const [before, after] = [
      { key, limit: { rate: 1, capacity: 1_000 } },
      { key, limit: { rate: 1, capacity: 1 } },
    ];
    const empty = { key: freshKey(), limit: { rate: 1, capacity: 1 } };
    await take(empty, 1);
    expect(await take(before, 900)).toBe(900);
    // An instance for which it is full already, and which takes nothing: another tier refuses.
    await takeTokens(redis, [[empty, after]]);
    expect(await take(before, 1_000)).toBeLessThanOrEqual(100);
  });

  test('stays exact at the largest limit there is', async () => {
    const bucket = { key: freshKey(), limit: { rate: 1, capacity: 1_000_000_000 } };
    await take(bucket, 1);
    const first = await stored(bucket.key);
    await take(bucket, 1);
    const second = await stored(bucket.key);
    const elapsed = (second?.since ?? 0n) - (first?.since ?? 0n);
    const before = 999_999_999n * micro;
    expect(second?.level).toBe(least(before + elapsed, 1_000_000_000n * micro) - micro);
  });
});

/** The buckets of a call as the script saw them: their levels by its own reading of the clock. */
async function levelsIn(
  buckets: readonly Bucket[],
  call: () => Promise<unknown>,
): Promise<{ levels: bigint[]; after: bigint[] }> {
  const before = await Promise.all(buckets.map(({ key }) => stored(key)));
  await call();
  const after = await Promise.all(buckets.map(({ key }) => stored(key)));
  const now = after.find((one) => one !== undefined)?.since;
  const full = buckets.map(({ limit }) => BigInt(limit.capacity) * micro);
  const levels = buckets.map(({ limit }, index) => {
    const [known, capacity = 0n] = [before[index], full[index]];
    // Where nothing is stored afterwards, all were full, whatever the time was.
    if (known === undefined || now === undefined) return capacity;
    return least(capacity, known.level + BigInt(limit.rate) * (now - known.since));
  });
  return { levels, after: after.map((one, index) => one?.level ?? full[index] ?? 0n) };
}

test('buckets do what the reference model does, to the micro-token', once, async () => {
  const limitOf = fc.record({
    rate: fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 1_000_000 })),
    capacity: fc.oneof(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 1_000_000 })),
  });
  // Three tiers of one to three buckets each.
  const tiersOf = fc.array(fc.array(limitOf, { minLength: 1, maxLength: 3 }), {
    minLength: 1,
    maxLength: 3,
  });
  const choices = fc.array(fc.array(fc.nat(), { minLength: 3, maxLength: 3 }), {
    minLength: 1,
    maxLength: 12,
  });
  const step = fc.record({
    choices,
    givesBack: fc.oneof({ weight: 3, arbitrary: fc.constant(false) }, fc.constant(true)),
    pauseMs: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.nat({ max: 3 })),
  });
  await fc.assert(
    fc.asyncProperty(tiersOf, fc.array(step, { maxLength: 10 }), async (tiers, steps) => {
      const buckets = tiers.map((limits) => limits.map((limit) => ({ key: freshKey(), limit })));
      for (const { choices, givesBack, pauseMs } of steps) {
        if (pauseMs > 0) await setTimeout(pauseMs);
        const requests = choices.map((picks) =>
          buckets.map((tier, place) => tier[(picks[place] ?? 0) % tier.length] as Bucket),
        );
        if (givesBack) await compareGivenBack(requests.flat());
        else await compareTaken(requests);
      }
    }),
    { numRuns: 60 },
  );
});

async function compareTaken(requests: readonly (readonly Bucket[])[]): Promise<void> {
  const buckets = [...new Set(requests.flat())];
  let taken: unknown;
  const { levels, after } = await levelsIn(buckets, async () => {
    taken = await takeTokens(redis, requests);
  });
  // The model, in integers without bounds.
  const level = new Map(buckets.map((bucket, index) => [bucket, levels[index] ?? 0n]));
  const refusing = requests.map((asked) => {
    const refuses = asked.find((bucket) => (level.get(bucket) ?? 0n) < micro);
    if (refuses !== undefined) return refuses;
    for (const bucket of asked) level.set(bucket, (level.get(bucket) ?? 0n) - micro);
    return undefined;
  });
  expect(taken).toEqual(
    refusing.map((bucket) =>
      bucket === undefined
        ? { outcome: 'granted' }
        : { outcome: 'refused', bucket, microTokensLeft: Number(level.get(bucket)) },
    ),
  );
  expect(after).toEqual([...level.values()]);
}

async function compareGivenBack(given: readonly Bucket[]): Promise<void> {
  const buckets = [...new Set(given)];
  const { levels, after } = await levelsIn(buckets, () => giveBackTokens(redis, given));
  const expected = buckets.map((bucket, index) => {
    const tokens = given.filter((one) => one === bucket).length;
    return least(
      BigInt(bucket.limit.capacity) * micro,
      (levels[index] ?? 0n) + BigInt(tokens) * micro,
    );
  });
  expect(after).toEqual(expected);
}

test(
  'three clients at once get all that the rate × time earns, and not one token more',
  once,
  async () => {
    // So large that it never fills up again, however long a busy machine keeps the clients waiting.
    const bucket = { key: freshKey(), limit: { rate: 5_000, capacity: 1_000_000 } };
    const clients = await Promise.all([connect(), connect(), connect()]);
    // From an empty bucket at a known time on: all that is granted was earned since.
    const [seconds = 0] = (await redis.time()).map(Number);
    await redis.set(bucket.key, `0 ${seconds * 1_000_000}`);
    const start = await stored(bucket.key);

    const until = performance.now() + 600;
    const grants = await Promise.all(
      clients.map(async (client) => {
        let granted = 0;
        while (performance.now() < until) {
          const takes = Array.from({ length: 8 }, () => take(bucket, 50, client));
          for (const count of await Promise.all(takes)) granted += count;
        }
        return granted;
      }),
    );
    const end = await stored(bucket.key);
    for (const client of clients) client.disconnect();

    const elapsed = (end?.since ?? 0n) - (start?.since ?? 0n);
    const granted = BigInt(grants.reduce((sum, part) => sum + part, 0));
    expect(granted).toBeGreaterThan(1_000n);
    expect(granted * micro + (end?.level ?? 0n)).toBe(5_000n * elapsed);
  },
);

test('one call serves many buckets, each by its own limit', async () => {
  const capacities = Array.from({ length: 60 }, (_, index) => (index % 7) + 1);
  const buckets = capacities.map((capacity) => ({ key: freshKey(), limit: { rate: 1, capacity } }));
  await redis.config('RESETSTAT');
  const taken = await takeTokens(
    redis,
    buckets.flatMap((bucket) => repeated(4, [bucket])),
  );
  expect(await calls()).toBe(1);
  const granted = buckets.map(
    (_, index) =>
      taken.slice(4 * index, 4 * index + 4).filter(({ outcome }) => outcome === 'granted').length,
  );
  expect(granted).toEqual(capacities.map((capacity) => Math.min(4, capacity)));
});

test('more than a call may carry come in several, still first come first served', async () => {
  const product = { key: freshKey(), limit: { rate: 1, capacity: 300 } };
  const users = Array.from({ length: 700 }, () => ({ key: freshKey(), limit: product.limit }));
  await redis.config('RESETSTAT');
  const taken = await takeTokens(
    redis,
    users.map((user) => [user, product]),
  );
  expect(await calls()).toBe(3);
  expect(taken.map(({ outcome }) => outcome)).toEqual([
    ...repeated(300, 'granted'),
    ...repeated(400, 'refused'),
  ]);
  expect(taken.at(-1)).toMatchObject({ bucket: product });
  expect(await redis.exists(users.map(({ key }) => key))).toBe(300);
});

/** Runs of the script since RESETSTAT. */
async function calls(): Promise<number> {
  const stats = await redis.info('commandstats');
  return Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1] ?? 0);
}

test('a Redis that does not answer grants nothing', async () => {
  const client = connectRedis({ urls: ['redis://127.0.0.1:1'] }, log);
  const bucket = { key: freshKey(), limit: { rate: 1, capacity: 1 } };
  expect(await takeTokens(client, [[bucket]])).toEqual([{ outcome: 'unknown' }]);
  await giveBackTokens(client, [bucket]);
  client.disconnect();
});

test('who is refused is told when the bucket has refilled for all before them too', () => {
  const limit = { rate: 10, capacity: 10 };
  expect(retryAfterSecondsOf(limit, 0, 1)).toBe(1);
  expect(retryAfterSecondsOf(limit, 0, 10)).toBe(1);
  expect(retryAfterSecondsOf(limit, 0, 11)).toBe(2);
  expect(retryAfterSecondsOf(limit, 999_999, 11)).toBe(2);
  expect(retryAfterSecondsOf(limit, 0, 100)).toBe(10);
});
