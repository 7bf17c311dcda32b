// What Prometheus learns from persist-order besides what every sink tells.

import { Counter, Histogram, type Registry } from 'prom-client';
import { contentions } from '#lib/mysql/contention.ts';
import { type ProductClass, productClasses } from '#lib/product-class.ts';
import { type OrderResult, orderResults, rejectionReasons } from './decide.ts';
import type { WrittenBatch } from './split.ts';
import type { Watch } from './write.ts';

export interface PersistMetrics {
  readonly orders: Counter<'result'>;
  readonly confirmed: Counter<'class'>;
  readonly rejections: Counter<'reason'>;
  readonly notes: Counter<'result'>;
  readonly transactionEvents: Histogram;
  readonly transactionOrders: Histogram;
  readonly retries: Counter<'reason'>;
}

export function createPersistMetrics(registry: Registry): PersistMetrics {
  const registers = [registry];
  const metrics: PersistMetrics = {
    orders: new Counter({
      name: 'seckill_persisted_orders_total',
      help: 'Orders by what became of them: confirmed and rejected are rows, repeated were rows, dropped are of an older generation, unwritable are what no row can hold.',
      labelNames: ['result'],
      registers,
    }),
    confirmed: new Counter({
      name: 'seckill_confirmed_orders_total',
      help: 'Orders that became a row with its units, each counted once.',
      labelNames: ['class'],
      registers,
    }),
    rejections: new Counter({
      name: 'seckill_rejected_orders_total',
      help: 'Accepted orders that became a row without units, by the reason: each breaks a promise.',
      labelNames: ['reason'],
      registers,
    }),
    notes: new Counter({
      name: 'seckill_status_notes_total',
      help: 'Notes of the orders’ statuses in Redis, one for each event: noted or failed.',
      labelNames: ['result'],
      registers,
    }),
    transactionEvents: new Histogram({
      name: 'seckill_persist_transaction_events',
      help: 'Events that one transaction has written.',
      buckets: [1, 2, 5, 10, 20, 50, 100],
      registers,
    }),
    transactionOrders: new Histogram({
      name: 'seckill_persist_transaction_orders',
      help: 'Orders in the events that one transaction has written.',
      buckets: [1, 10, 50, 100, 200, 500, 1_000, 2_000, 4_000],
      registers,
    }),
    retries: new Counter({
      name: 'seckill_persist_retries_total',
      help: 'Transactions done again: after a deadlock or a lock’s time-out, because something in it was known, or because MySQL refused a row (then in parts).',
      labelNames: ['reason'],
      registers,
    }),
  };
  for (const result of [...orderResults, 'unwritable']) metrics.orders.inc({ result }, 0);
  for (const one of productClasses) metrics.confirmed.inc({ class: one }, 0);
  for (const reason of rejectionReasons) metrics.rejections.inc({ reason }, 0);
  for (const result of ['noted', 'failed']) metrics.notes.inc({ result }, 0);
  for (const reason of [...contentions, 'known', 'refused']) metrics.retries.inc({ reason }, 0);
  return metrics;
}

/** Counts what became of a batch's orders, which are of a product of this class. */
export function countOrders(
  { orders, confirmed, rejections }: PersistMetrics,
  productClass: ProductClass,
  { counts, rejections: rejected, unwritable = [] }: WrittenBatch,
): void {
  confirmed.inc({ class: productClass }, counts.confirmed);
  for (const [result, count] of Object.entries(counts) as [OrderResult, number][]) {
    orders.inc({ result }, count);
  }
  orders.inc({ result: 'unwritable' }, unwritable.length);
  for (const reason of rejectionReasons) rejections.inc({ reason }, rejected[reason]);
}

/** Counts transactions. */
export function watchOf(metrics: PersistMetrics): Watch {
  return {
    committed(events, orders) {
      metrics.transactionEvents.observe(events);
      metrics.transactionOrders.observe(orders);
    },
    again(reason) {
      metrics.retries.inc({ reason });
    },
  };
}
