// The figures of a run, from the clients' own log and the rows. Pure.

import { quantile, type Row } from '#knative/e2e/judge.ts';
import { isAcceptance, isUnknown, type LoggedPurchase } from './answers.ts';
import type { AnswerLine, PlannedLoad } from './run-file.ts';

/** Counts are of requests unless they say what else; shares are from 0 to 1. */
export interface Figures {
  /** Of the load: as planned where it is open, else from the first sending to the last answer. */
  readonly seconds: number;
  readonly requests: number;
  /** Keys: a purchase that is sent again is one. */
  readonly purchases: number;
  /** Purchases that were told what became of them: accepted, or refused for good. */
  readonly told: number;
  /** Requests of an open load that k6 should have begun and could not; it counts only some itself. */
  readonly notBegun: number;
  /** Purchases that were accepted, by 202 or, where that was lost, by 200. */
  readonly accepted: number;
  readonly rows: number;
  readonly replayed: number;
  readonly limited: number;
  readonly soldOut: number;
  readonly refusedOtherwise: number;
  /** What the client did not wait for, as it meant to. */
  readonly gaveUp: number;
  /** No answer, or 5xx. */
  readonly unserved: number;
  /** Answers that no such client should get. */
  readonly unexpected: number;
  readonly offeredPerSecond: number;
  readonly acceptedPerSecond: number;
  readonly rowsPerSecond: number;
  readonly limitedPerSecond: number;
  readonly soldOutPerSecond: number;
  /** Of requests. */
  readonly limitedShare: number;
  readonly soldOutShare: number;
  /** Rows, of purchases. */
  readonly successShare: number;
  /** Of all requests that were answered. */
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly worstMs: number;
  readonly acceptedP99Ms: number;
  /** From the last answer until every accepted order was a row, and that was known. */
  readonly settledAfterSeconds: number;
  /** Where one user presses again and again: what became of that, and of all others. */
  readonly rowsOfHotUser: number;
  readonly crowdRefused: number;
  /** Rows that were accepted before the opening. */
  readonly soldEarly: number;
}
export type Figure = keyof Figures;

/** An order as `kn-seckill orders list -o json` tells it, and when it was accepted. */
export interface OrderRow extends Row {
  /** ISO 8601. */
  readonly acceptedAt: string;
}

export interface Seen {
  readonly load: PlannedLoad;
  readonly answers: readonly AnswerLine[];
  readonly purchases: readonly LoggedPurchase[];
  readonly rows: readonly OrderRow[];
  /** Epoch ms. */
  readonly settledAtMs: number;
  /** Epoch ms; of a sale that opened while the load was there. */
  readonly opensAtMs?: number | undefined;
  readonly hotUser?: string | undefined;
}

export function figuresOf(seen: Seen): Figures {
  const { load, answers, purchases, rows, opensAtMs, hotUser } = seen;
  const { seconds, lastAtMs } = spanOf(load, answers);
  const counts = countsOf(answers);
  const accepted = purchases.filter(({ told }) => told.kind === 'accepted').length;
  const times = (some: readonly AnswerLine[]) => some.map(({ tookMs }) => tookMs);
  const answered = times(answers.filter(({ status }) => status !== 0));
  const perSecond = (count: number) => ratio(count, seconds);
  return {
    ...{ seconds, requests: answers.length, purchases: purchases.length },
    ...{ accepted, rows: rows.length, ...counts },
    told: purchases.filter(isTold).length,
    notBegun: Math.max(0, plannedRequests(load) - answers.length),
    offeredPerSecond: perSecond(answers.length),
    acceptedPerSecond: perSecond(accepted),
    rowsPerSecond: perSecond(rows.length),
    limitedPerSecond: perSecond(counts.limited),
    soldOutPerSecond: perSecond(counts.soldOut),
    limitedShare: ratio(counts.limited, answers.length),
    soldOutShare: ratio(counts.soldOut, answers.length),
    successShare: ratio(rows.length, purchases.length),
    p50Ms: quantile(answered, 0.5),
    p90Ms: quantile(answered, 0.9),
    p99Ms: quantile(answered, 0.99),
    worstMs: quantile(answered, 1),
    acceptedP99Ms: quantile(times(answers.filter(isAcceptance)), 0.99),
    settledAfterSeconds: Math.max(0, (seen.settledAtMs - lastAtMs) / 1_000),
    rowsOfHotUser: rows.filter(({ userId }) => userId === hotUser).length,
    crowdRefused: answers.filter((one) => one.userId !== hotUser && !isAcceptance(one)).length,
    soldEarly: rows.filter(({ acceptedAt }) => Date.parse(acceptedAt) < (opensAtMs ?? 0)).length,
  };
}

function spanOf(load: PlannedLoad, answers: readonly AnswerLine[]) {
  let [firstAtMs, lastAtMs] = [Number.POSITIVE_INFINITY, 0];
  for (const { atMs, tookMs } of answers) {
    firstAtMs = Math.min(firstAtMs, atMs - tookMs);
    lastAtMs = Math.max(lastAtMs, atMs);
  }
  const planned = load.perSecond > 0 ? load.rampSeconds + load.seconds : undefined;
  return { lastAtMs, seconds: planned ?? Math.max(0, (lastAtMs - firstAtMs) / 1_000) };
}

/** Of an open load; 0 where those before have to be answered first. */
function plannedRequests(load: PlannedLoad): number {
  const { perSecond, rampSeconds, seconds, hotPerSecond } = load;
  return perSecond * (rampSeconds / 2 + seconds) + hotPerSecond * seconds;
}

function isTold({ told }: LoggedPurchase): boolean {
  return told.kind === 'accepted' || (told.kind === 'refused' && told.status !== 429);
}

function countsOf(answers: readonly AnswerLine[]) {
  const counts = {
    ...{ replayed: 0, limited: 0, soldOut: 0, refusedOtherwise: 0 },
    ...{ gaveUp: 0, unserved: 0, unexpected: 0 },
  };
  for (const answer of answers) {
    const { status, outcome } = answer;
    if (outcome === 'gave_up') counts.gaveUp += 1;
    else if (isUnknown(answer)) counts.unserved += 1;
    else if (status === 200) counts.replayed += 1;
    else if (status === 429) counts.limited += 1;
    else if (status === 410) counts.soldOut += 1;
    else if (status === 409) counts.refusedOtherwise += 1;
    else if (status !== 202) counts.unexpected += 1;
  }
  return counts;
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}
