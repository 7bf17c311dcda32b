// The way of a batch into MySQL: it waits for its product's turn, is folded with what waits beside
// it, and is written in one transaction within a deadline. Where MySQL refuses what is in it, it
// is written in parts, so that an order which no row can hold harms no other.

import type { Pool, PoolConnection } from 'mysql2/promise';
import {
  persistConnections,
  persistDeadlineMs,
  persistRowsPerTransactionMax,
  persistTransactionsPerProduct,
  persistWaitMaxMs,
} from '#lib/constants.ts';
import { createFold } from '#lib/fold.ts';
import type { OrderBatch, Refusal } from '#lib/http/cloud-event.ts';
import { asStep } from '#lib/http/trace-event.ts';
import type { Contention } from '#lib/mysql/contention.ts';
import { isRefused } from '#lib/mysql/error.ts';
import { noTracing, type Tracing } from '#lib/telemetry/tracing.ts';
import type { BatchResult } from './decide.ts';
import { type PersistInput, persist, persistAsNew } from './persist.ts';
import { type Failure, splitWhereRefused, type WrittenBatch } from './split.ts';
import { withConnection } from './transaction.ts';

/**
 * Writes a batch and says what became of it, after the commit; a refusal where nothing of it can
 * ever be written. Throws where MySQL is away or too slow: send the batch again.
 */
export type Write = (batch: OrderBatch) => Promise<WrittenBatch | Refusal>;

/** What happened on the way, for whoever counts it. */
export interface Watch {
  /** A transaction was committed. */
  readonly committed: (batches: number, orders: number) => void;
  /** It is done again: it lost to another, something of it was known, or MySQL refused a row. */
  readonly again: (reason: Contention | 'known' | 'refused') => void;
}

export interface WriteOptions {
  /** The time of writing, in epoch microseconds. */
  readonly nowUs: () => number;
  readonly deadlineMs?: number;
  readonly watch?: Watch;
  readonly tracing?: Tracing;
}

const unwatched: Watch = { committed: () => undefined, again: () => undefined };

export function createWrite(
  pool: Pool,
  { nowUs, deadlineMs = persistDeadlineMs, watch = unwatched, tracing = noTracing }: WriteOptions,
): Write {
  /** One transaction, in the end. */
  const write = async (
    batches: readonly OrderBatch[],
    { deadline, maybeNew }: { readonly deadline: number; readonly maybeNew: boolean },
  ): Promise<readonly BatchResult[] | undefined> => {
    const productId = batches[0]?.event.productId ?? '';
    const input: PersistInput = { productId, batches, nowUs: nowUs() };
    const options = { deadline, onRetry: watch.again };
    const attempt = async (connection: PoolConnection, nth: number) => {
      // What lost to another one may have lost to its own repetition: then it locks first.
      if (maybeNew && nth === 0) {
        const asNew = await persistAsNew(connection, input);
        if (asNew !== undefined) return asNew;
        watch.again('known');
      }
      return persist(connection, input);
    };
    const results = await asStep(tracing, 'transaction', batches, () =>
      withConnection(pool, options, attempt),
    );
    const orders = batches.reduce((sum, { event }) => sum + event.orders.length, 0);
    if (results !== undefined) watch.committed(batches.length, orders);
    return results;
  };

  const run = async (
    batches: readonly OrderBatch[],
  ): Promise<readonly (WrittenBatch | Refusal | Failure)[]> => {
    const deadline = performance.now() + deadlineMs;
    try {
      const results = await write(batches, { deadline, maybeNew: true });
      return results ?? batches.map(() => ({ refused: 'data.productId is not on sale here' }));
    } catch (error) {
      if (!isRefused(error)) throw error;
      return await splitWhereRefused(batches, error, async (part) => {
        watch.again('refused');
        return (await write(part, { deadline, maybeNew: false })) ?? [];
      });
    }
  };

  const fold = createFold({
    keyOf: ({ event }: OrderBatch) => event.productId,
    sizeOf: ({ event }) => event.orders.reduce((rows, { quantity }) => rows + 1 + quantity, 0),
    sizeMax: persistRowsPerTransactionMax,
    // Never more than there are connections: nothing queues in the pool, where waiting is blind.
    runsMax: persistConnections,
    runsPerKeyMax: persistTransactionsPerProduct,
    waitMaxMs: persistWaitMaxMs,
    run,
  });
  return async function writeBatch(batch) {
    const result = await fold(batch);
    if ('failed' in result) throw result.failed;
    return result;
  };
}
