// The leaderboards in Redis: one ZSet per product and kind, members are user ids, and one of the
// products. An update is a join (ZADD LT/GT on running totals): events may come twice and in any
// order, and the boards come out the same. What belongs to one board lies in one slot, so a cluster
// will do.

import { boardMembersMax } from '#lib/constants.ts';
import { type BoardKind, boardKey, boardKinds, productsBoardKey } from '#lib/names.ts';
import type { OrderEvent } from '#lib/order-event.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import { loadScript } from '#lib/redis/script.ts';
import { currentUpdate, lowerToNow, readStanding, type Update, updateOf } from './cancelled.ts';
import { marksKey } from './restore.ts';
import { type Board, boards } from './score.ts';

export interface BoardEntry {
  readonly member: string;
  readonly score: number;
}

export interface Place extends BoardEntry {
  /** 1 is the first. */
  readonly place: number;
}

const joinScript = loadScript(import.meta.dirname, 'join-2.lua');

/** Hot products are never cut off: a product's score is set anew where it falls. */
const productsMax = 1_000_000_000;

/**
 * Brings the boards up to an event. Throws where Redis is away; some boards may have it then,
 * and the same event again gives them all. An event of an older generation than the one that is
 * loaded is left out: what was accepted of it is on the boards since `restoreBoards`, and the
 * rest never was accepted (decision 6). Once an order of the sale was cancelled, an event's totals
 * may say too much, and what the sale itself says now counts instead.
 */
export async function recordBatch(redis: RedisClient, event: OrderEvent): Promise<void> {
  const before = await readStanding(redis, event.productId);
  if (event.generation < before.generation) return;
  const { orders, sold } =
    before.cancels === 0 ? updateOf(event) : await currentUpdate(redis, event);
  // Sent at once, answered together.
  await Promise.all([
    ...boardKinds.map((kind) =>
      join(redis, boardKey(event.productId, kind), boards[kind], event, [
        ...foldScores(orders, boards[kind]),
      ]),
    ),
    sold > 0
      ? join(redis, productsBoardKey, { better: 'GT' }, event, [[event.productId, sold]])
      : undefined,
  ]);
  const after = await readStanding(redis, event.productId);
  const isLess = after.cancels > before.cancels && after.generation === event.generation;
  if (isLess) await lowerToNow(redis, event);
}

/** The best score of each user in the event: one ZADD for each board, one pair for each user. */
function foldScores(
  orders: Update['orders'],
  { scoreOf, better }: Board,
): ReadonlyMap<string, number> {
  const best = new Map<string, number>();
  for (const order of orders) {
    const score = scoreOf(order);
    const known = best.get(order.userId);
    if (known === undefined || (better === 'LT' ? score < known : score > known)) {
      best.set(order.userId, score);
    }
  }
  return best;
}

/** Raises the members to these scores, and keeps the best, unless the board has them already. */
async function join(
  redis: RedisClient,
  key: string,
  { better }: Pick<Board, 'better'>,
  { productId, generation, acceptedAt }: OrderEvent,
  scores: readonly (readonly [member: string, score: number])[],
): Promise<void> {
  if (scores.length === 0) return;
  const pairs = scores.flatMap(([member, score]) => [score, member]);
  const keep = key === productsBoardKey ? productsMax : boardMembersMax;
  await joinScript.run(
    redis,
    [key, marksKey(key)],
    [productId, generation, acceptedAt, better, keep, ...pairs],
  );
}

/** The first `limit` of a product's board; members are user ids, not to be shown. */
export async function topOf(
  redis: RedisClient,
  productId: string,
  kind: BoardKind,
  limit: number,
): Promise<Place[]> {
  return readTop(redis, boardKey(productId, kind), boards[kind], limit);
}

/** The products that sold most units; members are product ids. */
export async function topProducts(redis: RedisClient, limit: number): Promise<Place[]> {
  return readTop(redis, productsBoardKey, { better: 'GT' }, limit);
}

async function readTop(
  redis: RedisClient,
  key: string,
  { better }: Pick<Board, 'better'>,
  limit: number,
): Promise<Place[]> {
  if (limit < 1) return [];
  const last = String(limit - 1);
  const flat =
    better === 'LT'
      ? await redis.zrange(key, 0, last, 'WITHSCORES')
      : await redis.zrange(key, 0, last, 'REV', 'WITHSCORES');
  const places: Place[] = [];
  for (let at = 0; at + 1 < flat.length; at += 2) {
    places.push({ place: at / 2 + 1, member: flat[at] ?? '', score: Number(flat[at + 1]) });
  }
  return places;
}

/** Where a user stands, or undefined where they are not on the board. */
export async function placeOf(
  redis: RedisClient,
  productId: string,
  kind: BoardKind,
  userId: string,
): Promise<Place | undefined> {
  const key = boardKey(productId, kind);
  const [rank, score] = await Promise.all([
    boards[kind].better === 'LT' ? redis.zrank(key, userId) : redis.zrevrank(key, userId),
    redis.zscore(key, userId),
  ]);
  if (rank === null || score === null) return undefined;
  return { place: rank + 1, member: userId, score: Number(score) };
}
