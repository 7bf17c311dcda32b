// 429: too many requests. Says which tier has refused, when it is worth to come again, and the
// policy behind it (RateLimit header fields, draft-ietf-httpapi-ratelimit-headers-11). A crowd is
// refused in the same few words, so they are made once for each limit and wait.
//
// Only refusals carry these fields. What is left in a bucket that a crowd shares says nothing to
// an accepted buyer, and most answers of a sale would become longer by it.

import { type Tier, tiers } from '#lib/buckets/limits.ts';
import type { Limit } from '#lib/buckets/take.ts';
import { problemParts } from '#lib/http/problem.ts';

export interface Limited {
  readonly tier: Tier;
  /** Of the bucket that had no token. */
  readonly limit: Limit;
  /** Whole seconds, at least 1. */
  readonly retryAfterSeconds: number;
}

type Parts = ReturnType<typeof problemParts>;

/** By the limits in force: those that no longer are take their texts with them. */
const known = Object.fromEntries(
  tiers.map((tier) => [tier, new WeakMap<Limit, Map<number, Parts>>()]),
) as Record<Tier, WeakMap<Limit, Map<number, Parts>>>;
/** Whoever has to wait longer is one of few. */
const knownSecondsMax = 60;

export function respondLimited({ tier, limit, retryAfterSeconds }: Limited): Response {
  let bySeconds = known[tier].get(limit);
  if (bySeconds === undefined) {
    bySeconds = new Map();
    known[tier].set(limit, bySeconds);
  }
  let parts = bySeconds.get(retryAfterSeconds);
  if (parts === undefined) {
    parts = partsOf({ tier, limit, retryAfterSeconds });
    if (retryAfterSeconds <= knownSecondsMax) bySeconds.set(retryAfterSeconds, parts);
  }
  const { body, status, headers } = parts;
  return new Response(body, { status, headers });
}

const texts = {
  user: 'from you',
  ip: 'from your address',
  product: 'for this product',
  global: 'for the whole shop',
} as const;

function partsOf({ tier, limit, retryAfterSeconds }: Limited): Parts {
  return problemParts('rate_limited', {
    detail: `too many requests (${texts[tier]}); try again in ${retryAfterSeconds} s`,
    members: { tier, 'violated-policies': [tier] },
    headers: {
      'x-content-type-options': 'nosniff',
      'retry-after': String(retryAfterSeconds),
      'ratelimit-policy': policyOf(tier, limit),
      // Nothing can be had until then: the time to come again is the window.
      ratelimit: `"${tier}";r=0;t=${retryAfterSeconds}`,
    },
  });
}

/**
 * A bucket as a quota and a window: as much as it holds, in the whole seconds in which it fills.
 * Whoever keeps to that, in any window of this length, is never refused by this bucket.
 */
function policyOf(tier: Tier, { rate, capacity }: Limit): string {
  return `"${tier}";q=${capacity};w=${Math.ceil(capacity / rate)}`;
}
