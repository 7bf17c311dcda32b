// The leaderboards against the buyers' totals, tolerant of what was bought while they were read.

import { boards as boardsByKind } from '#lib/board/score.ts';
import { boardMembersMax } from '#lib/constants.ts';
import { type BoardKind, boardKinds } from '#lib/names.ts';
import type { Snapshot } from '#lib/sale/snapshot.ts';
import { type Finding, finding } from './compare.ts';
import type { RedisDetails } from './facts.ts';
import { eachInSteps, type OrderRecords } from './steps.ts';

interface Buyer {
  readonly userFirstAt: number;
  readonly userQuantity: number;
}

interface Look extends Pick<RedisDetails, 'boards' | 'productScore' | 'buyers'> {
  readonly orders: OrderRecords;
}

/**
 * Call it where update-rank has answered for every event of the cut before the boards were read.
 * `wasQuiet`: nothing was sold or cancelled from the cut to the end of the reading.
 */
export async function compareBoards(
  cut: Snapshot,
  look: Look,
  wasQuiet: boolean,
): Promise<Finding[]> {
  const isQuiet = wasQuiet && cut.outbox.size === 0;
  const buyers = new Map<string, Buyer>();
  await eachInSteps(look.buyers, ([userId, text]) => buyers.set(userId, parseBuyer(text)));
  const active = isQuiet ? new Set<string>() : await buyersAfter(cut, look.orders);
  const wrong = new Set<string>();
  for (const kind of boardKinds) {
    for (const userId of await wrongOn(kind, look.boards[kind], buyers)) {
      if (!active.has(userId)) wrong.add(userId);
    }
  }
  const isTotalWrong = isQuiet && look.productScore !== Number(cut.fields.get('sold'));
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
async function buyersAfter(cut: Snapshot, orders: OrderRecords): Promise<ReadonlySet<string>> {
  const lastAt = Number(cut.fields.get('last_at'));
  const users = new Set<string>();
  await eachInSteps(orders.values(), (order) => {
    if (!order) return;
    const isPending = cut.outbox.has(order.batchNumber);
    if (isPending || order.acceptedAtUs > lastAt) users.add(order.userId);
  });
  return users;
}

async function wrongOn(
  kind: BoardKind,
  board: ReadonlyMap<string, number>,
  buyers: ReadonlyMap<string, Buyer>,
): Promise<string[]> {
  const { scoreOf, better } = boardsByKind[kind];
  const wrong: string[] = [];
  let last = better === 'LT' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  await eachInSteps(board, ([userId, score]) => {
    const buyer = buyers.get(userId);
    if (!buyer || scoreOf(buyer) !== score) wrong.push(userId);
    last = better === 'LT' ? Math.max(last, score) : Math.min(last, score);
  });
  // A full board lacks those behind its last.
  const isFull = board.size >= boardMembersMax;
  await eachInSteps(buyers, ([userId, buyer]) => {
    if (buyer.userQuantity === 0 || board.has(userId)) return;
    const score = scoreOf(buyer);
    const isBehind = better === 'LT' ? score >= last : score <= last;
    if (!(isFull && isBehind)) wrong.push(userId);
  });
  return wrong;
}

/** `firstAtUs|quantity`. */
export function parseBuyer(text: string): Buyer {
  const [userFirstAt = Number.NaN, userQuantity = Number.NaN] = text.split('|').map(Number);
  return { userFirstAt, userQuantity };
}
