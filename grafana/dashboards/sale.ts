// *Sale*: what an operator looks at while a sale is on. The seed's six panels, below what is at
// stake, above what explains them.

import type { Board } from './dashboard.ts';
import { mean, percentile, perSecond, ratio, share, total } from './expressions.ts';
import type { Panel } from './panel.ts';

const requests = 'seckill_requests_total';
const purchaseOnly = '{route="purchase"}';

const atStake: readonly Panel[] = [
  {
    ...{ kind: 'figure', title: 'Promises broken', unit: 'short' },
    description:
      'Units sold twice or beyond the stock, accepted orders lost, and accepted orders that became ' +
      'rows without units, as reconciliations and persist-order found them. All must stay 0.',
    queries: [
      { expr: total('seckill_reconcile_oversold_units_total'), legend: 'oversold' },
      { expr: total('seckill_reconcile_lost_orders_total'), legend: 'lost' },
      { expr: total('seckill_rejected_orders_total'), legend: 'rejected' },
    ],
    threshold: 'SeckillOversold',
    alerts: ['SeckillOversold', 'SeckillLost', 'SeckillRejected'],
  },
  {
    ...{ kind: 'figure', title: 'Orders', unit: 'short' },
    description:
      'Accepted: Kafka has them for good. Confirmed: rows in MySQL, each counted once. Counted since ' +
      'the start of each instance that was seen in the time shown; exact totals: kn-seckill verify.',
    queries: [
      { expr: total('seckill_accepted_orders_total'), legend: 'accepted' },
      { expr: total('seckill_confirmed_orders_total'), legend: 'confirmed' },
    ],
  },
  {
    ...{ kind: 'figure', title: 'Units left', unit: 'short' },
    description:
      'In the sales that are not settled, by class (SECKILL_HOT_PRODUCTS are hot). Nothing where ' +
      'no instance of purchase is awake to tell.',
    queries: [{ expr: 'max by (class) (seckill_left_units)', legend: '{{class}}' }],
  },
  {
    ...{ kind: 'figure', title: 'Sales by state', unit: 'short' },
    description: 'Sales that are not settled. Nothing where no instance of purchase is awake.',
    queries: [{ expr: 'max by (state) (seckill_sales)', legend: '{{state}}' }],
  },
  {
    ...{ kind: 'figure', title: 'Next opening', unit: 'dateTimeFromNow' },
    description: 'When the next scheduled sale opens; an alert calls where nobody is ready for it.',
    queries: [{ expr: 'max(seckill_next_opening_timestamp_seconds) * 1000', legend: 'opens' }],
    words: { '0': 'none is scheduled' },
    alerts: ['SeckillNotReady'],
  },
  {
    ...{ kind: 'figure', title: 'Instances ready', unit: 'short' },
    description: 'None between sales: functions start from zero.',
    queries: [{ expr: 'sum by (function) (seckill_ready)', legend: '{{function}}' }],
  },
];

const six: readonly Panel[] = [
  {
    ...{ kind: 'trend', title: 'Requests and answers', unit: 'reqps' },
    description:
      'Purchases answered a second, by result: succeeded (202, and 200 for a repetition), refused ' +
      '(sold out, closed, malformed …), limited (429), failed (503). Dashed: how long they took.',
    queries: [{ expr: perSecond(requests, 'result'), legend: '{{result}}' }],
    right: {
      unit: 's',
      queries: [50, 99].map((percent) => ({
        expr: percentile(percent, 'seckill_request_duration_seconds', '', purchaseOnly),
        legend: `${percent} % within`,
      })),
    },
  },
  {
    ...{ kind: 'trend', title: 'Rate-limited and failed', unit: 'percentunit' },
    description:
      'Which share of purchases was answered 429 (the line: its alert, after 5 minutes) and 503. ' +
      'Dashed: refusals a second, by the tier whose bucket was empty.',
    queries: [
      { expr: share(`${requests}{result="limited"}`, requests), legend: 'limited' },
      { expr: share(`${requests}{result="failed"}`, requests), legend: 'failed' },
    ],
    right: {
      unit: 'reqps',
      queries: [
        { expr: perSecond('seckill_rate_limited_total', 'tier'), legend: 'limited by {{tier}}' },
      ],
    },
    threshold: 'SeckillRateLimited',
    alerts: ['SeckillRateLimited', 'SeckillUnavailable'],
  },
  {
    ...{ kind: 'trend', title: 'Consume rate and delay', unit: 's' },
    description:
      'From the acceptance of an order to the end of its consumption (its row, its place on the ' +
      'boards): 95 % were faster. Dashed: orders consumed a second.',
    queries: [
      {
        expr: percentile(95, 'seckill_consume_delay_seconds', 'function'),
        legend: '{{function}}: 95 % within',
      },
    ],
    right: {
      unit: 'ops',
      queries: [
        { expr: perSecond('seckill_consumed_orders_total', 'function'), legend: '{{function}}' },
      ],
    },
    threshold: 'SeckillConsumeDelay',
    alerts: ['SeckillConsumeDelay', 'SeckillDeliveryStopped'],
  },
  {
    ...{ kind: 'trend', title: 'Cache hit rate and stock', unit: 'percentunit' },
    description:
      'Which share of decided purchases found the stock in Redis as it was; the others loaded the ' +
      'sale from MySQL first. Nothing where nothing was decided. Dashed: units left and on sale.',
    queries: [
      {
        expr: ratio('seckill_stock_lookups_total{result="hit"}', 'seckill_stock_lookups_total'),
        legend: 'found in Redis',
      },
    ],
    right: {
      unit: 'short',
      queries: [
        { expr: 'max by (class) (seckill_left_units)', legend: 'left, {{class}}' },
        { expr: 'max by (class) (seckill_stock_units)', legend: 'on sale, {{class}}' },
      ],
    },
    threshold: 'SeckillStockHitRate',
    alerts: ['SeckillStockHitRate'],
  },
  {
    ...{ kind: 'trend', title: 'Lock renewal', unit: 'ops' },
    description:
      'Each instance of purchase renews the lease of its locks every 3 s, and loses it after 10 s ' +
      'without. Dashed: product locks held and waited for.',
    queries: [
      {
        expr: perSecond(
          'seckill_lock_lease_events_total{type=~"renewed|renewal-failed|lease-lost"}',
          'type',
        ),
        legend: '{{type}}',
      },
    ],
    right: {
      unit: 'short',
      queries: [
        { expr: 'sum(seckill_locks_held)', legend: 'locks held' },
        { expr: 'sum(seckill_locks_waiting)', legend: 'locks waited for' },
      ],
    },
    alerts: ['SeckillLockNotRenewed'],
  },
  {
    ...{ kind: 'trend', title: 'CPU and memory', unit: 'percentunit' },
    description:
      'CPU of each instance, as a share of one core: its JavaScript is one thread. Dashed: resident ' +
      'memory.',
    queries: [
      {
        expr: 'sum by (function, instance) (rate(process_cpu_seconds_total{job="seckill"}[$__rate_interval]))',
        legend: '{{function}} {{instance}}',
      },
    ],
    right: {
      unit: 'bytes',
      queries: [
        {
          expr: 'sum by (function, instance) (process_resident_memory_bytes{job="seckill"})',
          legend: '{{function}} {{instance}}, memory',
        },
      ],
    },
    threshold: 'SeckillCpu',
    alerts: ['SeckillCpu'],
  },
];

