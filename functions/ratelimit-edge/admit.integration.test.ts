import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { redis as redisStore } from '#knative/local/stores/redis.ts';
import { setLimit, type Tier, tiers } from '#lib/buckets/limits.ts';
import { bucketKey } from '#lib/buckets/take.ts';
import { connectRedis, type RedisClient } from '#lib/redis/connect.ts';
import { createLog } from '#lib/telemetry/log.ts';
import { once } from '#lib/testing/once.ts';
import { type OwnStore, startOwnStore } from '#lib/testing/own-store.ts';
import { type Admit, type Admitted, createAdmit } from './admit.ts';
import { createLimitsNow } from './limits-now.ts';
import { compareWithModel } from './testing/admission-model.ts';

let store: OwnStore;
let redis: RedisClient;
let nowMs = 0;
let admit: Admit;

beforeAll(async () => {
  store = await startOwnStore(redisStore);
  redis = connectRedis({ urls: [store.address] }, createLog('test', 'silent'));
  await new Promise<void>((resolve) => redis.once('ready', resolve));
});

afterAll(async () => {
  redis.disconnect();
  await store.remove();
});

beforeEach(async () => {
  await redis.flushall();
  nowMs = 0;
  admit = createAdmit({ redis, limitsNow: createLimitsNow(redis, () => nowMs) });
});

/** So slow that nothing refills while a test runs. */
const only = (capacity: number) => ({ rate: 1, capacity });
const limit = (tier: Tier, capacity: number, productId?: string) =>
  setLimit(redis, { tier, productId }, only(capacity));
const request = (userId: string, productId = 'p', address = '203.0.113.9') => {
  return { userId, productId, address: () => address };
};

