// A transaction that lost to another one was not carried out, and is simply carried out again.

import { setTimeout } from 'node:timers/promises';
import { mysqlErrorOf } from './error.ts';

/** Why a transaction lost: a deadlock, of which it was the victim, or a lock it waited for. */
export const contentions = ['deadlock', 'lock_wait'] as const;
export type Contention = (typeof contentions)[number];

export interface RepeatOptions {
  /** When it has to be over, by `performance.now()`. */
  readonly deadline: number;
  readonly onRetry?: (reason: Contention) => void;
}

const backOffMs = 20;
const backOffMaxMs = 500;

/**
 * Resolves with what `transact` resolves with, a transaction as a whole; it is told which attempt
 * it is, from 0. Where it lost it is called again, after a growing pause with some chance in it, as
 * long as there is time. Throws what it threw last.
 */
export async function repeatWhereLost<Result>(
  transact: (attempt: number) => Promise<Result>,
  { deadline, onRetry }: RepeatOptions,
): Promise<Result> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await transact(attempt);
    } catch (error) {
      const reason = contentionOf(error);
      const pauseMs = Math.min(backOffMs * 2 ** attempt, backOffMaxMs) * (0.5 + Math.random());
      const inTime = performance.now() + pauseMs < deadline;
      if (!inTime || reason === undefined) throw error;
      onRetry?.(reason);
      await setTimeout(pauseMs);
    }
  }
}

function contentionOf(error: unknown): Contention | undefined {
  const { code } = mysqlErrorOf(error);
  if (code === 'ER_LOCK_DEADLOCK') return 'deadlock';
  return code === 'ER_LOCK_WAIT_TIMEOUT' ? 'lock_wait' : undefined;
}
