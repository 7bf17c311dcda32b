// Errors as application/problem+json (RFC 9457) with a stable `outcome` member.

import { retryAfterSeconds } from '#lib/constants.ts';
import { OUTCOMES, type Outcome } from '#lib/outcome.ts';

export interface ProblemDetails {
  /** What is wrong with this request, for a person; names the field where there is one. */
  readonly detail?: string;
  /** Further members of the problem, for instance `opensAt` or `tier`. */
  readonly members?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The answer for an outcome that is no success. 503 always carries `Retry-After`. */
export function problem(outcome: Outcome, details: ProblemDetails = {}): Response {
  const { body, status, headers } = problemParts(outcome, details);
  return new Response(body, { status, headers });
}

/** What `problem` answers, for an answer that is given again and again. */
export function problemParts(outcome: Outcome, details: ProblemDetails = {}) {
  const { status, title } = OUTCOMES[outcome];
  const headers: Record<string, string> = {
    'content-type': 'application/problem+json',
    'cache-control': 'no-store',
    ...details.headers,
  };
  if (status === 503) headers['retry-after'] ??= String(retryAfterSeconds);
  const body = {
    type: `urn:seckill:${outcome}`,
    title,
    status,
    outcome,
    ...(details.detail === undefined ? {} : { detail: details.detail }),
    ...details.members,
  };
  return { body: JSON.stringify(body), status, headers };
}
