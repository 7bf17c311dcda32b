// What the leaderboards must show: every score is derived once more from the accepted orders.

import { boardMembersMax } from '#lib/constants.ts';
import { type BoardKind, boardKinds } from '#lib/names.ts';
import type { BuyerTotals } from './buyers.ts';
import type { RedisFacts } from './facts.ts';
import type { Findings } from './findings.ts';

/** More units rank first, then the earlier; exact below 2^53. */
export function compositeScore({ firstAtUs, quantity }: BuyerTotals): number {
  return Math.min(quantity, 4_095) * 2 ** 41 + (2 ** 41 - 1 - Math.floor(firstAtUs / 1_000));
}

const scoreOf: Readonly<Record<BoardKind, (buyer: BuyerTotals) => number>> = {
  speed: ({ firstAtUs }) => firstAtUs,
  quantity: ({ quantity }) => quantity,
  score: compositeScore,
};

/** `cancelled` orders may have made as many places free on a board that was full. */
export function* checkBoards(
  { boards, productScore }: Pick<RedisFacts, 'boards' | 'productScore'>,
  buyers: ReadonlyMap<string, BuyerTotals>,
  cancelled: number,
  problems: Findings,
): Generator<void, void> {
  for (const kind of boardKinds) {
    yield;
    const expected = new Map(
      [...buyers].map(([userId, buyer]) => [userId, scoreOf[kind](buyer)] as const),
    );
    const wrong = wrongMembers(kind, boards[kind], expected, cancelled);
    if (wrong > 0) problems.add(`The board by ${kind} is wrong about ${wrong} buyers`);
  }
  const sold = [...buyers.values()].reduce((sum, { quantity }) => sum + quantity, 0);
  if ((productScore ?? 0) !== sold) {
    problems.add('The board of products does not show the units sold');
  }
}

/** Members that are wrong, too many or missing. A full board may lack those behind its last. */
function wrongMembers(
  kind: BoardKind,
  board: ReadonlyMap<string, number>,
  expected: ReadonlyMap<string, number>,
  cancelled: number,
): number {
  let wrong = 0;
  let missing = 0;
  for (const [member, score] of board) if (expected.get(member) !== score) wrong += 1;
  const scores = [...board.values()];
  const isFull = board.size >= boardMembersMax - cancelled;
  const last = scores.reduce(
    (a, b) => (kind === 'speed' ? Math.max(a, b) : Math.min(a, b)),
    scores[0] ?? 0,
  );
  for (const [member, score] of expected) {
    const isBehind = kind === 'speed' ? score >= last : score <= last;
    if (!board.has(member) && !(isFull && isBehind)) missing += 1;
  }
  return wrong + (isFull ? Math.max(0, missing - cancelled) : missing);
}
