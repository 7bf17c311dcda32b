// One order as a value of the HASH `…:orders`: `status|quantity|batch|acceptedAt|units|userId`.
// The user id comes last, since it may contain anything.

import type { UnitRange } from '#lib/order-event.ts';

export type OrderStatus = 'accepted' | 'confirmed' | 'rejected' | 'cancelled';

export interface OrderRecord {
  readonly status: OrderStatus;
  readonly quantity: number;
  /** The batch that carries it; pending while the outbox has this number. 0: loaded from a row. */
  readonly batchNumber: number;
  readonly acceptedAtUs: number;
  readonly units: readonly UnitRange[];
  readonly userId: string;
}

/** The record, or undefined where the text is none. */
export function parseOrderRecord(text: string): OrderRecord | undefined {
  const match = /^([a-z]+)\|(\d+)\|(\d+)\|(\d+)\|([\d,-]*)\|([^]*)$/.exec(text);
  if (match === null) return undefined;
  const [, status, quantity, batchNumber, acceptedAtUs, units, userId] = match;
  return {
    status: status as OrderStatus,
    quantity: Number(quantity),
    batchNumber: Number(batchNumber),
    acceptedAtUs: Number(acceptedAtUs),
    units: parseRanges(units ?? ''),
    userId: userId ?? '',
  };
}

export function formatOrderRecord(order: OrderRecord): string {
  const { status, quantity, batchNumber, acceptedAtUs, units, userId } = order;
  return [status, quantity, batchNumber, acceptedAtUs, formatRanges(units), userId].join('|');
}

/** Ranges from `1-100,205-300`; the empty text is no range. */
export function parseRanges(text: string): UnitRange[] {
  if (text === '') return [];
  return text.split(',').map((range): UnitRange => {
    const [first, last] = range.split('-');
    return [Number(first), Number(last)];
  });
}

export function formatRanges(ranges: readonly UnitRange[]): string {
  return ranges.map(([first, last]) => `${first}-${last}`).join(',');
}

/** The ranges of 1 to `stock` without the numbers in `taken`, which need not be sorted. */
export function freeRanges(stock: number, taken: Iterable<number>): UnitRange[] {
  const free: UnitRange[] = [];
  let next = 1;
  for (const unit of [...taken].sort((a, b) => a - b)) {
    if (unit > next) free.push([next, unit - 1]);
    next = unit + 1;
  }
  if (next <= stock) free.push([next, stock]);
  return free;
}

/** The ranges that hold exactly these numbers. */
export function rangesOf(units: Iterable<number>): UnitRange[] {
  const ranges: [number, number][] = [];
  for (const unit of [...units].sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last?.[1] === unit - 1) last[1] = unit;
    else ranges.push([unit, unit]);
  }
  return ranges;
}
