// What a reconciliation of one sale comes to: each difference between the stores by a code that
// stays the same, and whether it was repaired.

import type { consumerGroups } from '#lib/names.ts';

/** What was found where. A test has one of each. */
export const differenceCodes = [
  /** Redis: the sale is gone; was loaded into another process; lacks a part; is half loaded. */
  'sale_missing',
  'other_process',
  'sale_not_whole',
  'sale_loading',
  /** Redis: batches wait in the outbox for longer than any send takes. */
  'outbox_overdue',
  /** Redis and MySQL: another generation; other settings; other stock. */
  'generation',
  'settings',
  'stock',
  /** Redis: `sold`, `left`, the stock, the free units and the orders' units do not add up. */
  'counters',
  /** Redis has an order that was delivered and has no row. */
  'row_missing',
  /** MySQL has a row that Redis has no order for, or that says something else. */
  'order_missing',
  'order_differs',
  /** MySQL has cancelled an order that holds its units in Redis. */
  'cancel_unfinished',
  /** Redis has not noted what became of an order. */
  'status_not_noted',
  /** Redis: buyers' totals are not the sum of their orders. */
  'buyers',
  /** Redis: the leaderboards do not show the buyers' totals. */
  'boards',
  /** MySQL: `unsold` is not the stock less the units that have rows. */
  'unsold',
  /** MySQL: the ledger of stock leaves another stock, or other units unsold, than there are. */
  'ledger',
  /** MySQL: units without a confirmed order, or orders without their units. */
  'units',
  /** Units sold beyond the stock, or twice. */
  'oversold',
  /** MySQL: accepted orders were rejected. */
  'rejected',
] as const;
export type DifferenceCode = (typeof differenceCodes)[number];

/** What makes a difference good. */
export const repairs = [
  'rebuild',
  'drain',
  /** Ends an operator's change that was interrupted between MySQL and Redis. */
  'finish',
  /** The event is in Kafka: it is sent again. */
  'republish',
  'note',
  'restore',
  'recount',
] as const;
export type Repair = (typeof repairs)[number];

export interface Difference {
  readonly code: DifferenceCode;
  /** How many orders, units, buyers or fields it is about. */
  readonly count: number;
  /** For a person; no user and no order is named. */
  readonly found: string;
  /** What makes it good; null where nothing does that is provably safe. */
  readonly repair: Repair | null;
  readonly repaired: boolean;
}

/** How Redis is set up, where that puts a sale at risk. */
export type WarningCode = 'redis_evicts' | 'redis_keeps_no_aof';

export interface Reconciliation {
  readonly productId: string;
  /** No promise is broken, every difference was repaired, and nothing is left to wait for. */
  readonly ok: boolean;
  /** Promises: units sold twice or beyond the stock; accepted orders that nothing will bring back. */
  readonly oversold: number;
  readonly lost: number;
  /** Every order was compared, not only how many there are. */
  readonly deep: boolean;
  readonly dryRun: boolean;
  readonly generation: number;
  /** Orders in Redis, and rows of them in MySQL. */
  readonly orders: number;
  readonly rows: number;
  /** Events that each consumer group has not answered for yet; all sales together. */
  readonly lag: Readonly<Record<keyof typeof consumerGroups, number>>;
  readonly differences: readonly Difference[];
  readonly warnings: readonly WarningCode[];
  /** Why it could not tell, if so; for a person. */
  readonly waiting: readonly string[];
}
