// What the clients were told against what the system has: every acceptance has its row, and no row
// is there that nobody was told of, but for buyers whose last answer never came. Pure, so that a test can show each way of failing.

import type { Purchase, Tally, Unclean } from './buyers.ts';

/** An order as `kn-seckill orders list -o json` tells it. */
export interface Row {
  readonly orderId: string;
  readonly userId: string;
  readonly quantity: number;
  readonly status: string;
}

export interface Comparison {
  readonly accepted: number;
  readonly rows: number;
  /** Orders that a buyer was promised and that are no confirmed row of that buyer. */
  readonly missing: readonly string[];
  /** Rows of buyers who never asked, or were refused. */
  readonly unknown: readonly string[];
  /** Order ids that are there more than once. */
  readonly repeated: readonly string[];
}

/** Compares what was accepted with the rows of one sale. */
export function compare(purchases: readonly Purchase[], rows: readonly Row[]): Comparison {
  const byId = new Map(rows.map((row) => [row.orderId, row]));
  const acceptedIds = new Set<string>();
  const untold = new Set<string>();
  const missing: string[] = [];
  for (const { told, userId } of purchases) {
    if (told.kind === 'unserved') untold.add(userId);
    if (told.kind !== 'accepted') continue;
    acceptedIds.add(told.orderId);
    const row = byId.get(told.orderId);
    const isKept = row?.status === 'confirmed' && row.userId === userId && row.quantity === 1;
    if (!isKept) missing.push(told.orderId);
  }
  const seen = new Set<string>();
  const repeated = rows.filter(({ orderId }) => seen.size === seen.add(orderId).size);
  return {
    accepted: acceptedIds.size,
    rows: rows.length,
    missing,
    unknown: [...byId.values()]
      .filter(({ orderId, userId }) => !acceptedIds.has(orderId) && !untold.has(userId))
      .map(({ orderId }) => orderId),
    repeated: repeated.map(({ orderId }) => orderId),
  };
}

/** What is wrong, one line each; empty where every acceptance is exactly one row. */
export function problemsOf({ missing, unknown, repeated }: Comparison): string[] {
  const line = (ids: readonly string[], what: string) =>
    ids.length === 0 ? [] : [`${ids.length} ${what}, the first ${ids[0] ?? ''}`];
  return [
    ...line(missing, 'accepted orders are no row'),
    ...line(unknown, 'rows are unknown to the clients'),
    ...line(repeated, 'rows are there twice'),
  ];
}

/** How many of each unclean answer there were: `{"503 unavailable": 2}`. */
export function countsOf(unclean: readonly Unclean[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status, outcome } of unclean) {
    const name = `${status} ${outcome}`.trim();
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

export interface Served {
  readonly purchases: number;
  readonly accepted: number;
  readonly refused: number;
  /** Purchases that failed: buyers who were not served, however often they asked. */
  readonly unserved: number;
  readonly unclean: Readonly<Record<string, number>>;
  readonly limited: number;
  readonly medianMs: number;
  readonly p99Ms: number;
  readonly worstMs: number;
}

/** The figures of a load. */
export function servedOf({ purchases, unclean, limited }: Tally): Served {
  const count = (kind: Purchase['told']['kind']) =>
    purchases.filter(({ told }) => told.kind === kind).length;
  const times = purchases.map(({ tookMs }) => tookMs);
  return {
    purchases: purchases.length,
    accepted: count('accepted'),
    refused: count('refused'),
    unserved: count('unserved'),
    unclean: countsOf(unclean),
    limited,
    medianMs: quantile(times, 0.5),
    p99Ms: quantile(times, 0.99),
    worstMs: quantile(times, 1),
  };
}

/** The nearest rank, in whole numbers; 0 of nothing. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return Math.round(sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? 0);
}
