// Finds out what of some batches MySQL takes: each batch alone, then an event's orders by halves,
// until what is refused is one order. All others are written, in its own event and in others.

import type { OrderBatch } from '#lib/http/cloud-event.ts';
import { isRefused, mysqlErrorOf } from '#lib/mysql/error.ts';
import { type BatchResult, orderResults, rejectionReasons } from './decide.ts';

/** What became of a batch that was written, and which of its orders could not be. */
export interface WrittenBatch extends BatchResult {
  readonly unwritable?: readonly UnwritableOrder[];
}

export interface UnwritableOrder {
  /** Its place among the orders of its event, from 0. */
  readonly index: number;
  /** For a person; nothing of the order is in it. */
  readonly why: string;
}

/** MySQL could not say: the batch has to be sent again. */
export interface Failure {
  readonly failed: unknown;
}

/** Writes batches, or parts of them, and says what became of each. Throws where MySQL fails. */
export type WritePart = (batches: readonly OrderBatch[]) => Promise<readonly BatchResult[]>;

/**
 * What became of each of the batches, which MySQL has refused together, with this error. Parts
 * are written one after the other; one that fails otherwise fails its batch alone.
 */
export async function splitWhereRefused(
  batches: readonly OrderBatch[],
  error: unknown,
  write: WritePart,
): Promise<readonly (WrittenBatch | Failure)[]> {
  const results: (WrittenBatch | Failure)[] = [];
  for (const batch of batches) {
    try {
      const known = batches.length === 1 ? error : undefined;
      results.push(await writeRange(batch, 0, { write, error: known }));
    } catch (failed) {
      results.push({ failed });
    }
  }
  return results;
}

interface How {
  readonly write: WritePart;
  /** How MySQL has refused this very part already. */
  readonly error: unknown;
}

/** Writes a part of an event, whose first order is at `index` there. */
async function writeRange(
  part: OrderBatch,
  index: number,
  { write, error: known }: How,
): Promise<WrittenBatch> {
  const { orders } = part.event;
  let error = known;
  if (error === undefined) {
    try {
      const [result] = await write([part]);
      if (result === undefined) throw new Error('a part of a batch has no result');
      return result;
    } catch (caught) {
      if (!isRefused(caught)) throw caught;
      error = caught;
    }
  }
  if (orders.length === 1) {
    // A row that somebody has written meanwhile is seen the next time.
    if (mysqlErrorOf(error).code === 'ER_DUP_ENTRY') throw error;
    return { ...nothing(), unwritable: [{ index, why: whyOf(error) }] };
  }
  const middle = Math.ceil(orders.length / 2);
  const how = { write, error: undefined };
  const first = await writeRange(partOf(part, 0, middle), index, how);
  const second = await writeRange(partOf(part, middle), index + middle, how);
  return merge(first, second);
}

function partOf(batch: OrderBatch, from: number, to?: number): OrderBatch {
  const { event } = batch;
  return { ...batch, event: { ...event, orders: event.orders.slice(from, to) } };
}

function nothing(): BatchResult {
  return {
    counts: { confirmed: 0, rejected: 0, repeated: 0, dropped: 0 },
    rejections: { unit_taken: 0, no_stock: 0 },
    statuses: [],
  };
}

function merge(a: WrittenBatch, b: WrittenBatch): WrittenBatch {
  const { counts, rejections } = nothing();
  const sums = { counts: { ...counts }, rejections: { ...rejections } };
  for (const one of orderResults) sums.counts[one] = a.counts[one] + b.counts[one];
  for (const one of rejectionReasons) sums.rejections[one] = a.rejections[one] + b.rejections[one];
  return {
    ...sums,
    statuses: [...a.statuses, ...b.statuses],
    unwritable: [...(a.unwritable ?? []), ...(b.unwritable ?? [])],
  };
}

/** MySQL's own words may have the value in them. */
function whyOf(error: unknown): string {
  const { code, sqlState } = mysqlErrorOf(error);
  if (sqlState.startsWith('22')) return 'a value does not fit its column';
  if (sqlState.startsWith('23')) return 'a rule of its table forbids it';
  return code;
}
