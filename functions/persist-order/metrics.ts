// What Prometheus learns from persist-order besides what every sink tells.

import { Counter, type Registry } from 'prom-client';
import { type BatchResult, type OrderResult, orderResults } from './decide.ts';

export interface PersistMetrics {
  readonly orders: Counter<'result'>;
  readonly notes: Counter<'result'>;
}

export function createPersistMetrics(registry: Registry): PersistMetrics {
  const registers = [registry];
  const metrics: PersistMetrics = {
    orders: new Counter({
      name: 'seckill_persisted_orders_total',
      help: 'Orders by what became of them: confirmed and rejected are rows, repeated were rows, dropped are of an older generation.',
      labelNames: ['result'],
      registers,
    }),
    notes: new Counter({
      name: 'seckill_status_notes_total',
      help: 'Notes of the orders’ statuses in Redis, one for each event: noted or failed.',
      labelNames: ['result'],
      registers,
    }),
  };
  for (const result of orderResults) metrics.orders.inc({ result }, 0);
  for (const result of ['noted', 'failed']) metrics.notes.inc({ result }, 0);
  return metrics;
}

export function countOrders({ orders }: PersistMetrics, { counts }: BatchResult): void {
  for (const [result, count] of Object.entries(counts) as [OrderResult, number][]) {
    orders.inc({ result }, count);
  }
}
