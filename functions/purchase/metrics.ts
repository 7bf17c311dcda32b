// What `purchase` counts.

import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { OUTCOMES, type PurchaseAnswer } from '#lib/outcome.ts';
import type { ProductClass } from '#lib/product-class.ts';
import {
  differenceCodes,
  type Reconciliation,
  repairs as repairKinds,
} from '#lib/reconcile/report.ts';
import { createLockMetrics, type LockMetrics } from './lock-metrics.ts';
import { createOrderMetrics, type OrderMetrics } from './order-metrics.ts';

export interface PurchaseMetrics extends LockMetrics, OrderMetrics {
  readonly countTurn: (answers: readonly PurchaseAnswer[], tookMs: number) => void;
  readonly countRebuild: () => void;
  readonly countReconciliation: (found: Reconciliation) => void;
  /** So many purchases were decided, from Redis as it was (`hit`) or not (`miss`). */
  readonly countStockLookups: (result: 'hit' | 'miss', purchases: number) => void;
  readonly countCacheLookup: (cache: 'whereabouts' | 'unknown_products', hit: boolean) => void;
}

/** Registers the metrics. */
export function createMetrics(
  registry: Registry,
  classOf: (productId: string) => ProductClass,
): PurchaseMetrics {
  const registers = [registry];
  const rebuilds = new Counter({
    name: 'seckill_rebuilds_total',
    help: 'Sales loaded into Redis from MySQL and Kafka.',
    registers,
  });
  return {
    ...turnCounters(registers),
    ...createOrderMetrics(registers, classOf),
    ...createLockMetrics(registers),
    ...reconciliationCounters(registers),
    ...lookupCounters(registers),
    countRebuild() {
      rebuilds.inc();
    },
  };
}

function turnCounters(registers: Registry[]): Pick<PurchaseMetrics, 'countTurn'> {
  const purchases = new Counter({
    name: 'seckill_purchases_total',
    help: 'Purchases that a turn decided, by what they came to.',
    labelNames: ['outcome'],
    registers,
  });
  for (const outcome of Object.keys(OUTCOMES)) purchases.inc({ outcome }, 0);
  const orders = new Histogram({
    name: 'seckill_turn_orders',
    help: 'Purchases decided in one lock turn.',
    buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500],
    registers,
  });
  const seconds = new Histogram({
    name: 'seckill_turn_seconds',
    help: 'One lock turn, from its call to Redis to its answers.',
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    registers,
  });
  return {
    countTurn(answers, tookMs) {
      orders.observe(answers.length);
      seconds.observe(tookMs / 1_000);
      for (const { outcome } of answers) purchases.inc({ outcome });
    },
  };
}

function reconciliationCounters(
  registers: Registry[],
): Pick<PurchaseMetrics, 'countReconciliation'> {
  const runs = new Counter({
    name: 'seckill_reconciliations_total',
    help: 'Sales compared over all stores, by whether all was well in the end.',
    labelNames: ['ok'],
    registers,
  });
  const differences = new Counter({
    name: 'seckill_reconcile_differences_total',
    help: 'Differences between the stores that a reconciliation found, by what differs.',
    labelNames: ['code'],
    registers,
  });
  const repairs = new Counter({
    name: 'seckill_reconcile_repairs_total',
    help: 'Differences that a reconciliation repaired, by how.',
    labelNames: ['repair'],
    registers,
  });
  for (const ok of ['true', 'false']) runs.inc({ ok }, 0);
  for (const code of differenceCodes) differences.inc({ code }, 0);
  for (const repair of repairKinds) repairs.inc({ repair }, 0);
  const oversold = new Counter({
    name: 'seckill_reconcile_oversold_units_total',
    help: 'Units found sold twice or beyond the stock, counted at every look. Must stay 0.',
    registers,
  });
  const lost = new Counter({
    name: 'seckill_reconcile_lost_orders_total',
    help: 'Accepted orders found without a row that nothing brings back. Must stay 0.',
    registers,
  });
  const last = new Gauge({
    name: 'seckill_reconcile_last_timestamp_seconds',
    help: 'When this instance last compared a sale, since 1970.',
    registers,
  });
  return {
    countReconciliation(found) {
      runs.inc({ ok: String(found.ok) });
      for (const { code, repair, repaired } of found.differences) {
        differences.inc({ code });
        if (repaired && repair) repairs.inc({ repair });
      }
      oversold.inc(found.oversold);
      lost.inc(found.lost);
      last.setToCurrentTime();
    },
  };
}

function lookupCounters(
  registers: Registry[],
): Pick<PurchaseMetrics, 'countStockLookups' | 'countCacheLookup'> {
  const stock = new Counter({
    name: 'seckill_stock_lookups_total',
    help:
      'Purchases that were decided, by where their stock was: hit, in Redis as it was; miss, ' +
      'in MySQL, from which the sale was loaded first or which answered itself (off sale).',
    labelNames: ['result'],
    registers,
  });
  const caches = new Counter({
    name: 'seckill_cache_lookups_total',
    help: 'What this instance remembered for a moment (hit), or asked a store for (miss).',
    labelNames: ['cache', 'result'],
    registers,
  });
  // From the first scrape on, so that the rate of the first is not lost.
  for (const result of ['hit', 'miss'] as const) {
    stock.inc({ result }, 0);
    for (const cache of ['whereabouts', 'unknown_products']) caches.inc({ cache, result }, 0);
  }
  return {
    countStockLookups(result, purchases) {
      stock.inc({ result }, purchases);
    },
    countCacheLookup(cache, hit) {
      caches.inc({ cache, result: hit ? 'hit' : 'miss' });
    },
  };
}
