// Token buckets in Redis, shared by all instances: many buckets and many requests in one call.
// Exact: never above capacity + rate × time, by Redis' own clock; and a request that one of its
// buckets refuses takes nothing from the others.

import { randomUUID } from 'node:crypto';
import type { RedisClient } from '#lib/redis/connect.ts';
import { loadScript } from '#lib/redis/script.ts';

/** What a bucket refills and holds. Both are whole numbers above zero. */
export interface Limit {
  /** Tokens a second. */
  readonly rate: number;
  /** Tokens. */
  readonly capacity: number;
}

export interface Bucket {
  /** From `bucketKey`. */
  readonly key: string;
  readonly limit: Limit;
}

export interface Refused<B extends Bucket> {
  readonly outcome: 'refused';
  /** The first of the request's buckets that had no token. */
  readonly bucket: B;
  /** In that bucket, below one token. */
  readonly microTokensLeft: number;
}

export type Taken<B extends Bucket> =
  | { readonly outcome: 'granted' }
  | Refused<B>
  /** Redis did not answer: nobody knows whether the tokens were taken. */
  | { readonly outcome: 'unknown' };

const script = loadScript(import.meta.dirname, 'take-n.lua');

/** One Lua call holds Redis up for about a millisecond at this many buckets or requests. */
const bucketsPerCallMax = 256;
const requestsPerCallMax = 256;
/** Buckets of one tier share this many slots of a Redis Cluster, so that a call carries many. */
const lanes = 16;
const microTokens = 1_000_000;

/** A client among all who give back, and how many such calls it has sent, in this order. */
interface Giver {
  readonly id: string;
  calls: number;
}
const givers = new WeakMap<RedisClient, Giver>();

function giverOf(redis: RedisClient): Giver {
  const giver = givers.get(redis) ?? { id: randomUUID(), calls: 0 };
  givers.set(redis, giver);
  return giver;
}

/** Where it notes its last give-back, in the slot of a bucket; no subject's bucket is named so. */
function giverKey({ id }: Giver, key: string): string {
  return `${key.slice(0, key.indexOf('}') + 1)}#${id}`;
}

/** The bucket of one subject (a user, a product …) in a tier. */
export function bucketKey(tier: string, subject: string): string {
  return `seckill:bucket:{${tier}:${laneOf(subject)}}:${subject}`;
}

/**
 * Takes one token of each of a request's buckets, or none of any; first come, first served. All
 * requests have equally many buckets, each once, in the order of the tiers; on a Redis Cluster
 * only one, as tiers lie in different slots. A call carries up to some hundred requests (on a
 * cluster: those of one slot). The answers are in the order of the requests.
 */
export async function takeTokens<B extends Bucket>(
  redis: RedisClient,
  requests: readonly (readonly B[])[],
): Promise<Taken<B>[]> {
  const calls = createCalls(redis.isCluster);
  requests.forEach((buckets, request) => {
    const call = calls.withRoomFor(buckets);
    call.requests.push(request);
    for (const bucket of buckets) call.asked.push(numberIn(call, bucket));
  });
  const taken = requests.map((): Taken<B> => ({ outcome: 'unknown' }));
  await runAll(redis, calls.all, (call, reply) => {
    call.requests.forEach((request, index) => {
      taken[request] = takenOf(requests[request] ?? [], call, reply, index);
    });
  });
  return taken;
}

/**
 * Gives one token back to each of the buckets, to one that occurs twice two, up to its capacity.
 * Where Redis does not answer they are lost, which only makes a limit stricter for a moment.
 */
export async function giveBackTokens(
  redis: RedisClient,
  buckets: readonly Bucket[],
): Promise<void> {
  const calls = createCalls(redis.isCluster);
  for (const bucket of buckets) {
    const call = calls.withRoomFor([bucket]);
    const index = numberIn(call, bucket) - 1;
    call.givenBack[index] = (call.givenBack[index] ?? 0) + 1;
  }
  const giver = giverOf(redis);
  for (const call of calls.all) {
    giver.calls += 1;
    call.giveBack = giver.calls;
  }
  await runAll(redis, calls.all, () => undefined);
}

