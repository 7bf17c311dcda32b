// Runs work on a connection of its own, again where MySQL gave it up for another transaction, and
// never beyond its deadline: a connection that does not answer is thrown away.

import { setTimeout } from 'node:timers/promises';
import type { Pool, PoolConnection } from 'mysql2/promise';
import { type RepeatOptions, repeatWhereLost } from '#lib/mysql/contention.ts';

/** MySQL did not answer in time; whether it committed is unknown. */
export class DeadlineExceeded extends Error {
  override readonly name = 'DeadlineExceeded';
}

/**
 * Resolves with what `work` resolves with; it is told which attempt it is, from 0. `work` begins
 * and ends its transaction; where it throws, the connection is closed and so rolled back. Throws
 * what `work` threw last, or DeadlineExceeded.
 */
export function withConnection<Result>(
  pool: Pool,
  options: RepeatOptions,
  work: (connection: PoolConnection, attempt: number) => Promise<Result>,
): Promise<Result> {
  return repeatWhereLost((attempt) => {
    const timeLeftMs = options.deadline - performance.now();
    return once(pool, timeLeftMs, (connection) => work(connection, attempt));
  }, options);
}

async function once<Result>(
  pool: Pool,
  timeLeftMs: number,
  work: (connection: PoolConnection) => Promise<Result>,
): Promise<Result> {
  const connection = await pool.getConnection();
  const settled = new AbortController();
  const tooLate = setTimeout(timeLeftMs, undefined, { signal: settled.signal }).then(() => {
    throw new DeadlineExceeded('MySQL has not answered in time');
  });
  try {
    const result = await Promise.race([work(connection), tooLate]);
    connection.release();
    return result;
  } catch (error) {
    // It may be broken, busy or in the middle of a transaction: its end rolls back whatever it is.
    connection.destroy();
    throw error;
  } finally {
    settled.abort();
  }
}
