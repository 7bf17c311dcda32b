// The boards and cancellations. Elsewhere a score only ever improves, so that events may come twice
// and in any order. A cancellation takes something back: under the product's lock it sets the
// order's buyer to less, and from then on the totals of events that come late say too much. So
// where an order of the loaded sale was cancelled, the sale's own totals count instead of an
// event's: they are at least as new as the event, whose script wrote them with it.
//
// A board keeps `boardMembersMax` buyers: one that was full stays short by as many places as were
// given up, until the sale's next rebuild. Nobody is shown so far down.

import { boardKey, boardKinds, productsBoardKey, saleKeys } from '#lib/names.ts';
import type { OrderEvent } from '#lib/order-event.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import type { BuyerNow } from '#lib/sale/change.ts';
import { boards, type Totals } from './score.ts';

/** What a board is brought up to: buyers with their totals, and the sale's units sold. */
export interface Update {
  readonly orders: readonly (Totals & { readonly userId: string })[];
  readonly sold: number;
}

/** The sale as it is loaded; zeros where it is not. */
export interface Standing {
  readonly generation: number;
  /** Orders cancelled since it was loaded; none while it is being rebuilt. */
  readonly cancels: number;
  /** It was ended by its operator, or Redis has forgotten it: its boards may go, too. */
  readonly isOver: boolean;
}

export async function readStanding(redis: RedisClient, productId: string): Promise<Standing> {
  const key = saleKeys(productId).sale;
  const [generation, cancels, state] = await redis.hmget(key, 'generation', 'cancels', 'state');
  const isKnown = cancels !== null && state !== 'loading';
  return {
    generation: Number(generation ?? 0),
    cancels: isKnown ? Number(cancels) : 0,
    isOver: (state ?? 'closed') === 'closed',
  };
}

/** What the events themselves say. */
export function updateOf(events: readonly OrderEvent[]): Update {
  const orders = events.flatMap((event) => event.orders);
  return { orders, sold: Math.max(...orders.map((order) => order.sold)) };
}

/** What the sale says now about the events' buyers; who has nothing any more is left out. */
export async function currentUpdate(
  redis: RedisClient,
  productId: string,
  events: readonly OrderEvent[],
): Promise<Update> {
  const { buyers, sold } = await readNow(redis, productId, events);
  return {
    orders: buyers.flatMap(({ userId, totals }) => (totals ? [{ userId, ...totals }] : [])),
    sold,
  };
}

/** Sets the events' buyers to what they have, after a cancellation came in between. */
export async function lowerToNow(
  redis: RedisClient,
  productId: string,
  events: readonly OrderEvent[],
): Promise<void> {
  let now = await readNow(redis, productId, events);
  for (;;) {
    await restoreBuyers(redis, productId, now.buyers, now.sold);
    // Whoever bought more meanwhile must not be set back.
    const again = await readNow(redis, productId, events);
    if (JSON.stringify(again) === JSON.stringify(now)) return;
    now = again;
  }
}

async function readNow(redis: RedisClient, productId: string, events: readonly OrderEvent[]) {
  const keys = saleKeys(productId);
  const userIds = [...new Set(events.flatMap(({ orders }) => orders.map(({ userId }) => userId)))];
  const [records, sold] = await Promise.all([
    redis.hmget(keys.buyers, ...userIds),
    redis.hget(keys.sale, 'sold'),
  ]);
  const buyers = userIds.map((userId, at): BuyerNow => {
    const [userFirstAt, userQuantity] = (records[at] ?? '').split('|').map(Number);
    const isThere = userFirstAt !== undefined && userQuantity !== undefined;
    return { userId, totals: isThere ? { userFirstAt, userQuantity } : undefined };
  });
  return { buyers, sold: Number(sold ?? 0) };
}

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
