// Looks for tests: instances that have counted what a test says.

import type { Sale } from '#functions/purchase/catalogue.ts';
import type { Standing } from '#functions/purchase/standing.ts';
import type { Series } from './exposition.ts';
import type { Instance, Look } from './look.ts';

/** Values by `name{label="value"}` with at most one label. */
export function seriesOf(values: Readonly<Record<string, number>>): Series[] {
  return Object.entries(values).map(([text, value]) => {
    const [, name = '', label, is] = /^(\w+)(?:\{(\w+)="(.*)"\})?$/.exec(text) ?? [];
    return { name, labels: label === undefined ? {} : { [label]: is ?? '' }, value };
  });
}

export function anInstance(
  given: Partial<Omit<Instance, 'series'>> & {
    readonly counts?: Record<string, number> | undefined;
  },
): Instance {
  const { counts, ...rest } = given;
  return {
    ...{ function: 'ratelimit-edge', id: rest.name ?? 'pod-1', name: 'pod-1', node: 'n1' },
    ...{ state: 'ready', restarts: 0, trouble: undefined },
    ...rest,
    series: counts && seriesOf({ process_start_time_seconds: 1_000, ...counts }),
  };
}

export function aLook(atSeconds: number, given: Partial<Look> = {}): Look {
  return {
    atMs: startMs + atSeconds * 1_000,
    instances: [],
    wanted: { 'ratelimit-edge': 1, purchase: 1, 'persist-order': 1, 'update-rank': 1 },
    ...{ standing: undefined, planned: [], lostWarmth: [], notes: [] },
    ...given,
  };
}

export const startMs = Date.parse('2026-12-01T12:00:00Z');

export function aStanding(given: Partial<Standing> = {}, atSeconds = 0): Standing {
  return {
    at: new Date(startMs + atSeconds * 1_000).toISOString(),
    sales: [aSale()],
    stores: { Redis: true, MySQL: true, etcd: true, Kafka: true },
    lagEvents: { 'persist-order': 0, 'update-rank': 0 },
    deadLetters: { 'persist-order': 0, 'update-rank': 0 },
    ...given,
  };
}

export function aSale(given: Partial<Sale> = {}): Sale {
  return {
    ...{ productId: 'phone', name: 'Phone 手机', unitPrice: 100, currency: 'CNY', limitPerUser: 1 },
    ...{ stock: 1_000, left: 400, sold: 600, pending: 0, state: 'open', generation: 1 },
    ...{ opensAt: '2026-12-01T12:00:00.000000Z', closesAt: null, now: '' },
    ...{ loaded: true, settled: false },
    ...given,
  };
}
