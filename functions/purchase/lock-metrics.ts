// What is told of the product locks: waits for them, renewals of the lease that they hang on, and
// how many are held and waited for.

import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { LockEvent, LockState } from '#lib/lock/lock.ts';

export interface LockMetrics {
  readonly countLockEvent: (event: LockEvent) => void;
  /** Reads the locks' state at each scrape. */
  readonly watchLocks: (state: () => LockState) => void;
}

/** A lease that ends because the instance leaves is `lease-ended`, and no loss. */
const leaseEvents: Readonly<Record<Exclude<LockEvent['type'], 'acquired'> | 'lease-ended', true>> =
  {
    ...{ 'lease-granted': true, 'lease-resumed': true, renewed: true, 'renewal-failed': true },
    ...{ 'lease-lost': true, 'lease-ended': true, woken: true },
    ...{ 'release-delayed': true, 'record-set-aside': true },
  };

export function createLockMetrics(registers: Registry[]): LockMetrics {
  const waits = new Histogram({
    name: 'seckill_lock_wait_seconds',
    help: 'From asking for a lock to holding it.',
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    registers,
  });
  const events = new Counter({
    name: 'seckill_lock_lease_events_total',
    help: 'Leases granted, resumed, renewed, lost and ended, renewals that failed; waiters woken.',
    labelNames: ['type'],
    registers,
  });
  for (const type of Object.keys(leaseEvents)) events.inc({ type }, 0);
  return {
    countLockEvent(event) {
      if (event.type === 'acquired') waits.observe(event.waitedMs / 1_000);
      else if (event.type === 'lease-lost' && event.reason === 'stopped') {
        events.inc({ type: 'lease-ended' });
      } else events.inc({ type: event.type });
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
      new Gauge({
        name: 'seckill_locks_waiting',
        help: 'Product locks that this instance waits for.',
        registers,
        collect() {
          this.set(state().waiting);
        },
      });
    },
  };
}
