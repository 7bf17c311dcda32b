// What became of a request, as HTTP: status and text come from the one table in lib/outcome.ts.
// Headers are plain objects made once: this is on the way of every purchase.

import type { Tier } from '#lib/buckets/limits.ts';
import { type ProblemDetails, problem } from '#lib/http/problem.ts';
import { isoTimeOf } from '#lib/order-event.ts';
import { OUTCOMES, type Outcome, type PurchaseAnswer } from '#lib/outcome.ts';
import type { Admitted } from './admit.ts';
import type { NoPlace } from './forward.ts';
import type { Identified } from './identity.ts';
import { respondLimited } from './limited.ts';

/** An answer and the outcome it is counted as. */
export interface Answer {
  readonly outcome: Outcome;
  readonly response: Response;
  /** Which limit has refused it. */
  readonly tier?: Tier;
}

/** Of every answer of the API. */
export const apiHeaders = {
  'content-type': 'application/json',
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
} as const;
const nosniff = { 'x-content-type-options': 'nosniff' } as const;

/** A successful JSON answer; `text` is the JSON itself. */
export function json(text: string, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(text, { status: 200, headers: { ...apiHeaders, ...headers } });
}

export function refuse(outcome: Outcome, details: ProblemDetails = {}): Answer {
  const headers = details.headers === undefined ? nosniff : { ...nosniff, ...details.headers };
  return { outcome, response: problem(outcome, { ...details, headers }) };
}

const askAgain =
  'not known to be decided: send the same request with the same Idempotency-Key again';

export function answerPurchase(
  productId: string,
  orderId: string,
  answer: PurchaseAnswer | NoPlace,
): Answer {
  switch (answer.outcome) {
    case 'accepted':
    case 'replayed':
      return acceptance(productId, orderId, answer);
    case 'not_open': {
      if (answer.opensAtUs === undefined) return refuse('not_open');
      return refuse('not_open', { members: { opensAt: isoTimeOf(answer.opensAtUs) } });
    }
    case 'sold_out': {
      const { left } = answer;
      const detail = left > 0 ? `quantity: only ${left} are left` : 'nothing is left';
      return refuse('sold_out', { detail, members: { left } });
    }
    case 'unknown_product':
      return refuse('unknown_product', { detail: 'productId: there is no such product' });
    case 'key_reused':
      return refuse('key_reused', { detail: 'quantity: not the one this Idempotency-Key bought' });
    case 'unavailable':
      return answerUnavailable('retryAfterSeconds' in answer ? answer : undefined);
    case 'limit_reached':
    case 'ended':
    case 'paused':
      return refuse(answer.outcome);
  }
}

function answerUnavailable(noPlace: NoPlace | undefined): Answer {
  if (noPlace === undefined) return refuse('unavailable', { detail: askAgain });
  const { retryAfterSeconds } = noPlace;
  return refuse('unavailable', {
    detail: `too many are waiting; try again in ${retryAfterSeconds} s with this Idempotency-Key`,
    headers: { 'retry-after': String(retryAfterSeconds) },
  });
}

function acceptance(
  productId: string,
  orderId: string,
  { outcome, quantity }: Extract<PurchaseAnswer, { outcome: 'accepted' | 'replayed' }>,
): Answer {
  const headers: Record<string, string> = { ...apiHeaders, location: `/api/orders/${orderId}` };
  if (outcome === 'replayed') headers['idempotency-replayed'] = 'true';
  const { status } = OUTCOMES[outcome];
  const body = JSON.stringify({ orderId, productId, quantity });
  return { outcome, response: new Response(body, { status, headers }) };
}

export function answerUnidentified(identified: Exclude<Identified, { outcome: 'identified' }>) {
  const { outcome, detail } = identified;
  if (outcome === 'unavailable') return refuse(outcome, { detail });
  return refuse(outcome, { detail, headers: { 'www-authenticate': 'Bearer realm="seckill"' } });
}

export function answerNotAdmitted(admitted: Exclude<Admitted, { outcome: 'admitted' }>): Answer {
  if (admitted.outcome === 'unavailable') {
    return refuse('unavailable', { detail: 'the rate limits cannot be checked at the moment' });
  }
  return { outcome: 'rate_limited', response: respondLimited(admitted), tier: admitted.tier };
}

/** What one user may have at the same time; a window ends when the oldest is over. */
interface SeatPolicy {
  readonly policy: string;
  readonly quota: number;
  readonly windowMs: number;
  readonly retryAfterMs: number;
}

/** 429 to a user who has too much of something under way already. */
export function refuseSeat(detail: string, seat: SeatPolicy): Response {
  const { policy, quota, windowMs, retryAfterMs } = seat;
  const seconds = Math.max(1, Math.ceil(retryAfterMs / 1_000));
  return refuse('rate_limited', {
    detail,
    members: { tier: 'user' },
    headers: {
      'retry-after': String(seconds),
      'ratelimit-policy': `"${policy}";q=${quota};w=${Math.ceil(windowMs / 1_000)}`,
      ratelimit: `"${policy}";r=0;t=${seconds}`,
    },
  }).response;
}
