// The way of a batch into MySQL: it waits for its product's turn, is folded with what waits beside
// it, and is written in one transaction within a deadline.

import type { Pool } from 'mysql2/promise';
import {
  persistConnections,
  persistDeadlineMs,
  persistRowsPerTransactionMax,
  persistWaitMaxMs,
} from '#lib/constants.ts';
import type { OrderBatch, Refusal } from '#lib/http/cloud-event.ts';
import { isDataError } from '#lib/mysql/error.ts';
import type { BatchResult } from './decide.ts';
import { createFold } from './fold.ts';
import { persist } from './persist.ts';
import { withConnection } from './transaction.ts';

/**
 * Writes a batch and says what became of it, after the commit; a refusal where it can never be
 * written. Throws where MySQL is away or too slow: send the batch again.
 */
export type Write = (batch: OrderBatch) => Promise<BatchResult | Refusal>;

/** `nowUs` is the time of writing, in epoch microseconds. */
export function createWrite(
  pool: Pool,
  nowUs: () => number,
  deadlineMs: number = persistDeadlineMs,
): Write {
  const run = async (
    batches: readonly OrderBatch[],
  ): Promise<readonly (BatchResult | Refusal)[]> => {
    try {
      const results = await withConnection(pool, deadlineMs, (connection) =>
        persist(connection, batches, nowUs()),
      );
      return results ?? batches.map(() => ({ refused: 'data.productId is not on sale here' }));
    } catch (error) {
      if (!isDataError(error)) throw error;
    }
    // One of them spoils the rest: each for itself.
    if (batches.length === 1) return [{ refused: 'data has values that no row can hold' }];
    const results: (BatchResult | Refusal)[] = [];
    for (const batch of batches) results.push(...(await run([batch])));
    return results;
  };
  return createFold({
    keyOf: ({ event }) => event.productId,
    sizeOf: ({ event }) => event.orders.reduce((rows, { quantity }) => rows + 1 + quantity, 0),
    sizeMax: persistRowsPerTransactionMax,
    // Never more than there are connections: nothing queues in the pool, where waiting is blind.
    runsMax: persistConnections,
    waitMaxMs: persistWaitMaxMs,
    run,
  });
}
