// Whether and when an event is sent again: the dispatcher's answers, back-off and time-outs. The
// loop gets its sender and its clock as arguments.

import { timerMsMax } from './constants.ts';
import type { EventRequest, Refusal } from './record-to-request.ts';

export interface DeliveryPolicy {
  /** How often the event is sent again after the first time. */
  readonly retries: number;
  readonly backoff: 'linear' | 'exponential';
  readonly backoffDelayMs: number;
  /** For one attempt, from the connection to the last byte of the answer. */
  readonly timeoutMs: number;
}

/**
 * What came of one POST. Unanswered: no connection, or no answer in time. Unsendable: the fault is
 * in the event, and nothing was sent.
 */
export type Attempt =
  | ({ readonly kind: 'answered' } & Refusal)
  | { readonly kind: 'unanswered' | 'unsendable'; readonly reason: string };

export type Delivery =
  | { readonly kind: 'delivered' }
  | { readonly kind: 'failed'; readonly attempt: Attempt; readonly attempts: number }
  /** Given up while it waited to be sent again, because somebody else will send it. */
  | { readonly kind: 'abandoned' };

export interface DeliveryDeps {
  /** Sends once; never rejects. */
  readonly send: (request: EventRequest) => Promise<Attempt>;
  /** Resolves after so long with true, or with false as soon as it is told to give up. */
  readonly pause: (ms: number) => Promise<boolean>;
  readonly onRetry: (attempt: Attempt, waitMs: number) => void;
}

/** What a status means to the dispatcher. `Retry-After` plays no part. */
export function verdictOf(status: number): 'done' | 'retry' | 'refused' {
  if (status < 300) return 'done';
  return status >= 500 || [404, 408, 409, 429].includes(status) ? 'retry' : 'refused';
}

function verdictOn(attempt: Attempt): ReturnType<typeof verdictOf> {
  if (attempt.kind === 'answered') return verdictOf(attempt.status);
  return attempt.kind === 'unanswered' ? 'retry' : 'refused';
}

/** The wait before the nth retry, n from 1: delay × n, or delay × 2ⁿ. */
export function backoffMs(policy: DeliveryPolicy, retry: number): number {
  const factor = policy.backoff === 'linear' ? retry : 2 ** retry;
  return Math.min(policy.backoffDelayMs * factor, timerMsMax);
}

/**
 * Sends until the sink takes it, refuses it, or the retries are used up; once where it cannot be
 * sent at all. Never rejects.
 */
export async function deliver(
  request: EventRequest,
  policy: DeliveryPolicy,
  { send, pause, onRetry }: DeliveryDeps,
): Promise<Delivery> {
  for (let retry = 1; ; retry += 1) {
    const attempt = await send(request);
    const verdict = verdictOn(attempt);
    if (verdict === 'done') return { kind: 'delivered' };
    if (verdict === 'refused' || retry > policy.retries) {
      return { kind: 'failed', attempt, attempts: retry };
    }
    const waitMs = backoffMs(policy, retry);
    onRetry(attempt, waitMs);
    if (!(await pause(waitMs))) return { kind: 'abandoned' };
  }
}
