import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import type { Reconciliation } from '#lib/reconcile/report.ts';
import { createMetrics } from './metrics.ts';

const found: Reconciliation = {
  ...{ productId: 'phone', ok: false, oversold: 2, lost: 3, deep: true, dryRun: false },
  ...{ generation: 1, orders: 5, rows: 5, lag: { 'persist-order': 0, 'update-rank': 0 } },
  ...{ warnings: [], waiting: [] },
  differences: [
    { code: 'boards', count: 7, found: 'the boards are wrong', repair: 'restore', repaired: true },
    { code: 'row_missing', count: 3, found: 'no row', repair: 'republish', repaired: false },
  ],
};

test('a reconciliation is counted by what differed, what was repaired and what is broken', async () => {
  const registry = new Registry();
  createMetrics(registry, () => 'normal').countReconciliation(found);
  const text = await registry.metrics();
  expect(text.split('\n')).toEqual(
    expect.arrayContaining([
      'seckill_reconciliations_total{ok="false"} 1',
      'seckill_reconcile_differences_total{code="boards"} 1',
      'seckill_reconcile_differences_total{code="row_missing"} 1',
      'seckill_reconcile_repairs_total{repair="restore"} 1',
      'seckill_reconcile_oversold_units_total 2',
      'seckill_reconcile_lost_orders_total 3',
    ]),
  );
  expect(text).toContain('seckill_reconcile_repairs_total{repair="republish"} 0');
  expect(text).toMatch(/^seckill_reconcile_last_timestamp_seconds \d/m);
  // Products are no labels: their number has no bound.
  expect(text).not.toContain('phone');
});

test('stock lookups are there from the first scrape on, before anybody buys', async () => {
  const registry = new Registry();
  const metrics = createMetrics(registry, () => 'normal');
  const hits = () => registry.getSingleMetricAsString('seckill_stock_lookups_total');
  expect(await hits()).toContain('seckill_stock_lookups_total{result="miss"} 0');
  metrics.countStockLookups('hit', 5);
  metrics.countCacheLookup('whereabouts', false);
  expect(await hits()).toContain('seckill_stock_lookups_total{result="hit"} 5');
  expect(await registry.getSingleMetricAsString('seckill_cache_lookups_total')).toContain(
    'seckill_cache_lookups_total{cache="whereabouts",result="miss"} 1',
  );
});
