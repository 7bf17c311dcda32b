// The limits as they were at most a second ago. They are read again while requests come, never
// by a clock of its own: an idle edge is quiet.

import { defaultLimits, type Limits, readLimits } from '#lib/buckets/limits.ts';
import type { RedisClient } from '#lib/redis/connect.ts';

const freshMs = 500;
const oldestMs = 1_000;

/**
 * Limits of at most `oldestMs` ago; from half of that they are read again in the background.
 * Where Redis does not answer, those last known stay (the buckets then refuse anyhow).
 */
export function createLimitsNow(
  redis: RedisClient,
  now: () => number = () => performance.now(),
): () => Promise<Limits> {
  let known = defaultLimits;
  let readAt = Number.NEGATIVE_INFINITY;
  let reading: Promise<void> | undefined;

  const read = async () => {
    const startedAt = now();
    try {
      known = await readLimits(redis);
      readAt = startedAt;
    } catch {
      // The buckets live in the same Redis: they will say that it is away.
    } finally {
      reading = undefined;
    }
  };

  return async () => {
    const ageMs = now() - readAt;
    if (ageMs > freshMs) reading ??= read();
    if (ageMs > oldestMs) await reading;
    return known;
  };
}
