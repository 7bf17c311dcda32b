// Runs work on a connection of its own, again where MySQL gave it up for another transaction, and
// never beyond its deadline: a connection that does not answer is thrown away.

import { setTimeout } from 'node:timers/promises';
import type { Pool, PoolConnection } from 'mysql2/promise';
import { mysqlErrorOf } from '#lib/mysql/error.ts';

/** MySQL did not answer in time; whether it committed is unknown. */
export class DeadlineExceeded extends Error {
  override readonly name = 'DeadlineExceeded';
}

/** The transaction lost to another one and was not carried out: the same again may succeed. */
const contention: ReadonlySet<string> = new Set(['ER_LOCK_DEADLOCK', 'ER_LOCK_WAIT_TIMEOUT']);
const backOffMs = 20;
const backOffMaxMs = 500;

/**
 * Resolves with what `work` resolves with. `work` begins and ends its transaction; where it
 * throws, the connection is closed and so rolled back. Throws what `work` threw last, or DeadlineExceeded after `deadlineMs`.
 */
export async function withConnection<Result>(
  pool: Pool,
  deadlineMs: number,
  work: (connection: PoolConnection) => Promise<Result>,
): Promise<Result> {
  const deadline = performance.now() + deadlineMs;
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await once(pool, deadline - performance.now(), work);
    } catch (error) {
      const wait = Math.min(backOffMs * 2 ** attempt, backOffMaxMs) * (0.5 + Math.random());
      const inTime = performance.now() + wait < deadline;
      if (!inTime || !contention.has(mysqlErrorOf(error).code)) throw error;
      await setTimeout(wait);
    }
  }
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
