// The leaderboards in Redis: one ZSet per product and kind, members are user ids, and one of the
// products. An update is a join (ZADD LT/GT on running totals): events may come twice and in any
// order, and the boards come out the same. What belongs to one board lies in one slot, so a cluster
// will do.

import { boardMembersMax, settledSaleKeptSeconds } from '#lib/constants.ts';
import { type BoardKind, boardKey, boardKinds, productsBoardKey } from '#lib/names.ts';
import type { OrderEvent } from '#lib/order-event.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import { loadScript } from '#lib/redis/script.ts';
import {
  currentUpdate,
  lowerToNow,
  readStanding,
  type Standing,
  type Update,
  updateOf,
} from './cancelled.ts';
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

/** What came of bringing boards up to events. */
export interface Recorded {
  /** Boards on which somebody has another score now, and those that had all of it before. */
  readonly joined: number;
  readonly known: number;
  /** Events of an older generation than the one that is loaded. */
  readonly older: number;
  /** Buyers that the events were folded to. */
  readonly members: number;
}

/** Orders that one call may bring: Lua unpacks two values for each member at once. */
export const recordedOrdersMax = 3_000;

/** Brings the boards up to an event; see `recordBatches`. */
export function recordBatch(redis: RedisClient, event: OrderEvent): Promise<Recorded> {
  return recordBatches(redis, [event]);
}

/**
 * Brings the boards of one product up to events, at most `recordedOrdersMax` orders, with one
 * command for each board. Throws where Redis is away; some boards may have them then, and the same
 * events again give them all. An event of an older generation than the one that is loaded is left
 * out: what was accepted of it is on the boards since `restoreBoards`, and the rest never was
 * accepted (decision 6). Once an order of the sale was cancelled, an event's totals may say too
 * much, and what the sale itself says now counts instead.
 */
export async function recordBatches(
  redis: RedisClient,
  events: readonly OrderEvent[],
  membersMax = boardMembersMax,
): Promise<Recorded> {
  const productId = events[0]?.productId ?? '';
  const before = await readStanding(redis, productId);
  const current = events.filter(({ generation }) => generation >= before.generation);
  const generations = new Set(current.map(({ generation }) => generation));
  const recorded = await Promise.all(
    [...generations].map(async (generation) => {
      const live = current.filter((event) => event.generation === generation);
      return recordLive(redis, { productId, generation, events: live }, before, membersMax);
    }),
  );
  return sumOf([{ ...nothing, older: events.length - current.length }, ...recorded]);
}

const nothing: Recorded = { joined: 0, known: 0, older: 0, members: 0 };

function sumOf(all: readonly Recorded[]): Recorded {
  return all.reduce((sum, one) => ({
    joined: sum.joined + one.joined,
    known: sum.known + one.known,
    older: sum.older + one.older,
    members: sum.members + one.members,
  }));
}

interface Live {
  readonly productId: string;
  readonly generation: number;
  readonly events: readonly OrderEvent[];
}

async function recordLive(
  redis: RedisClient,
  live: Live,
  before: Standing,
  membersMax: number,
): Promise<Recorded> {
  const { productId, generation, events } = live;
  const { orders, sold } =
    before.cancels === 0 ? updateOf(events) : await currentUpdate(redis, productId, events);
  const scores = boardKinds.map((kind) => [kind, foldScores(orders, boards[kind])] as const);
  const joining = { ...live, keptSeconds: before.isOver ? settledSaleKeptSeconds : 0, membersMax };
  const hot = { ...joining, keptSeconds: 0, membersMax: productsMax };
  // Sent at once, answered together.
  const replies = await Promise.all([
    ...scores.map(([kind, best]) =>
      join(redis, boardKey(productId, kind), boards[kind], joining, [...best]),
    ),
    sold > 0 ? join(redis, productsBoardKey, { better: 'GT' }, hot, [[productId, sold]]) : 'known',
  ]);
  if (replies.includes('mixed')) {
    // A restoration came in between. What a board has got of them already changes nothing there.
    const each = events.map((event) =>
      recordLive(redis, { ...live, events: [event] }, before, membersMax),
    );
    return sumOf(await Promise.all(each));
  }
  const after = await readStanding(redis, productId);
  const isLess = after.cancels > before.cancels && after.generation === generation;
  if (isLess) await lowerToNow(redis, productId, events);
  const joined = replies.filter((reply) => reply === 'joined').length;
  const members = scores[0]?.[1].size ?? 0;
  return { joined, known: replies.length - joined, older: 0, members };
}

/** The best score of each user in the events: one pair for each user. */
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

interface Joining extends Live {
  readonly keptSeconds: number;
  readonly membersMax: number;
}

/** Raises the members to these scores, and keeps the best, unless the board has them already. */
async function join(
  redis: RedisClient,
  key: string,
  { better }: Pick<Board, 'better'>,
  { productId, generation, events, keptSeconds, membersMax }: Joining,
  scores: readonly (readonly [member: string, score: number])[],
): Promise<'joined' | 'known' | 'mixed'> {
  if (scores.length === 0) return 'known';
  const times = events.map(({ acceptedAt }) => acceptedAt);
  const pairs = scores.flatMap(([member, score]) => [score, member]);
  const reply = await joinScript.run(
    redis,
    [key, marksKey(key)],
    [
      ...[productId, generation, Math.min(...times), Math.max(...times)],
      ...[better, membersMax, keptSeconds, ...pairs],
    ],
  );
  if (reply === 'mixed') return reply;
  return reply === 'known' || reply === 0 ? 'known' : 'joined';
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
