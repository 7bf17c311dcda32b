// Who may pass on to `purchase`: token buckets per user, address, product and for all together.
// Requests of one event-loop turn share one call per tier; what a later tier refuses is given
// back to the earlier ones.

import type { Limits, Tier } from '#lib/buckets/limits.ts';
import {
  type BucketTake,
  type BucketTaken,
  bucketKey,
  type Limit,
  retryAfterSecondsOf,
  takeTokens,
} from '#lib/buckets/take.ts';
import type { RedisClient } from '#lib/redis/connect.ts';

export interface AdmissionRequest {
  readonly userId: string;
  readonly productId: string;
  /** Asked for only while the tier `ip` is on. */
  address(): string;
}

export type Admitted =
  | { readonly outcome: 'admitted' }
  | {
      readonly outcome: 'rate_limited';
      readonly tier: Tier;
      /** Whole seconds, at least 1. */
      readonly retryAfterSeconds: number;
    }
  /** Redis did not answer: nobody is waved through. */
  | { readonly outcome: 'unavailable' };

/** Takes one token of every tier, or none. */
export type Admit = (request: AdmissionRequest) => Promise<Admitted>;

interface Waiting {
  readonly request: AdmissionRequest;
  readonly answer: (admitted: Admitted) => void;
}

interface TierBucket {
  readonly tier: Tier;
  readonly limit: Limit;
  readonly key: string;
}

interface DependsOn {
  readonly redis: RedisClient;
  /** The limits now; see `limits-now.ts`. */
  readonly limitsNow: () => Promise<Limits>;
}

export function createAdmit({ redis, limitsNow }: DependsOn): Admit {
  let turn: Waiting[] = [];
  const endTurn = () => {
    const group = turn;
    turn = [];
    limitsNow()
      .then((limits) => admitGroup(redis, limits, group))
      .catch(() => {
        for (const { answer } of group) answer({ outcome: 'unavailable' });
      });
  };
  return (request) =>
    new Promise((answer) => {
      if (turn.length === 0) setImmediate(endTurn);
      turn.push({ request, answer });
    });
}

async function admitGroup(redis: RedisClient, limits: Limits, group: Waiting[]): Promise<void> {
  const steps = stepsOf(limits);
  const givingBack: Promise<void>[] = [];
  let passing = group;
  for (const [step, bucketOf] of steps.entries()) {
    const { passed, stopped } = await passTier(redis, passing, bucketOf);
    passing = passed;
    if (stopped.length > 0) givingBack.push(giveBack(redis, stopped, steps.slice(0, step)));
    if (passing.length === 0) break;
  }
  for (const { answer } of passing) answer({ outcome: 'admitted' });
  await Promise.all(givingBack);
}

type BucketOf = (request: AdmissionRequest) => TierBucket;

function stepsOf(limits: Limits): BucketOf[] {
  const bucketIn =
    (tier: Tier, limitOf: (subject: string) => Limit, subjectOf: (r: AdmissionRequest) => string) =>
    (request: AdmissionRequest) => {
      const subject = subjectOf(request);
      return { tier, limit: limitOf(subject), key: bucketKey(tier, subject) };
    };
  const { ip } = limits;
  return [
    bucketIn(
      'user',
      () => limits.user,
      ({ userId }) => userId,
    ),
    ...(ip === null
      ? []
      : [
          bucketIn(
            'ip',
            () => ip,
            (request) => request.address(),
          ),
        ]),
    bucketIn(
      'product',
      (productId) => limits.products.get(productId) ?? limits.product,
      ({ productId }) => productId,
    ),
    bucketIn(
      'global',
      () => limits.global,
      () => '',
    ),
  ];
}

/** One tier for all that got so far; first come, first served. Answers those it stops. */
async function passTier(
  redis: RedisClient,
  group: readonly Waiting[],
  bucketOf: BucketOf,
): Promise<{ passed: Waiting[]; stopped: Waiting[] }> {
  const byBucket = groupByBucket(group, bucketOf);
  const takes = byBucket.map(({ bucket, members }) => takeOf(bucket, { wanted: members.length }));
  const taken = await takeTokens(redis, takes);
  const passed: Waiting[] = [];
  const stopped: Waiting[] = [];
  byBucket.forEach(({ bucket, members }, index) => {
    const answered = taken[index];
    const granted = answered?.granted ?? 0;
    passed.push(...members.slice(0, granted));
    members.slice(granted).forEach((member, place) => {
      stopped.push(member);
      member.answer(refusal(bucket, answered, place + 1));
    });
  });
  return { passed, stopped };
}

function refusal(bucket: TierBucket, taken: BucketTaken | undefined, nth: number): Admitted {
  if (taken === undefined) return { outcome: 'unavailable' };
  return {
    outcome: 'rate_limited',
    tier: bucket.tier,
    retryAfterSeconds: retryAfterSecondsOf(bucket.limit, taken, nth),
  };
}

/** A token that cannot be given back is lost, which only makes the tier stricter for a moment. */
async function giveBack(
  redis: RedisClient,
  stopped: readonly Waiting[],
  earlier: readonly BucketOf[],
): Promise<void> {
  await Promise.all(
    earlier.map(async (bucketOf) => {
      const takes = groupByBucket(stopped, bucketOf).map(({ bucket, members }) =>
        takeOf(bucket, { givenBack: members.length }),
      );
      await takeTokens(redis, takes);
    }),
  );
}

function takeOf(
  { key, limit }: TierBucket,
  { wanted = 0, givenBack = 0 }: { wanted?: number; givenBack?: number },
): BucketTake {
  return { key, limit, wanted, givenBack };
}

function groupByBucket(
  group: readonly Waiting[],
  bucketOf: BucketOf,
): { bucket: TierBucket; members: Waiting[] }[] {
  const byKey = new Map<string, { bucket: TierBucket; members: Waiting[] }>();
  for (const waiting of group) {
    const bucket = bucketOf(waiting.request);
    const known = byKey.get(bucket.key);
    if (known === undefined) byKey.set(bucket.key, { bucket, members: [waiting] });
    else known.members.push(waiting);
  }
  return [...byKey.values()];
}
