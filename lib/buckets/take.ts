// Token buckets in Redis, shared by all instances: many buckets and many tokens in one call.
// Exact: never above capacity + rate × time, by Redis' own clock.

import type { RedisClient } from '#lib/redis/connect.ts';
import { loadScript } from '#lib/redis/script.ts';

/** What a bucket refills and holds. Both are whole numbers above zero. */
export interface Limit {
  /** Tokens a second. */
  readonly rate: number;
  /** Tokens. */
  readonly capacity: number;
}

export interface BucketTake {
  /** From `bucketKey`; a key occurs once per call. */
  readonly key: string;
  readonly limit: Limit;
  /** Tokens taken before and not used; they count up to the capacity. */
  readonly givenBack: number;
  readonly wanted: number;
}

export interface BucketTaken {
  /** 0 to `wanted`. */
  readonly granted: number;
  readonly microTokensLeft: number;
}

const script = loadScript(import.meta.dirname, 'take-n.lua');

/** One Lua call holds Redis up for about a millisecond at this many buckets. */
const bucketsPerCallMax = 256;
/** Buckets of one tier share this many slots of a Redis Cluster, so that a call carries many. */
const lanes = 16;
const microTokens = 1_000_000;

/** The bucket of one subject (a user, a product …) in a tier. */
export function bucketKey(tier: string, subject: string): string {
  return `seckill:bucket:{${tier}:${laneOf(subject)}}:${subject}`;
}

/**
 * Takes from all buckets, in one call (on a Redis Cluster: one per slot). The answers are in the
 * order of `takes`; `undefined` where Redis did not answer, and then nobody knows whether those
 * tokens were taken.
 */
export async function takeTokens(
  redis: RedisClient,
  takes: readonly BucketTake[],
): Promise<(BucketTaken | undefined)[]> {
  const answers: (BucketTaken | undefined)[] = takes.map(() => undefined);
  const calls = [...callsOf(redis.isCluster, takes)].map(async (places) => {
    const called = places.map((place) => takes[place]).filter((take) => take !== undefined);
    const taken = await callScript(redis, called).catch(() => undefined);
    if (taken === undefined) return;
    places.forEach((place, index) => {
      answers[place] = taken[index];
    });
  });
  await Promise.all(calls);
  return answers;
}

/**
 * Whole seconds, at least one, until the bucket has refilled enough for the `nth` of those that
 * were refused together (from 1).
 */
export function retryAfterSecondsOf(limit: Limit, taken: BucketTaken, nth: number): number {
  const missing = nth * microTokens - taken.microTokensLeft;
  return Math.max(1, Math.ceil(missing / limit.rate / microTokens));
}

async function callScript(
  redis: RedisClient,
  takes: readonly BucketTake[],
): Promise<BucketTaken[]> {
  const reply = (await script.run(
    redis,
    takes.map(({ key }) => key),
    takes.flatMap(({ limit, givenBack, wanted }) => [
      limit.rate,
      limit.capacity,
      givenBack,
      wanted,
    ]),
  )) as number[];
  return takes.map((_, index) => ({
    granted: reply[2 * index] ?? 0,
    microTokensLeft: reply[2 * index + 1] ?? 0,
  }));
}

/** The places in `takes` that one call may carry: together on one Redis, per slot on a cluster. */
function* callsOf(isCluster: boolean, takes: readonly BucketTake[]): Generator<number[]> {
  const groups = new Map<string, number[]>();
  takes.forEach(({ key }, place) => {
    const slot = isCluster ? key.slice(0, key.indexOf('}')) : '';
    const group = groups.get(slot);
    if (group === undefined) groups.set(slot, [place]);
    else group.push(place);
  });
  for (const group of groups.values()) {
    for (let start = 0; start < group.length; start += bucketsPerCallMax) {
      yield group.slice(start, start + bucketsPerCallMax);
    }
  }
}

/** FNV-1a: any even spread does, as long as every instance computes the same. */
function laneOf(subject: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < subject.length; index += 1) {
    hash = Math.imul(hash ^ subject.charCodeAt(index), 0x01000193);
  }
  return (hash >>> 0) % lanes;
}