const more: readonly Panel[] = [
  {
    ...{ kind: 'trend', title: 'Answers by outcome', unit: 'reqps' },
    description: 'What buyers were told, by the outcomes of lib/outcome.ts.',
    queries: [{ expr: perSecond(requests, 'outcome'), legend: '{{outcome}}' }],
  },
  {
    ...{ kind: 'trend', title: 'How long requests take, by route', unit: 's' },
    description: '99 % were faster. Nothing for a route that nobody asks.',
    queries: [
      { expr: percentile(99, 'seckill_request_duration_seconds', 'route'), legend: '{{route}}' },
    ],
  },
  {
    ...{ kind: 'trend', title: 'Decided by purchase, by outcome', unit: 'ops' },
    description: 'What a lock turn decided. What the edge refuses itself is not among it.',
    queries: [{ expr: perSecond('seckill_purchases_total', 'outcome'), legend: '{{outcome}}' }],
  },
  {
    ...{ kind: 'trend', title: 'Refused from memory, by outcome', unit: 'ops' },
    description: 'What the edge refused by itself, because purchase had said so a moment before.',
    queries: [
      { expr: perSecond('seckill_refused_from_memory_total', 'outcome'), legend: '{{outcome}}' },
    ],
  },
  {
    ...{ kind: 'trend', title: 'Orders and units, by class', unit: 'ops' },
    description:
      'Accepted (Kafka has them) and confirmed (rows) a second; where the second stays below the ' +
      'first, rows wait. Dashed: units sold a second.',
    queries: [
      { expr: perSecond('seckill_accepted_orders_total', 'class'), legend: 'accepted, {{class}}' },
      {
        expr: perSecond('seckill_confirmed_orders_total', 'class'),
        legend: 'confirmed, {{class}}',
      },
    ],
    right: {
      unit: 'ops',
      queries: [
        { expr: perSecond('seckill_accepted_units_total', 'class'), legend: 'units, {{class}}' },
      ],
    },
  },
  {
    ...{ kind: 'trend', title: 'Remembered by purchase', unit: 'ops' },
    description:
      'What an instance of purchase knew (hit) or asked a store for (miss): where a sale is, and ' +
      'which products do not exist.',
    queries: [
      {
        expr: perSecond('seckill_cache_lookups_total', 'cache, result'),
        legend: '{{cache}}: {{result}}',
      },
    ],
  },
  {
    ...{ kind: 'trend', title: 'Buyers who watch their order', unit: 'short' },
    description: 'Open streams of order events. Dashed: purchases sent on in one batch, mean.',
    queries: [{ expr: 'sum(seckill_order_streams)', legend: 'streams' }],
    right: {
      unit: 'short',
      queries: [{ expr: mean('seckill_forward_batch_orders'), legend: 'purchases in a batch' }],
    },
  },
  {
    ...{ kind: 'trend', title: 'Start-up time', unit: 's' },
    description:
      'From the start of the process until it was ready for the first time; the longest.',
    queries: [{ expr: 'max by (function) (seckill_startup_seconds)', legend: '{{function}}' }],
  },
];

export const sale: Board = {
  uid: 'seckill-sale',
  title: 'Sale',
  description: 'A sale as it happens: what is at stake, the six panels, and what explains them.',
  sections: [
    { title: 'At stake', panels: atStake, span: 4, height: 6 },
    { title: 'The sale', panels: six, span: 12, height: 10 },
    { title: 'More about it', panels: more, span: 12, height: 9 },
  ],
};
