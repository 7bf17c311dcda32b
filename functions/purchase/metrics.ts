// What `purchase` counts.

import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { LockEvent, LockState } from '#lib/lock/lock.ts';
import type { PurchaseAnswer } from '#lib/outcome.ts';

export interface PurchaseMetrics {
  readonly countTurn: (answers: readonly PurchaseAnswer[]) => void;
  readonly countSend: (events: number, acknowledged: boolean) => void;
  readonly countRebuild: () => void;
  readonly countLockEvent: (event: LockEvent) => void;
  /** Reads the locks' state at each scrape. */
  readonly watchLocks: (state: () => LockState) => void;
}

/** Registers the metrics. */
export function createMetrics(registry: Registry): PurchaseMetrics {
  const registers = [registry];
  const purchases = new Counter({
    name: 'seckill_purchases_total',
    help: 'Purchases that a turn decided, by what they came to.',
    labelNames: ['outcome'],
    registers,
  });
  const turnOrders = new Histogram({
    name: 'seckill_turn_orders',
    help: 'Purchases decided in one lock turn.',
    buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500],
    registers,
  });
  const sends = new Counter({
    name: 'seckill_kafka_sends_total',
    help: 'Sends to Kafka by whether they were acknowledged.',
    labelNames: ['acknowledged'],
    registers,
  });
  const rebuilds = new Counter({
    name: 'seckill_rebuilds_total',
    help: 'Sales loaded into Redis from MySQL and Kafka.',
    registers,
  });
  const lockWait = new Histogram({
    name: 'seckill_lock_wait_seconds',
    help: 'From asking for a lock to holding it.',
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    registers,
  });
  const leaseEvents = new Counter({
    name: 'seckill_lock_lease_events_total',
    help: 'Leases granted, resumed, renewed, lost, and renewals that failed.',
    labelNames: ['type'],
    registers,
  });
  return {
    countTurn(answers) {
      turnOrders.observe(answers.length);
      for (const { outcome } of answers) purchases.inc({ outcome });
    },
    countSend(_events, acknowledged) {
      sends.inc({ acknowledged: String(acknowledged) });
    },
    countRebuild() {
      rebuilds.inc();
    },
    countLockEvent(event) {
      if (event.type === 'acquired') lockWait.observe(event.waitedMs / 1_000);
      else leaseEvents.inc({ type: event.type });
    },
    watchLocks(state) {
      new Gauge({
        name: 'seckill_locks_held',
        help: 'Product locks that this instance holds.',
        registers,
        collect() {
          this.set(state().held);
        },
      });
    },
  };
}
