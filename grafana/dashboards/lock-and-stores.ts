// *Lock and stores*: who may decide, how long a decision takes, and what it stands on.

import type { Board } from './dashboard.ts';
import { mean, percentile, perSecond, ratio } from './expressions.ts';
import type { Panel } from './panel.ts';

const leases = 'seckill_lock_lease_events_total';

const now: readonly Panel[] = [
  {
    ...{ kind: 'figure', title: 'Stores', unit: 'short' },
    description: 'Whether each answers every instance of purchase.',
    queries: [{ expr: 'min by (store) (seckill_store_up)', legend: '{{store}}' }],
    words: { '0': 'does not answer', '1': 'answers' },
    alerts: ['SeckillStoreDown'],
  },
  {
    ...{ kind: 'figure', title: 'Renewals that succeeded', unit: 'percentunit' },
    description: 'Of the leases that the locks hang on. Nothing where no instance holds one.',
    queries: [
      {
        expr: ratio(`${leases}{type="renewed"}`, `${leases}{type=~"renewed|renewal-failed"}`),
        legend: 'renewed',
      },
    ],
    alerts: ['SeckillLockNotRenewed'],
  },
  {
    ...{ kind: 'figure', title: 'Locks', unit: 'short' },
    description: 'Of products, by all instances of purchase.',
    queries: [
      { expr: 'sum(seckill_locks_held)', legend: 'held' },
      { expr: 'sum(seckill_locks_waiting)', legend: 'waited for' },
    ],
  },
  {
    ...{ kind: 'figure', title: 'Last reconciliation', unit: 's' },
    description: 'How long ago an instance that is seen compared a sale over all stores.',
    queries: [
      {
        expr: '(time() - max(seckill_reconcile_last_timestamp_seconds > 0)) or vector(-1)',
        legend: 'ago',
      },
    ],
    words: { '-1': 'none yet' },
  },
];

const lock: readonly Panel[] = [
  {
    ...{ kind: 'trend', title: 'Turns', unit: 's' },
    description:
      'How long a lock turn takes, from its call to Redis to its answers. Dashed: turns a second.',
    queries: [50, 99].map((percent) => ({
      expr: percentile(percent, 'seckill_turn_seconds'),
      legend: `${percent} % within`,
    })),
    right: {
      unit: 'ops',
      queries: [{ expr: perSecond('seckill_turn_seconds_count'), legend: 'turns' }],
    },
  },
  {
    ...{ kind: 'trend', title: 'Waits for a lock', unit: 's' },
    description: 'From asking for a product’s lock to holding it. Dashed: waits a second.',
    queries: [50, 99].map((percent) => ({
      expr: percentile(percent, 'seckill_lock_wait_seconds'),
      legend: `${percent} % within`,
    })),
    right: {
      unit: 'ops',
      queries: [{ expr: perSecond('seckill_lock_wait_seconds_count'), legend: 'waits' }],
    },
  },
  {
    ...{ kind: 'trend', title: 'Batch sizes', unit: 'short' },
    description:
      'Means: purchases that the edge sends on at once, that a turn decides at once; events in one ' +
      'send to Kafka.',
    queries: [
      { expr: mean('seckill_forward_batch_orders'), legend: 'purchases in a batch of the edge' },
      { expr: mean('seckill_turn_orders'), legend: 'purchases in a turn' },
      { expr: mean('seckill_kafka_send_events'), legend: 'events in a send' },
    ],
  },
  {
    ...{ kind: 'trend', title: 'Leases and hand-overs', unit: 'ops' },
    description:
      'Leases granted, resumed after a restart, renewed, lost and ended; waiters woken; releases ' +
      'that had to wait; records set aside because they were unreadable.',
    queries: [{ expr: perSecond(leases, 'type'), legend: '{{type}}' }],
    alerts: ['SeckillLockNotRenewed'],
  },
  {
    ...{ kind: 'trend', title: 'Refusals by Redis', unit: 'ops' },
    description:
      'Calls in which Redis decided nothing: fenced and acknowledge, the caller’s lock was ' +
      'somebody else’s already; other_generation and other_process, the sale was loaded anew; missing ' +
      'and loading, it has to be.',
    queries: [{ expr: perSecond('seckill_fence_refusals_total', 'reason'), legend: '{{reason}}' }],
  },
  {
    ...{ kind: 'trend', title: 'Sales loaded again', unit: 'ops' },
    description:
      'Into Redis, from MySQL and Kafka: at the start of a sale, and where Redis lost it.',
    queries: [{ expr: perSecond('seckill_rebuilds_total'), legend: 'loaded' }],
  },
];

