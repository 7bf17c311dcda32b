// What a leaderboard sorts by. Each score only ever improves with further orders of its member,
// so the best of all updates is the truth, however often and in whatever order they come.

import type { BoardKind } from '#lib/names.ts';
import type { EventOrder } from '#lib/order-event.ts';

/** The running totals that an order carries. */
export type Totals = Pick<EventOrder, 'userFirstAt' | 'userQuantity'>;

/** Above this quantity the composite score counts no further units. */
export const compositeQuantityMax = 4_095;
/** Milliseconds since 1970 need 41 bits until the year 2039; 12 + 41 bits are exact in a double. */
const timeSpan = 2 ** 41;

/**
 * More units first, then the earlier to the millisecond: the quantity in the upper 12 bits, the
 * time left of the span in the lower 41. An integer below 2^53.
 */
export function compositeScore({ userFirstAt, userQuantity }: Totals): number {
  const firstAtMs = Math.min(Math.floor(userFirstAt / 1_000), timeSpan - 1);
  return Math.min(userQuantity, compositeQuantityMax) * timeSpan + (timeSpan - 1 - firstAtMs);
}

/** What a composite score says: units (at most `compositeQuantityMax`) and the first purchase. */
export function totalsOfComposite(score: number): { userQuantity: number; firstAtMs: number } {
  return {
    userQuantity: Math.floor(score / timeSpan),
    firstAtMs: timeSpan - 1 - (score % timeSpan),
  };
}

export interface Board {
  readonly scoreOf: (totals: Totals) => number;
  /** Which score is the better one: `LT` the lower, `GT` the higher. */
  readonly better: 'LT' | 'GT';
}

export const boards: Readonly<Record<BoardKind, Board>> = {
  speed: { scoreOf: ({ userFirstAt }) => userFirstAt, better: 'LT' },
  quantity: { scoreOf: ({ userQuantity }) => userQuantity, better: 'GT' },
  score: { scoreOf: compositeScore, better: 'GT' },
};
