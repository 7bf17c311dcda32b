import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import golden from '#lib/order-event.v1.golden.json' with { type: 'json' };
import { createOrderMetrics } from './order-metrics.ts';

test('orders and units are counted from the events that are published, by class', async () => {
  const registry = new Registry();
  const classOf = (productId: string) => (productId === 'golden-v1' ? 'hot' : 'normal');
  const metrics = createOrderMetrics([registry], classOf);
  const { orders } = JSON.parse(golden.value) as { orders: { quantity: number }[] };
  const units = orders.reduce((sum, { quantity }) => sum + quantity, 0);
  metrics.countPublished('golden-v1', [golden.value, golden.value]);
  // A buyer who is called like a quantity counts for nothing.
  const name = JSON.stringify('x","quantity":900,"y');
  metrics.countPublished('tea', [`{"orders":[{"orderId":"a","userId":${name},"quantity":3}]}`]);
  const text = await registry.metrics();
  expect(units).toBeGreaterThan(orders.length);
  expect(text.split('\n')).toEqual(
    expect.arrayContaining([
      `seckill_accepted_orders_total{class="hot"} ${2 * orders.length}`,
      `seckill_accepted_units_total{class="hot"} ${2 * units}`,
      'seckill_accepted_orders_total{class="normal"} 1',
      'seckill_accepted_units_total{class="normal"} 3',
    ]),
  );
});
