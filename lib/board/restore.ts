// Boards made anew from what every buyer has. Each is made beside the old one, a chunk at a time,
// and then put in its place by one script, which refuses where something newer came meanwhile: who
// was frozen in here and wakes up late takes nothing away. Each board's marks, which say how new it
// is, lie in the board's own slot of a Redis Cluster.

import { randomUUID } from 'node:crypto';
import { boardMembersMax } from '#lib/constants.ts';
import { boardKey, boardKinds, productsBoardKey } from '#lib/names.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import { loadScript } from '#lib/redis/script.ts';
import { type Board, boards, type Totals } from './score.ts';

const restoreScript = loadScript(import.meta.dirname, 'restore-3.lua');
const setScoreScript = loadScript(import.meta.dirname, 'set-score-2.lua');

export interface BuyerTotals extends Totals {
  readonly userId: string;
}

/** The moment of a sale whose acceptances, all of them and no more, the totals are of. */
export interface SaleMoment {
  readonly generation: number;
  /** The sale's `last_at`: when it last accepted something; epoch microseconds. */
  readonly lastAtUs: number;
}

/** Members per command: quick enough for others to get in between. */
const membersPerChunk = 1_000;
/** What a restoration leaves behind that does not come to its end. */
const leftBehindMs = 60_000;

/** Where a board's marks are: a key in the same slot. */
export function marksKey(board: string): string {
  return `{${board}}:marks`;
}

/** What belongs to a product's boards, each key in its board's slot; all of it ends together. */
export function boardKeysOf(productId: string): string[] {
  const keys = boardKinds.map((kind) => boardKey(productId, kind));
  return [...keys, ...keys.map(marksKey)];
}

/**
 * Makes a product's boards from its buyers: who is not among them is gone. `sold` is what hot
 * products are sorted by. True once all show this; false where one of them is newer, which is then
 * left as it is. Throws where Redis is away; some boards may be restored then. May be repeated.
 * They are kept for ever, or for so many seconds where the sale is over.
 */
export async function restoreBoards(
  redis: RedisClient,
  productId: string,
  buyers: readonly BuyerTotals[],
  sold: number,
  { generation, lastAtUs }: SaleMoment,
  { keptSeconds = 0, membersMax = boardMembersMax } = {},
): Promise<boolean> {
  const moment = [productId, generation, lastAtUs];
  const replies: unknown[] = [];
  for (const kind of boardKinds) {
    const board = boardKey(productId, kind);
    const next = `{${board}}:next:${randomUUID()}`;
    const members = bestOf(buyers, boards[kind], membersMax);
    await make(redis, next, members);
    const keys = [board, marksKey(board), next];
    replies.push(await restoreScript.run(redis, keys, [...moment, members.length, keptSeconds]));
  }
  const keys = [productsBoardKey, marksKey(productsBoardKey)];
  replies.push(await setScoreScript.run(redis, keys, [...moment, sold]));
  return replies.every((reply) => reply === 'restored');
}

/** The newest generation of a product that its boards have heard of; 0 where none. */
export async function newestOnBoards(redis: RedisClient, productId: string): Promise<number> {
  const keys = [...boardKinds.map((kind) => boardKey(productId, kind)), productsBoardKey];
  const marks = await Promise.all(keys.map((key) => redis.hget(marksKey(key), productId)));
  const generations = marks.map((mark) => {
    const [restored = 0, , seen = 0] = (mark ?? '').split(' ').map(Number);
    return Math.max(restored, seen);
  });
  return Math.max(...generations);
}

type Member = readonly [score: number, userId: string];

function bestOf(
  buyers: readonly BuyerTotals[],
  { scoreOf, better }: Board,
  membersMax: number,
): Member[] {
  const members = buyers.map((buyer): Member => [scoreOf(buyer), buyer.userId]);
  if (members.length <= membersMax) return members;
  const sign = better === 'LT' ? 1 : -1;
  return members.sort((a, b) => sign * compareMembers(a, b)).slice(0, membersMax);
}

/** As Redis sorts: the same members are kept here as where events are joined. */
function compareMembers([a, one]: Member, [b, other]: Member): number {
  return a - b || Buffer.compare(Buffer.from(one), Buffer.from(other));
}

async function make(redis: RedisClient, key: string, members: readonly Member[]): Promise<void> {
  for (let at = 0; at < members.length; at += membersPerChunk) {
    await redis.zadd(key, ...members.slice(at, at + membersPerChunk).flat());
    await redis.pexpire(key, leftBehindMs);
  }
}