function tally(admitted: readonly Admitted[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const one of admitted) {
    const name = one.outcome === 'rate_limited' ? one.tier : one.outcome;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

test('each tier lets pass what it holds, and says which one refused', async () => {
  await limit('user', 3);
  await limit('product', 5, 'small');
  await limit('global', 9);
  const one = await Promise.all(Array.from({ length: 4 }, () => admit(request('greedy', 'q'))));
  expect(tally(one)).toEqual({ admitted: 3, user: 1 });
  const small = await Promise.all(
    Array.from({ length: 7 }, (_, index) => admit(request(`user ${index}`, 'small'))),
  );
  expect(tally(small)).toEqual({ admitted: 5, product: 2 });
  const rest = await Promise.all(
    Array.from({ length: 4 }, (_, index) => admit(request(`other ${index}`))),
  );
  expect(tally(rest)).toEqual({ admitted: 1, global: 3 });
});

test('addresses are not counted unless a limit says so', async () => {
  const asked = vi.fn(() => '203.0.113.9');
  expect(await admit({ userId: 'u', productId: 'p', address: asked })).toEqual({
    outcome: 'admitted',
  });
  expect(asked).not.toHaveBeenCalled();
  await limit('ip', 2);
  nowMs = 2_000;
  const admitted = await Promise.all(['a', 'b', 'c'].map((user) => admit(request(user))));
  expect(tally(admitted)).toEqual({ admitted: 2, ip: 1 });
  expect(tally([await admit(request('d', 'p', '198.51.100.1'))])).toEqual({ admitted: 1 });
});

test('first come, first served', async () => {
  await limit('product', 2);
  const users = ['a', 'b', 'c', 'd'];
  const admitted = await Promise.all(users.map((user) => admit(request(user))));
  expect(admitted.map(({ outcome }) => outcome)).toEqual([
    'admitted',
    'admitted',
    'rate_limited',
    'rate_limited',
  ]);
});

test('what one tier refuses has cost nothing in any other', async () => {
  await limit('user', 10);
  await limit('product', 6);
  await limit('global', 4);
  const admitted = await Promise.all(Array.from({ length: 8 }, () => admit(request('u'))));
  expect(tally(admitted)).toEqual({ admitted: 4, global: 4 });
  // Only the four that passed have cost anything, in any tier.
  const level = async (tier: Tier, subject: string) =>
    Math.floor(Number((await redis.get(bucketKey(tier, subject)))?.split(' ')[0]) / 1_000_000);
  expect([await level('user', 'u'), await level('product', 'p')]).toEqual([6, 2]);
});

test('every group comes to what the model says, and so does every bucket', once, async () => {
  await compareWithModel(redis);
});

test('whoever is refused together is told when it has refilled for each of them', async () => {
  await limit('product', 1);
  const admitted = await Promise.all(['a', 'b', 'c'].map((user) => admit(request(user))));
  expect(admitted.slice(1)).toEqual([
    { outcome: 'rate_limited', tier: 'product', limit: only(1), retryAfterSeconds: 1 },
    { outcome: 'rate_limited', tier: 'product', limit: only(1), retryAfterSeconds: 2 },
  ]);
});

test.each(tiers)('%s: who comes again when told to, and alone, is admitted', async (tier) => {
  // So large that it is not forgotten as full while the test looks at it.
  await setLimit(redis, { tier }, { rate: 3, capacity: 3_000 });
  const subject = { user: 'u', ip: '203.0.113.9', product: 'p', global: '' }[tier];
  const key = bucketKey(tier, subject);
  const [seconds = 0] = (await redis.time()).map(Number);
  await redis.set(key, `0 ${(seconds + 3_600) * 1_000_000}`);
  const refused = await Promise.all(Array.from({ length: 20 }, () => admit(request('u'))));
  const [level = 0, since = 0] = String(await redis.get(key))
    .split(' ')
    .map(Number);
  for (const [index, one] of refused.entries()) {
    if (one.outcome !== 'rate_limited' || one.tier !== tier) expect.fail(one.outcome);
    const { retryAfterSeconds } = one;
    // Not sooner and not later than when it has refilled for this one and those before.
    const refilledAfter = (seconds: number) => Math.floor(level / 1_000_000 + 3 * seconds);
    expect(refilledAfter(retryAfterSeconds)).toBeGreaterThan(index);
    if (retryAfterSeconds > 1) expect(refilledAfter(retryAfterSeconds - 1)).toBeLessThan(index + 1);
    // As if nobody had come since, for so long.
    await redis.set(key, `${level} ${since - retryAfterSeconds * 1_000_000}`);
    expect(await admit(request('u'))).toEqual({ outcome: 'admitted' });
  }
  expect(refused.at(-1)).toMatchObject({ retryAfterSeconds: 7 });
});

test('requests of one turn share calls for all tiers, 64 each', async () => {
  await admit(request('warm'));
  for (const [count, expected] of [
    [64, '1'],
    [150, '3'],
  ] as const) {
    await redis.config('RESETSTAT');
    const admitted = await Promise.all(
      Array.from({ length: count }, (_, index) => admit(request(`user ${index} of ${count}`))),
    );
    expect(admitted).toHaveLength(count);
    const [, calls] = /cmdstat_evalsha:calls=(\d+)/.exec(await redis.info('commandstats')) ?? [];
    expect(calls).toBe(expected);
  }
});

test('a change of the limits counts within a second', async () => {
  await admit(request('u'));
  await limit('user', 1);
  nowMs = 1_001;
  const admitted = [await admit(request('u')), await admit(request('u'))];
  expect(tally(admitted)).toEqual({ admitted: 1, user: 1 });
});

test('two instances share the buckets', async () => {
  await limit('product', 10);
  const second = connectRedis({ urls: [store.address] }, createLog('test', 'silent'));
  await new Promise<void>((resolve) => second.once('ready', resolve));
  const other = createAdmit({ redis: second, limitsNow: createLimitsNow(second) });
  const admitted = await Promise.all(
    Array.from({ length: 30 }, (_, index) =>
      (index % 2 === 0 ? admit : other)(request(`user ${index}`)),
    ),
  );
  second.disconnect();
  expect(tally(admitted)).toEqual({ admitted: 10, product: 20 });
});

test('while Redis is away nobody passes, and soon after it is back they do', async () => {
  await admit(request('u'));
  store.freeze();
  const startedAtMs = performance.now();
  expect(await admit(request('u'))).toEqual({ outcome: 'unavailable' });
  expect(performance.now() - startedAtMs).toBeLessThan(5_000);
  store.thaw();
  await vi.waitFor(async () => {
    expect(await admit(request('u'))).toEqual({ outcome: 'admitted' });
  }, 10_000);
  await store.stop();
  expect(await admit(request('u'))).toEqual({ outcome: 'unavailable' });
  await store.start();
  await vi.waitFor(async () => {
    expect(await admit(request('u'))).toEqual({ outcome: 'admitted' });
  }, 10_000);
});
