// update-rank under fuzz, with a Redis that nobody else writes to.

import { Redis } from 'ioredis';
import { dumpOf, playFuzz } from '#lib/testing/fuzz/scene.ts';

/** Fuzzes it on an empty Redis; see `playFuzz`. */
export async function fuzzUpdateRank(
  redisUrl: string,
  plan: { count: number; seed: number },
): Promise<string> {
  const redis = new Redis(redisUrl);
  try {
    return await playFuzz(
      {
        name: 'update-rank',
        env: { SECKILL_REDIS_URL: redisUrl },
        held: () => dumpOf(redis),
      },
      plan,
    );
  } finally {
    redis.disconnect();
  }
}
