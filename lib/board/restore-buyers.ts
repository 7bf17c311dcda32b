// The boards after a cancellation. Elsewhere a board's scores only ever improve; here, under the
// product's lock, single buyers are set to less, and those who have nothing any more are gone.
//
// A board keeps `boardMembersMax` buyers: one that was full stays short by as many places as were
// given up, until the sale's next rebuild. Nobody is shown so far down.

import { boardKey, boardKinds, productsBoardKey } from '#lib/names.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import type { BuyerNow } from '#lib/sale/change.ts';
import { boards } from './score.ts';

/**
 * Sets these buyers' scores to what they have now, and the product's to the units sold. May be
 * repeated. Throws where Redis is away; some boards may be right then.
 */
export async function restoreBuyers(
  redis: RedisClient,
  productId: string,
  buyers: readonly BuyerNow[],
  sold: number,
): Promise<void> {
  await Promise.all([
    ...buyers.flatMap(({ userId, totals }) =>
      boardKinds.map((kind) => {
        const key = boardKey(productId, kind);
        if (!totals) return redis.zrem(key, userId);
        // XX: whoever was cut off the end of a board is no better than before.
        return redis.zadd(key, 'XX', boards[kind].scoreOf(totals), userId);
      }),
    ),
    sold > 0
      ? redis.zadd(productsBoardKey, sold, productId)
      : redis.zrem(productsBoardKey, productId),
  ]);
}
