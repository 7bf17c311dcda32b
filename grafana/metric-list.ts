// Every metric of ours as the functions register it, and what it is for: the text of metrics.md,
// and what the dashboards, alerts and tests go by.

import type { Registry } from 'prom-client';
import { createPersistMetrics } from '#functions/persist-order/metrics.ts';
import { createMetrics } from '#functions/purchase/metrics.ts';
import type { Standing } from '#functions/purchase/standing.ts';
import { watchStanding } from '#functions/purchase/standing-metrics.ts';
import { createEdgeMetrics } from '#functions/ratelimit-edge/metrics.ts';
import { createRankMetrics } from '#functions/update-rank/metrics.ts';
import { type FunctionName, functionNames } from '#knative/local/build.ts';
import { createReadiness } from '#lib/http/serve.ts';
import { createSinkMetrics } from '#lib/http/sink.ts';
import { createRegistry, watchReadiness } from '#lib/telemetry/metrics.ts';

export interface Metric {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly labels: readonly string[];
  /** Which functions have it. */
  readonly functions: readonly FunctionName[];
}

const unknownStanding: Standing = {
  ...{ at: '', sales: null, lagEvents: null, deadLetters: null },
  stores: { Redis: 'none', MySQL: 'none', etcd: 'none', Kafka: 'none' },
};

/** What a function registers, without a store and without a port. */
export function registryOf(name: FunctionName): Registry {
  const registry = createRegistry(name);
  watchReadiness(registry, createReadiness());
  switch (name) {
    case 'ratelimit-edge':
      createEdgeMetrics(registry);
      break;
    case 'purchase':
      createMetrics(registry, () => 'normal').watchLocks(() => ({
        ...{ renewals: { ok: 0, failed: 0 }, leasesLost: 0, held: 0, waiting: 0, wakeUps: 0 },
      }));
      watchStanding(registry, {
        read: () => Promise.resolve(unknownStanding),
        oldestPendingAtUs: () => Promise.resolve(undefined),
        classOf: () => 'normal',
        now: Date.now,
      });
      break;
    case 'persist-order':
      createSinkMetrics(registry);
      createPersistMetrics(registry);
      break;
    case 'update-rank':
      createSinkMetrics(registry);
      createRankMetrics(registry);
      break;
  }
  return registry;
}

