// What the edge counts. Labels come from closed lists only.

import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { type Tier, tiers } from '#lib/buckets/limits.ts';
import { OUTCOMES, type Outcome } from '#lib/outcome.ts';
import type { Refusal } from '#lib/sale/refusal.ts';

export const routeNames = [
  'purchase',
  'products',
  'orders',
  'order-events',
  'leaderboard',
  'operator',
  'document',
] as const;
export type RouteName = (typeof routeNames)[number];

const remembered: Readonly<Record<Refusal['outcome'], true>> = {
  ...{ not_open: true, sold_out: true, ended: true, paused: true },
};
/** What the edge can refuse by itself. */
export const rememberedOutcomes: readonly string[] = Object.keys(remembered);

export interface EdgeMetrics {
  /** One purchase request was answered; with the tier that has refused it, if one has. */
  purchaseAnswered(outcome: Outcome, limitedBy?: Tier): void;
  /** A purchase was refused here as `purchase` had refused others a moment before. */
  refusedFromMemory(outcome: Refusal['outcome']): void;
  /** Any request to a known route was answered, since `startedAtMs` (performance.now). */
  answered(route: RouteName, startedAtMs: number): void;
  batchSent(orders: number): void;
  /** So many streams of order events are open. */
  streamsOpen(open: number): void;
}

export function createEdgeMetrics(registry: Registry): EdgeMetrics {
  const requests = new Counter({
    name: 'seckill_requests_total',
    help: 'Purchase requests answered, by outcome',
    labelNames: ['outcome', 'result'],
    registers: [registry],
  });
  const limited = new Counter({
    name: 'seckill_rate_limited_total',
    help: 'Purchase requests refused by a token bucket, by tier',
    labelNames: ['tier'],
    registers: [registry],
  });
  const fromMemory = new Counter({
    name: 'seckill_refused_from_memory_total',
    help: 'Purchase requests refused without asking purchase, by outcome',
    labelNames: ['outcome'],
    registers: [registry],
  });
  const durations = new Histogram({
    name: 'seckill_request_duration_seconds',
    help: 'From the request to its answer',
    labelNames: ['route'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [registry],
  });
  const batches = new Histogram({
    name: 'seckill_forward_batch_orders',
    help: 'Purchases sent on in one batch',
    buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256],
    registers: [registry],
  });
  const streams = new Gauge({
    name: 'seckill_order_streams',
    help: 'Open streams of order events',
    registers: [registry],
  });
  // From zero on, so that the first of its kind is an increase.
  for (const [outcome, { result }] of Object.entries(OUTCOMES)) {
    requests.inc({ outcome, result }, 0);
  }
  for (const route of routeNames) durations.zero({ route });
  for (const tier of tiers) limited.inc({ tier }, 0);
  for (const outcome of rememberedOutcomes) fromMemory.inc({ outcome }, 0);
  return {
    purchaseAnswered(outcome, limitedBy) {
      requests.inc({ outcome, result: OUTCOMES[outcome].result });
      if (limitedBy !== undefined) limited.inc({ tier: limitedBy });
    },
    refusedFromMemory(outcome) {
      fromMemory.inc({ outcome });
    },
    answered(route, startedAtMs) {
      durations.observe({ route }, (performance.now() - startedAtMs) / 1_000);
    },
    batchSent(orders) {
      batches.observe(orders);
    },
    streamsOpen(open) {
      streams.set(open);
    },
  };
}
