// The leaderboards against the buyers' totals, tolerant of what was bought while they were read.

import { boards as boardsByKind } from '#lib/board/score.ts';
import { boardMembersMax } from '#lib/constants.ts';
import { type BoardKind, boardKinds } from '#lib/names.ts';
import { parseOrderRecord } from '#lib/sale/order-record.ts';
import type { Snapshot } from '#lib/sale/snapshot.ts';
import { type Finding, finding } from './compare.ts';
import type { RedisDetails } from './facts.ts';

interface Buyer {
  readonly userFirstAt: number;
  readonly userQuantity: number;
}

/**
 * Call it where update-rank has answered for every event of the cut before the boards were read.
 * `wasQuiet`: nothing was sold or cancelled from the cut to the end of the reading.
 */
export function compareBoards(cut: Snapshot, details: RedisDetails, wasQuiet: boolean): Finding[] {
  const isQuiet = wasQuiet && cut.outbox.size === 0;
  const buyers = new Map([...details.buyers].map(([userId, text]) => [userId, parseBuyer(text)]));
  const active = isQuiet ? new Set<string>() : buyersAfter(cut, details);
  const wrong = new Set<string>();
  for (const kind of boardKinds) {
    for (const userId of wrongOn(kind, details, buyers)) if (!active.has(userId)) wrong.add(userId);
  }
  const sold = Number(cut.fields.get('sold'));
  const isTotalWrong = isQuiet && details.productScore !== sold;
  if (wrong.size === 0 && !isTotalWrong) return [];
  const count = wrong.size + (isTotalWrong ? 1 : 0);
  return [
    finding('boards', 'restore', `Redis: the boards are wrong about ${count} members`, count),
  ];
}

/**
 * Whose totals may be newer than the boards: who has bought since the cut, or had an order in the
 * outbox then.
 */
function buyersAfter(cut: Snapshot, { orders }: RedisDetails): ReadonlySet<string> {
  const lastAt = Number(cut.fields.get('last_at'));
  const users = new Set<string>();
  for (const text of orders.values()) {
    const order = parseOrderRecord(text);
    if (!order) continue;
    const isPending = cut.outbox.has(order.batchNumber);
    if (isPending || order.acceptedAtUs > lastAt) users.add(order.userId);
  }
  return users;
}

function* wrongOn(
  kind: BoardKind,
  { boards }: RedisDetails,
  buyers: ReadonlyMap<string, Buyer>,
): Generator<string> {
  const board = boards[kind];
  const { scoreOf, better } = boardsByKind[kind];
  for (const [userId, score] of board) {
    const buyer = buyers.get(userId);
    if (!buyer || scoreOf(buyer) !== score) yield userId;
  }
  // A full board lacks those behind its last.
  const isFull = board.size >= boardMembersMax;
  let last = better === 'LT' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  for (const score of board.values()) {
    last = better === 'LT' ? Math.max(last, score) : Math.min(last, score);
  }
  for (const [userId, buyer] of buyers) {
    const score = scoreOf(buyer);
    const isBehind = better === 'LT' ? score >= last : score <= last;
    if (buyer.userQuantity > 0 && !board.has(userId) && !(isFull && isBehind)) yield userId;
  }
}

/** `firstAtUs|quantity`. */
export function parseBuyer(text: string): Buyer {
  const [userFirstAt = Number.NaN, userQuantity = Number.NaN] = text.split('|').map(Number);
  return { userFirstAt, userQuantity };
}