/** All metrics that begin with `seckill_`, by name. */
export function listMetrics(): readonly Metric[] {
  const found = new Map<string, Metric>();
  for (const of of functionNames) {
    for (const metric of registryOf(of).getMetricsAsArray()) {
      const { name, help, type, labelNames = [] } = metric as unknown as RegisteredMetric;
      if (!name.startsWith('seckill_')) continue;
      const functions = [...(found.get(name)?.functions ?? []), of];
      found.set(name, { name, type, help, labels: labelNames, functions });
    }
  }
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** As prom-client keeps it; its types leave out what it is. */
interface RegisteredMetric {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly labelNames?: readonly string[];
}

/** Who reads a metric: a panel of a dashboard, or an alert. Each has at least one. */
export const uses: Readonly<Record<string, string>> = {
  seckill_requests_total: 'Sale: requests and answers; SeckillRateLimited, SeckillUnavailable',
  seckill_request_duration_seconds: 'Sale: requests and answers (how long they took, by route)',
  seckill_rate_limited_total: 'Sale: rate-limited and failed, by tier',
  seckill_refused_from_memory_total: 'Sale: rate-limited and failed (told from memory)',
  seckill_forward_batch_orders: 'Lock and stores: batch sizes',
  seckill_order_streams: 'Sale: requests and answers (buyers who watch their order)',
  seckill_purchases_total: 'Sale: requests and answers (as purchase decided)',
  seckill_accepted_orders_total: 'Sale: orders accepted, by class',
  seckill_accepted_units_total: 'Sale: stock (units sold a second, by class)',
  seckill_confirmed_orders_total: 'Sale: orders confirmed, by class (a row in MySQL)',
  seckill_stock_units: 'Sale: cache hit rate and stock',
  seckill_left_units: 'Sale: cache hit rate and stock',
  seckill_sales: 'Sale: sales by state',
  seckill_stock_lookups_total: 'Sale: cache hit rate and stock; SeckillStockHitRate',
  seckill_cache_lookups_total: 'Sale: cache hit rate and stock',
  seckill_next_opening_timestamp_seconds: 'Sale: next opening; SeckillNotReady',
  seckill_ready: 'Sale: instances ready, by function; SeckillNotReady, SeckillLockNotRenewed',
  seckill_startup_seconds: 'Sale: start-up time',
  seckill_network_receive_bytes_total: 'Sale: CPU and memory (network)',
  seckill_network_transmit_bytes_total: 'Sale: CPU and memory (network)',
  seckill_consume_delay_seconds: 'Sale: consume rate and delay; SeckillConsumeDelay',
  seckill_consumed_orders_total: 'Sale: consume rate and delay; SeckillDeliveryStopped',
  seckill_events_total: 'Delivery: events by answer',
  seckill_event_refusals_total: 'Delivery: events refused, by reason',
  seckill_events_in_flight: 'Delivery: events under way',
  seckill_event_orders: 'Delivery: orders in an event',
  seckill_delivery_lag_events: 'Delivery: events that wait; SeckillDeliveryStopped',
  seckill_dead_letters: 'Delivery: dead letters; SeckillDeadLetters',
  seckill_persisted_orders_total: 'Delivery: orders by what became of them',
  seckill_rejected_orders_total: 'Delivery: promises; SeckillRejected',
  seckill_status_notes_total: 'Delivery: notes of statuses',
  seckill_persist_transaction_events: 'Delivery: rows in a transaction',
  seckill_persist_transaction_orders: 'Delivery: rows in a transaction',
  seckill_persist_retries_total: 'Delivery: transactions done again',
  seckill_board_updates_total: 'Delivery: boards',
  seckill_board_update_members: 'Delivery: boards (buyers in an update)',
  seckill_board_update_events: 'Delivery: boards (events folded into one)',
  seckill_outbox_orders: 'Lock and stores: outbox',
  seckill_outbox_oldest_seconds: 'Lock and stores: outbox; SeckillOutboxStuck',
  seckill_turn_orders: 'Lock and stores: turns and batch sizes',
  seckill_turn_seconds: 'Lock and stores: how long a turn takes',
  seckill_kafka_sends_total: 'Lock and stores: sends to Kafka',
  seckill_kafka_send_events: 'Lock and stores: batch sizes',
  seckill_kafka_send_seconds: 'Lock and stores: sends to Kafka',
  seckill_lock_wait_seconds: 'Sale: lock renewal (waits); Lock and stores: waits for a lock',
  seckill_lock_lease_events_total: 'Sale: lock renewal; SeckillLockNotRenewed',
  seckill_locks_held: 'Sale: lock renewal (state)',
  seckill_locks_waiting: 'Sale: lock renewal (state)',
  seckill_fence_refusals_total: 'Lock and stores: refusals by Redis',
  seckill_rebuilds_total: 'Lock and stores: sales loaded again',
  seckill_store_up: 'Lock and stores: stores that answer; SeckillStoreDown',
  seckill_reconciliations_total: 'Lock and stores: reconciliations',
  seckill_reconcile_differences_total: 'Lock and stores: differences found',
  seckill_reconcile_repairs_total: 'Lock and stores: differences repaired',
  seckill_reconcile_oversold_units_total: 'Sale: promises; SeckillOversold',
  seckill_reconcile_lost_orders_total: 'Sale: promises; SeckillLost',
  seckill_reconcile_last_timestamp_seconds: 'Lock and stores: reconciliations (how long ago)',
};
