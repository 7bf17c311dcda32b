// What was found and what became of it, as the report that operators and metrics get.

import { type Finding, finding } from '#lib/reconcile/compare.ts';
import type { Figures } from '#lib/reconcile/facts.ts';
import type {
  Difference,
  DifferenceCode,
  Reconciliation,
  WarningCode,
} from '#lib/reconcile/report.ts';
import { type Snapshot, type Unfit, whyUnfit } from '#lib/sale/snapshot.ts';
import type { Log } from '#lib/telemetry/log.ts';
import type { PurchaseMetrics } from '../metrics.ts';
import type { Delivery } from './reconcile-delivery.ts';

/** No send takes longer: what waits for so long was left behind. */
const overdueUs = 10_000_000;

const unfitness: Readonly<Record<Unfit, readonly [DifferenceCode, string]>> = {
  missing: ['sale_missing', 'Redis does not hold the sale'],
  loading: ['sale_loading', 'the sale is only half loaded into Redis'],
  other_process: ['other_process', 'Redis was restarted, or another one took its place'],
  not_whole: ['sale_not_whole', 'Redis has lost a part of the sale'],
};

/** What differs before anybody has taken the lock. Whoever takes it repairs this first. */
export function compareState(snapshot: Snapshot): Finding[] {
  const why = whyUnfit(snapshot);
  if (why) {
    const [code, found] = unfitness[why];
    return [finding(code, 'rebuild', found)];
  }
  const { oldestPendingAtUs, outbox, atUs } = snapshot;
  if (oldestPendingAtUs === undefined || atUs - oldestPendingAtUs < overdueUs) return [];
  const found = `${outbox.size} batches wait in the outbox, the oldest for more than 10 s`;
  return [finding('outbox_overdue', 'drain', found, outbox.size)];
}

interface Found {
  readonly productId: string;
  readonly options: { readonly dryRun: boolean };
  readonly cut: Snapshot;
  readonly findings: readonly Finding[];
  readonly delivery?: Delivery;
  readonly seen?: { readonly figures: Figures; readonly details: object | undefined };
  readonly repaired?: {
    readonly codes: ReadonlySet<DifferenceCode>;
    /** Orders that stay without a row; undefined where it was not tried to bring them back. */
    readonly lost: number | undefined;
  };
  readonly warnings?: readonly WarningCode[];
  readonly waiting?: readonly string[];
}

export function reportOf(found: Found): Reconciliation {
  const { productId, options, cut, findings, delivery, seen, repaired } = found;
  const differences = findings.map(
    ({ code, count, found: text, repair }): Difference => ({
      ...{ code, count, found: text, repair },
      repaired: repaired?.codes.has(code) ?? false,
    }),
  );
  const countOf = (code: DifferenceCode) =>
    findings.filter((one) => one.code === code).map(({ count }) => count);
  const lost = (repaired?.lost ?? countOf('row_missing')[0] ?? 0) + (countOf('rejected')[0] ?? 0);
  const oversold = Math.max(0, ...countOf('oversold'));
  const waiting = [...(found.waiting ?? []), ...undelivered(delivery)];
  const isRepaired = differences.every((one) => one.repaired);
  return {
    productId,
    ok: isRepaired && oversold === 0 && lost === 0 && waiting.length === 0,
    oversold,
    lost,
    deep: seen?.details !== undefined,
    dryRun: options.dryRun,
    generation: Number(cut.fields.get('generation') ?? 0),
    orders: cut.orders,
    rows: seen?.figures.rows ?? 0,
    lag: delivery?.lag ?? { 'persist-order': 0, 'update-rank': 0 },
    differences,
    warnings: found.warnings ?? [],
    waiting,
  };
}

function undelivered(delivery: Delivery | undefined): string[] {
  if (!delivery) return [];
  const { lag } = delivery;
  return (['persist-order', 'update-rank'] as const)
    .filter((group) => !delivery[group])
    .map((group) => `${lag[group]} events wait for ${group}`);
}

/** Counts what a reconciliation came to and logs what an operator should know; returns it. */
export function tellOf(metrics: Pick<PurchaseMetrics, 'countReconciliation'>, log: Log) {
  const warned = new Set<WarningCode>();
  return (found: Reconciliation): Reconciliation => {
    metrics.countReconciliation(found);
    const { productId, oversold, lost, differences, warnings } = found;
    for (const warning of warnings) {
      if (!warned.has(warning)) log.warn({ warning }, 'Redis is set up so that sales are at risk');
      warned.add(warning);
    }
    if (oversold + lost > 0) log.error({ productId, oversold, lost }, 'a promise is broken');
    if (differences.length > 0) log.warn({ productId, differences }, 'the stores differed');
    return found;
  };
}
