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
