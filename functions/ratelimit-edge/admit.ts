// Who may pass on to `purchase`: token buckets per user, address, product and for all together.
// Requests of one event-loop turn are decided together: on one Redis by one call for all tiers,
// on a Redis Cluster, whose scripts cannot reach two tiers, tier by tier; what a later tier
// refuses is then given back to the earlier ones.

import type { Limits, Tier } from '#lib/buckets/limits.ts';
import {
  type Bucket,
  bucketKey,
  giveBackTokens,
  type Limit,
  type Refused,
  retryAfterSecondsOf,
  takeTokens,
} from '#lib/buckets/take.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import type { Limited } from './limited.ts';

export interface AdmissionRequest {
  readonly userId: string;
  readonly productId: string;
  /** Asked for only while the tier `ip` is on. */
  address(): string;
}

export type Admitted =
  | { readonly outcome: 'admitted' }
  | ({ readonly outcome: 'rate_limited' } & Limited)
  /** Redis did not answer: nobody is waved through. */
  | { readonly outcome: 'unavailable' };

/** Takes one token of every tier, or none. */
export type Admit = (request: AdmissionRequest) => Promise<Admitted>;

/**
 * Of a crowd that comes at once, the first are decided, and sold to, while the others are read.
 * With fewer at a time Redis and `purchase` would have more calls than that wins.
 */
const groupMax = 64;

interface Waiting {
  readonly request: AdmissionRequest;
  readonly answer: (admitted: Admitted) => void;
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
    if (group.length === 0) return;
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
      if (turn.length === groupMax) endTurn();
    });
}

async function admitGroup(redis: RedisClient, limits: Limits, group: Waiting[]): Promise<void> {
  const tiers = tiersOf(limits);
  const steps = redis.isCluster ? tiers.map((tier) => [tier]) : [tiers];
  const givingBack: Promise<void>[] = [];
  let passing: readonly Waiting[] = group;
  for (const [index, step] of steps.entries()) {
    const { passed, stopped } = await takeStep(redis, passing, step);
    const earlier = steps.slice(0, index).flat();
    const unused = stopped.flatMap((waiting) => bucketsOf(waiting, earlier));
    givingBack.push(giveBackTokens(redis, unused));
    passing = passed;
    if (passing.length === 0) break;
  }
  for (const { answer } of passing) answer({ outcome: 'admitted' });
  await Promise.all(givingBack);
}

interface TierBucket extends Bucket {
  readonly tier: Tier;
}
type BucketOf = (request: AdmissionRequest) => TierBucket;

/** The tiers that are on, in the order in which a request passes them. */
function tiersOf(limits: Limits): BucketOf[] {
  const { user, ip, product, products, global } = limits;
  const ofUser = bucketIn(
    'user',
    ({ userId }) => userId,
    () => user,
  );
  const ofProduct = bucketIn(
    'product',
    ({ productId }) => productId,
    (productId) => products.get(productId) ?? product,
  );
  const ofAll = bucketIn(
    'global',
    () => '',
    () => global,
  );
  if (ip === null) return [ofUser, ofProduct, ofAll];
  const ofAddress = bucketIn(
    'ip',
    (request) => request.address(),
    () => ip,
  );
  return [ofUser, ofAddress, ofProduct, ofAll];
}

/** Requests of one subject get one and the same bucket. */
function bucketIn(
  tier: Tier,
  subjectOf: (request: AdmissionRequest) => string,
  limitOf: (subject: string) => Limit,
): BucketOf {
  const buckets = new Map<string, TierBucket>();
  return (request) => {
    const subject = subjectOf(request);
    const known = buckets.get(subject);
    if (known !== undefined) return known;
    const bucket = { tier, limit: limitOf(subject), key: bucketKey(tier, subject) };
    buckets.set(subject, bucket);
    return bucket;
  };
}

const bucketsOf = ({ request }: Waiting, tiers: readonly BucketOf[]) =>
  tiers.map((bucketOf) => bucketOf(request));

/** Takes the tokens of these tiers for all that got so far. Answers those whom it stops. */
async function takeStep(
  redis: RedisClient,
  group: readonly Waiting[],
  tiers: readonly BucketOf[],
): Promise<{ passed: Waiting[]; stopped: Waiting[] }> {
  const taken = await takeTokens(
    redis,
    group.map((waiting) => bucketsOf(waiting, tiers)),
  );
  const passed: Waiting[] = [];
  const stopped: Waiting[] = [];
  const refusals = new Map<TierBucket, number>();
  group.forEach((waiting, index) => {
    const { answer } = waiting;
    const one = taken[index];
    if (one?.outcome === 'granted') {
      passed.push(waiting);
      return;
    }
    stopped.push(waiting);
    answer(one?.outcome === 'refused' ? refusal(one, refusals) : { outcome: 'unavailable' });
  });
  return { passed, stopped };
}

/** Whoever one bucket refuses together is told to come when it has refilled for each of them. */
function refusal(
  { bucket, microTokensLeft }: Refused<TierBucket>,
  refusals: Map<TierBucket, number>,
): Admitted {
  const nth = (refusals.get(bucket) ?? 0) + 1;
  refusals.set(bucket, nth);
  return {
    outcome: 'rate_limited',
    tier: bucket.tier,
    limit: bucket.limit,
    retryAfterSeconds: retryAfterSecondsOf(bucket.limit, microTokensLeft, nth),
  };
}
