// Whether a run came to what its plan expects and, whatever the plan, whether every 202 that a
// client saw is a row and every row was told to a client. Pure.

import { compare, problemsOf } from '#knative/e2e/judge.ts';
import { orderIdOf } from '#lib/order-id.ts';
import type { LoggedPurchase } from './answers.ts';
import type { Figures, OrderRow } from './figures.ts';
import type { Expectation } from './plans.ts';
import type { Summary } from './run-file.ts';

export interface Check {
  readonly name: string;
  readonly kind: Expectation['kind'];
  readonly ok: boolean;
  /** What was found, for people. */
  readonly found: string;
}

export interface Verified {
  readonly productId: string;
  /** Exit status of `kn-seckill verify`. */
  readonly status: number;
  /** What it said where it was not 0. */
  readonly said: string;
}

/** The plan's figures within their bounds. */
export function checkFigures(figures: Figures, expected: readonly Expectation[]): Check[] {
  return expected.map(({ figure, atLeast = -Infinity, atMost = Infinity, kind }) => {
    const value = figures[figure];
    const bounds = atLeast === atMost ? `= ${atLeast}` : boundsOf(atLeast, atMost);
    const ok = value >= atLeast && value <= atMost;
    return { name: `${figure} ${bounds}`, kind, ok, found: String(round(value)) };
  });
}

function boundsOf(atLeast: number, atMost: number): string {
  const parts = [
    ...(Number.isFinite(atLeast) ? [`≥ ${atLeast}`] : []),
    ...(Number.isFinite(atMost) ? [`≤ ${atMost}`] : []),
  ];
  return parts.join(', ');
}

/** Of each product: what clients were told against its rows, and `verify`. */
export function checkRows(
  purchases: readonly LoggedPurchase[],
  rowsOf: ReadonlyMap<string, readonly OrderRow[]>,
): Check[] {
  const problems = [...rowsOf].flatMap(([productId, rows]) => {
    const own = purchases.filter((purchase) => purchase.productId === productId);
    return problemsOf(compare(own, rows)).map((problem) => `${productId}: ${problem}`);
  });
  const rows = [...rowsOf.values()].reduce((sum, { length }) => sum + length, 0);
  const accepted = purchases.filter(({ told }) => told.kind === 'accepted');
  const misnamed = accepted.filter(
    (one) => 'orderId' in one.told && one.told.orderId !== idOf(one),
  );
  const twice = accepted.filter(({ acceptances }) => acceptances > 1);
  return [
    promise('every acceptance is a row, every row was told', problems, `${rows} rows`),
    promise('acceptances have the id of their purchase', misnamed.map(idOf), 'all'),
    promise('nobody was accepted twice by 202', twice.map(idOf), 'nobody'),
  ];
}

function idOf({ productId, userId, key }: LoggedPurchase): string {
  return orderIdOf(productId, userId, key);
}

export function checkVerified(verified: readonly Verified[]): Check {
  const problems = verified
    .filter(({ status }) => status !== 0)
    .map(({ productId, status, said }) => `${productId}: exit ${status}: ${said}`);
  return promise('kn-seckill verify', problems, `${verified.length} ok`);
}

/** k6's own view: its thresholds, and that its log has all of its answers. */
export function checkSummary(
  { metrics }: Summary,
  logged: { readonly answers: number; readonly purchases: number },
): Check[] {
  const { answers, purchases } = logged;
  const countOf = (metric: string) => metrics[metric]?.values['count'] ?? 0;
  const missing = (what: string, counted: number, found: number) =>
    counted === found ? [] : [`k6 counted ${counted} ${what}, its log has ${found}`];
  const crossed = Object.entries(metrics).flatMap(([metric, { thresholds = {} }]) =>
    Object.entries(thresholds).flatMap(([threshold, { ok }]) =>
      ok ? [] : [{ metric, text: `${metric} ${threshold} is crossed` }],
    ),
  );
  const textsOf = (ofMachine: boolean) =>
    crossed.flatMap(({ metric, text }) => (machineMetrics.test(metric) === ofMachine ? text : []));
  return [
    promise(
      'the log has all that k6 counted',
      // An iteration that threw is one, too, and has no purchase.
      [
        ...missing('answers', countOf('answers'), answers),
        ...missing('iterations', countOf('iterations'), purchases),
      ],
      `${answers} answers`,
    ),
    promise("k6's own thresholds", textsOf(false), 'kept'),
    { ...promise("k6's own thresholds of time", textsOf(true), 'kept'), kind: 'machine' },
  ];
}

/** How long it took, and how much of what was planned could be begun. */
const machineMetrics = /^(answer_ms|dropped_iterations)/;

function promise(name: string, problems: readonly string[], found: string): Check {
  const [first] = problems;
  const ok = first === undefined;
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
  return { name, kind: 'promise', ok, found: ok ? found : `${first}${more}` };
}

/** Three digits are enough for people. */
export function round(value: number): number {
  return Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3));
}