const stores: readonly Panel[] = [
  {
    ...{ kind: 'trend', title: 'Sends to Kafka', unit: 's' },
    description:
      'How long a send takes until all in-sync replicas have it. Dashed: sends a second, by whether ' +
      'they were acknowledged.',
    queries: [50, 99].map((percent) => ({
      expr: percentile(percent, 'seckill_kafka_send_seconds'),
      legend: `${percent} % within`,
    })),
    right: {
      unit: 'ops',
      queries: [
        {
          expr: perSecond('seckill_kafka_sends_total', 'acknowledged'),
          legend: 'acknowledged: {{acknowledged}}',
        },
      ],
    },
    alerts: ['SeckillOutboxStuck'],
  },
  {
    ...{ kind: 'trend', title: 'Stores that answer', unit: 'short' },
    description: '1: every instance of purchase has answers from it. 0: at least one has none.',
    queries: [{ expr: 'min by (store) (seckill_store_up)', legend: '{{store}}' }],
    alerts: ['SeckillStoreDown'],
  },
  {
    ...{ kind: 'trend', title: 'Reconciliations', unit: 'ops' },
    description: 'Sales compared over all stores, by whether all was well in the end.',
    queries: [{ expr: perSecond('seckill_reconciliations_total', 'ok'), legend: 'well: {{ok}}' }],
    alerts: ['SeckillOversold', 'SeckillLost'],
  },
  {
    ...{ kind: 'trend', title: 'Differences found and repaired', unit: 'ops' },
    description: 'Between the stores, by what differs. Dashed: repairs, by how.',
    queries: [
      { expr: perSecond('seckill_reconcile_differences_total', 'code'), legend: '{{code}}' },
    ],
    right: {
      unit: 'ops',
      queries: [
        {
          expr: perSecond('seckill_reconcile_repairs_total', 'repair'),
          legend: 'repair: {{repair}}',
        },
      ],
    },
    alerts: ['SeckillOversold', 'SeckillLost'],
  },
];

const processes: readonly Panel[] = [
  {
    ...{ kind: 'trend', title: 'Event loop', unit: 's' },
    description:
      'How late the event loop is: 99 % of its rounds were less late. What is late answers late. ' +
      'Dashed: share of time spent on collecting garbage.',
    queries: [
      {
        expr: 'max by (function, instance) (nodejs_eventloop_lag_p99_seconds{job="seckill"})',
        legend: '{{function}} {{instance}}',
      },
    ],
    right: {
      unit: 'percentunit',
      queries: [
        {
          expr: 'sum by (function, instance) (rate(nodejs_gc_duration_seconds_sum{job="seckill"}[$__rate_interval]))',
          legend: '{{function}} {{instance}}, garbage',
        },
      ],
    },
    alerts: ['SeckillCpu'],
  },
  {
    ...{ kind: 'trend', title: 'Network', unit: 'Bps' },
    description: 'What the kernel counted for each function’s pods, loopback left out.',
    queries: [
      {
        expr: perSecond('seckill_network_receive_bytes_total', 'function'),
        legend: '{{function}}, received',
      },
      {
        expr: perSecond('seckill_network_transmit_bytes_total', 'function'),
        legend: '{{function}}, sent',
      },
    ],
  },
  {
    ...{ kind: 'trend', title: 'Heap', unit: 'bytes' },
    description: 'Of JavaScript, used; the largest instance of each function.',
    queries: [
      {
        expr: 'max by (function) (nodejs_heap_size_used_bytes{job="seckill"})',
        legend: '{{function}}',
      },
    ],
  },
];

export const lockAndStores: Board = {
  uid: 'seckill-lock-and-stores',
  title: 'Lock and stores',
  description: 'The lock that lets one instance decide, and the stores that everything stands on.',
  sections: [
    { title: 'Now', panels: now, span: 6, height: 5 },
    { title: 'Lock', panels: lock, span: 12, height: 9 },
    { title: 'Stores', panels: stores, span: 12, height: 9 },
    { title: 'Processes', panels: processes, span: 8, height: 9 },
  ],
};
