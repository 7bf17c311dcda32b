// One purchase over the public HTTP: sent, checked against the contract, counted by what came of
// it, and logged. The log is what is held against the rows afterwards.

import { check, sleep } from 'k6';
import http, { type RefinedResponse } from 'k6/http';
import { Counter, Trend } from 'k6/metrics';
import type { AnswerLine } from '../run-file.ts';
import { type Buyer, run } from './run.ts';

/** k6's own, which its types leave out. */
declare const console: { log(line: string): void };

export interface Purchase {
  readonly buyer: Buyer;
  readonly productId: string;
  readonly key: string;
}

export interface Answer {
  readonly status: number;
  readonly outcome: string;
  /** 0 where the answer does not say. */
  readonly retryAfterSeconds: number;
}

/** As the page has it: a little longer than the edge takes to say that it doesn't know. */
const patienceMs = 12_000;

const answers = new Counter('answers');
const answerMs = new Trend('answer_ms', true);
const byOutcome = {
  accepted: new Counter('accepted'),
  replayed: new Counter('repeated'),
  rate_limited: new Counter('limited'),
  sold_out: new Counter('sold_out'),
  ended: new Counter('ended'),
  limit_reached: new Counter('limit_reached'),
  not_open: new Counter('not_open'),
  gave_up: new Counter('gave_up'),
  unserved: new Counter('unserved'),
  unexpected: new Counter('unexpected'),
} as const;

/** Of the contract: an answer's status for its outcome. */
const statuses: Readonly<Record<string, number>> = {
  ...{ accepted: 202, replayed: 200, rate_limited: 429, sold_out: 410 },
  ...{ ended: 409, limit_reached: 409, not_open: 409 },
};
const expected = http.expectedStatuses(200, 202, 409, 410, 429);

/** Of every scenario: all are answered, and by nothing but what the contract says. */
export const thresholds = {
  unserved: ['count==0'],
  unexpected: ['count==0'],
  checks: ['rate==1'],
};

/** Sends it once. With `giveUpMs` the client does not wait for the answer, and means it. */
export function ask({ buyer, productId, key }: Purchase, giveUpMs?: number): Answer {
  const response = http.post(`${run.url}/api/products/${productId}/purchase`, '{"quantity":1}', {
    headers: {
      authorization: `Bearer ${buyer.token}`,
      'idempotency-key': key,
      'content-type': 'application/json',
    },
    responseType: 'text',
    responseCallback: expected,
    timeout: giveUpMs ?? patienceMs,
    // The address is the same for all; a series for each product would be for nothing.
    tags: { name: 'purchase' },
  });
  const { status } = response;
  const { outcome, orderId } = readAnswer(response, giveUpMs !== undefined);
  // What a buyer waits for begins with the wait for a connection.
  const tookMs = response.timings.blocked + response.timings.duration;
  const line: AnswerLine = {
    ...{ atMs: Date.now(), tookMs, status, outcome },
    ...{ productId, userId: buyer.userId, key, orderId },
  };
  console.log(JSON.stringify(line));
  answers.add(1);
  if (status !== 0) answerMs.add(tookMs);
  byOutcome[counterOf(status, outcome)].add(1);
  if (outcome !== 'gave_up') checkContract(response, outcome, orderId);
  return { status, outcome, retryAfterSeconds: Number(response.headers['Retry-After'] ?? 0) };
}

type PurchaseResponse = RefinedResponse<'text'>;

/** An acceptance has no `outcome`, all else is a problem with one. */
function readAnswer({ status, body }: PurchaseResponse, mayGiveUp: boolean) {
  if (status === 0) return { outcome: mayGiveUp ? 'gave_up' : '', orderId: '' };
  const said = parsed(body);
  if (status === 202) return { outcome: 'accepted', orderId: said['orderId'] ?? '' };
  if (status === 200) return { outcome: 'replayed', orderId: said['orderId'] ?? '' };
  return { outcome: said['outcome'] ?? '', orderId: '' };
}

/** Of what is no JSON, nothing: then it is no answer of the contract. */
function parsed(body: string): Partial<Record<string, string>> {
  try {
    return JSON.parse(body) as Partial<Record<string, string>>;
  } catch {
    return {};
  }
}

function counterOf(status: number, outcome: string): keyof typeof byOutcome {
  if (outcome === 'gave_up') return 'gave_up';
  if (status === 0 || status >= 500) return 'unserved';
  return statuses[outcome] === status ? (outcome as keyof typeof byOutcome) : 'unexpected';
}

function checkContract({ status, headers }: PurchaseResponse, outcome: string, orderId: string) {
  check(null, {
    'status and outcome are a pair of the contract': () => statuses[outcome] === status,
    'an acceptance names its order': () => status >= 300 || isNamed(headers['Location'], orderId),
    'a replay says so': () => (status === 200) === (headers['Idempotency-Replayed'] === 'true'),
    '429 says when to come again': () => status !== 429 || Number(headers['Retry-After']) >= 1,
  });
}

function isNamed(location: string | undefined, orderId: string): boolean {
  return orderId !== '' && location === `/api/orders/${orderId}`;
}

export interface Manners {
  /** How long this client waits before it sends the same key again. */
  readonly pauseSeconds: (answer: Answer) => number;
  /** Of the first sending. */
  readonly giveUpMs?: number;
}

/** Sends the same key until it is told what became of it, or the scenario ends. */
export function askUntilTold(purchase: Purchase, { pauseSeconds, giveUpMs }: Manners): void {
  for (let answer = ask(purchase, giveUpMs); !isTold(answer); answer = ask(purchase)) {
    sleep(pauseSeconds(answer));
  }
}

/** As the page: when it is told to, and not all at once. */
export function politePause({ retryAfterSeconds }: Answer): number {
  return Math.max(0.25, retryAfterSeconds) + Math.random() / 2;
}

function isTold({ status, outcome }: Answer): boolean {
  return [200, 202, 410].includes(status) || outcome === 'ended' || outcome === 'limit_reached';
}