/**
 * Whole seconds, at least one, until the bucket has refilled enough for the `nth` of those that
 * were refused together (from 1).
 */
export function retryAfterSecondsOf(limit: Limit, microTokensLeft: number, nth: number): number {
  const missing = nth * microTokens - microTokensLeft;
  return Math.max(1, Math.ceil(missing / limit.rate / microTokens));
}

/** What one run of the script carries. Buckets are numbered from 1, as Lua does. */
interface Call {
  /** Its number among all of its client that give back, from 1; 0 where it gives nothing. */
  giveBack: number;
  readonly buckets: Bucket[];
  readonly numbers: Map<string, number>;
  /** Tokens, for each bucket that gets any. */
  readonly givenBack: number[];
  /** The places of its requests among all. */
  readonly requests: number[];
  /** The numbers of their buckets, one request after the other. */
  readonly asked: number[];
}

interface Calls {
  readonly all: readonly Call[];
  /** The call that a request of these buckets goes into: the last of their slot, or a new one. */
  withRoomFor(buckets: readonly Bucket[]): Call;
}

function createCalls(isCluster: boolean): Calls {
  const all: Call[] = [];
  const lastOfSlot = new Map<string, Call>();
  return {
    all,
    withRoomFor(buckets) {
      const key = buckets[0]?.key ?? '';
      const slot = isCluster ? key.slice(0, key.indexOf('}')) : '';
      const last = lastOfSlot.get(slot);
      const hasRoom =
        last !== undefined &&
        last.requests.length < requestsPerCallMax &&
        last.buckets.length + buckets.length <= bucketsPerCallMax;
      if (hasRoom) return last;
      const call: Call = {
        giveBack: 0,
        buckets: [],
        numbers: new Map(),
        givenBack: [],
        requests: [],
        asked: [],
      };
      lastOfSlot.set(slot, call);
      all.push(call);
      return call;
    },
  };
}

function numberIn(call: Call, bucket: Bucket): number {
  const known = call.numbers.get(bucket.key);
  if (known !== undefined) return known;
  const number = call.buckets.push(bucket);
  call.numbers.set(bucket.key, number);
  return number;
}

/** All at once: those of one slot reach Redis over one connection, in their order. */
async function runAll(
  redis: RedisClient,
  calls: readonly Call[],
  answered: (call: Call, reply: readonly number[]) => void,
): Promise<void> {
  await Promise.all(
    calls.map(async (call) => {
      const { giveBack, buckets, givenBack, requests, asked } = call;
      const args = [requests.length, giveBack];
      buckets.forEach(({ limit }, index) => {
        args.push(limit.rate, limit.capacity, givenBack[index] ?? 0);
      });
      for (const number of asked) args.push(number);
      const keys = buckets.map(({ key }) => key);
      if (giveBack > 0) keys.push(giverKey(giverOf(redis), keys[0] ?? ''));
      const reply = await script.run(redis, keys, args).catch(() => undefined);
      if (reply !== undefined) answered(call, reply as number[]);
    }),
  );
}

/** What the reply to a call says about the request with these buckets, the call's `index`-th. */
function takenOf<B extends Bucket>(
  buckets: readonly B[],
  call: Call,
  reply: readonly number[],
  index: number,
): Taken<B> {
  const refusing = reply[index];
  if (refusing === 0) return { outcome: 'granted' };
  const bucket = buckets[Number(refusing) - 1];
  if (bucket === undefined) return { outcome: 'unknown' };
  const microTokensLeft = reply[call.requests.length + numberIn(call, bucket) - 1] ?? 0;
  return { outcome: 'refused', bucket, microTokensLeft };
}

/** FNV-1a: any even spread does, as long as every instance computes the same. */
function laneOf(subject: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < subject.length; index += 1) {
    hash = Math.imul(hash ^ subject.charCodeAt(index), 0x01000193);
  }
  return (hash >>> 0) % lanes;
}
