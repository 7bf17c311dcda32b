// *Delivery*: from the outbox over Kafka and the sources to rows and boards, in this order.

import type { Board } from './dashboard.ts';
import { mean, percentile, perSecond, total } from './expressions.ts';
import type { Panel } from './panel.ts';

const now: readonly Panel[] = [
  {
    ...{ kind: 'figure', title: 'Dead letters', unit: 'short' },
    description: 'Nobody has decided about them: `kn-seckill dead-letters list`.',
    queries: [{ expr: 'max by (sink) (seckill_dead_letters)', legend: '{{sink}}' }],
    threshold: 'SeckillDeadLetters',
    alerts: ['SeckillDeadLetters'],
  },
  {
    ...{ kind: 'figure', title: 'Events that wait', unit: 'short' },
    description: 'In Kafka, not answered for by the sink.',
    queries: [{ expr: 'max by (sink) (seckill_delivery_lag_events)', legend: '{{sink}}' }],
    alerts: ['SeckillDeliveryStopped'],
  },
  {
    ...{ kind: 'figure', title: 'Oldest order in an outbox', unit: 's' },
    description: 'How long it has waited for Kafka; 0 where the outboxes are empty.',
    queries: [{ expr: 'max(seckill_outbox_oldest_seconds)', legend: 'waits for' }],
    threshold: 'SeckillOutboxStuck',
    alerts: ['SeckillOutboxStuck'],
  },
  {
    ...{ kind: 'figure', title: 'Orders rejected', unit: 'short' },
    description: 'Accepted orders that became rows without units. Each breaks a promise.',
    queries: [{ expr: total('seckill_rejected_orders_total', 'reason'), legend: '{{reason}}' }],
    threshold: 'SeckillRejected',
    alerts: ['SeckillRejected'],
  },
];

const onTheWay: readonly Panel[] = [
  {
    ...{ kind: 'trend', title: 'Outbox', unit: 's' },
    description:
      'How long the oldest order has waited for Kafka. Dashed: orders accepted and not known to be ' +
      'in Kafka.',
    queries: [{ expr: 'max(seckill_outbox_oldest_seconds)', legend: 'oldest' }],
    right: {
      unit: 'short',
      queries: [{ expr: 'max(seckill_outbox_orders)', legend: 'orders in outboxes' }],
    },
    threshold: 'SeckillOutboxStuck',
    alerts: ['SeckillOutboxStuck'],
  },
  {
    ...{ kind: 'trend', title: 'Events that wait, by source', unit: 'short' },
    description: 'In Kafka and not answered for. Dashed: events that a sink has at this moment.',
    queries: [{ expr: 'max by (sink) (seckill_delivery_lag_events)', legend: '{{sink}}' }],
    right: {
      unit: 'short',
      queries: [
        {
          expr: 'sum by (function) (seckill_events_in_flight)',
          legend: '{{function}}, under way',
        },
      ],
    },
    alerts: ['SeckillDeliveryStopped'],
  },
  {
    ...{ kind: 'trend', title: 'Delay', unit: 's' },
    description: 'From the acceptance of an order to the end of its consumption.',
    queries: [50, 95, 99].map((percent) => ({
      expr: percentile(percent, 'seckill_consume_delay_seconds', 'function'),
      legend: `{{function}}: ${percent} % within`,
    })),
    threshold: 'SeckillConsumeDelay',
    alerts: ['SeckillConsumeDelay'],
  },
  {
    ...{ kind: 'trend', title: 'Events by answer', unit: 'ops' },
    description:
      'Answers: done; retry (503: the source sends it again, then it is a dead letter); never (422: a dead ' +
      'letter at once).',
    queries: [
      {
        expr: perSecond('seckill_events_total', 'function, result'),
        legend: '{{function}}: {{result}}',
      },
    ],
    alerts: ['SeckillDeadLetters'],
  },
  {
    ...{ kind: 'trend', title: 'Events refused, by reason', unit: 'ops' },
    description: 'Refused for good: not ours, not of a version that is known, not signed, too big.',
    queries: [
      {
        expr: perSecond('seckill_event_refusals_total', 'function, reason'),
        legend: '{{function}}: {{reason}}',
      },
    ],
    alerts: ['SeckillDeadLetters'],
  },
  {
    ...{ kind: 'trend', title: 'Dead letters', unit: 'short' },
    description: 'Those that nobody has decided about.',
    queries: [{ expr: 'max by (sink) (seckill_dead_letters)', legend: '{{sink}}' }],
    threshold: 'SeckillDeadLetters',
    alerts: ['SeckillDeadLetters'],
  },
];

const rows: readonly Panel[] = [
  {
    ...{ kind: 'trend', title: 'Orders by what became of them', unit: 'ops' },
    description:
      'Became confirmed: a row with its units; rejected: a row without; repeated: was a row; dropped: of an ' +
      'older generation of the sale; unwritable: no row can hold it.',
    queries: [
      { expr: perSecond('seckill_persisted_orders_total', 'result'), legend: '{{result}}' },
    ],
    alerts: ['SeckillRejected'],
  },
  {
    ...{ kind: 'trend', title: 'Orders rejected, by reason', unit: 'ops' },
    description: 'Accepted, and then without units. Must stay 0.',
    queries: [{ expr: perSecond('seckill_rejected_orders_total', 'reason'), legend: '{{reason}}' }],
    alerts: ['SeckillRejected'],
  },
  {
    ...{ kind: 'trend', title: 'Events and orders in a transaction', unit: 'short' },
    description:
      'Means. Events that come at the same time share a transaction. Dashed: orders in an event, by ' +
      'sink.',
    queries: [
      { expr: mean('seckill_persist_transaction_events'), legend: 'events in a transaction' },
      { expr: mean('seckill_persist_transaction_orders'), legend: 'orders in a transaction' },
    ],
    right: {
      unit: 'short',
      queries: [
        {
          expr: mean('seckill_event_orders', 'function'),
          legend: 'orders in an event, {{function}}',
        },
      ],
    },
  },
  {
    ...{ kind: 'trend', title: 'Transactions done again', unit: 'ops' },
    description:
      'After a deadlock or a wait for a lock, because something in it was known, or because MySQL ' +
      'refused a row (then in parts).',
    queries: [{ expr: perSecond('seckill_persist_retries_total', 'reason'), legend: '{{reason}}' }],
  },
  {
    ...{ kind: 'trend', title: 'Notes of statuses', unit: 'ops' },
    description:
      'Where a buyer reads that the order is confirmed. A note that failed is mended later.',
    queries: [{ expr: perSecond('seckill_status_notes_total', 'result'), legend: '{{result}}' }],
  },
  {
    ...{ kind: 'trend', title: 'Boards', unit: 'ops' },
    description:
      'Boards brought up to events: joined, a score changed; known, none did; older, the event was ' +
      'of an older sale. Dashed: events and buyers folded into one update, means.',
    queries: [{ expr: perSecond('seckill_board_updates_total', 'result'), legend: '{{result}}' }],
    right: {
      unit: 'short',
      queries: [
        { expr: mean('seckill_board_update_events'), legend: 'events in an update' },
        { expr: mean('seckill_board_update_members'), legend: 'buyers in an update' },
      ],
    },
  },
];

export const delivery: Board = {
  uid: 'seckill-delivery',
  title: 'Delivery',
  description: 'How accepted orders become rows and places on the boards.',
  sections: [
    { title: 'Now', panels: now, span: 6, height: 5 },
    { title: 'On the way', panels: onTheWay, span: 12, height: 9 },
    { title: 'Rows and boards', panels: rows, span: 12, height: 9 },
  ],
};
