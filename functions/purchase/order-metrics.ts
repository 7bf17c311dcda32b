// What is told of orders on their way: those that Kafka has for good, the sends that brought them
// there, and how often Redis refused to decide because the caller or the sale was not fit for it.

import { Counter, Histogram, type Registry } from 'prom-client';
import { type ProductClass, productClasses } from '#lib/product-class.ts';
import type { SellResult } from '#lib/sale/sale.ts';

/** Why Redis decided nothing: `acknowledge` is the refusal to one that came too late to publish. */
export type FenceRefusal = Exclude<SellResult['kind'], 'decided' | 'leftovers'> | 'acknowledge';

const fenceRefusals: Readonly<Record<FenceRefusal, true>> = {
  ...{ fenced: true, other_generation: true, other_process: true },
  ...{ missing: true, loading: true, acknowledge: true },
};

export interface OrderMetrics {
  /** These events are in Kafka for good, and out of the outbox. */
  readonly countPublished: (productId: string, events: readonly string[]) => void;
  readonly countSend: (events: number, acknowledged: boolean, tookMs: number) => void;
  readonly countFenceRefusal: (reason: FenceRefusal) => void;
}

export function createOrderMetrics(
  registers: Registry[],
  classOf: (productId: string) => ProductClass,
): OrderMetrics {
  const labelNames = ['class'] as const;
  const orders = new Counter({
    name: 'seckill_accepted_orders_total',
    help: 'Orders that Kafka has for good, whether their buyer has been told yet or not.',
    labelNames,
    registers,
  });
  const units = new Counter({
    name: 'seckill_accepted_units_total',
    help: 'Units of the orders that Kafka has for good.',
    labelNames,
    registers,
  });
  for (const one of productClasses) {
    orders.inc({ class: one }, 0);
    units.inc({ class: one }, 0);
  }
  const refusals = new Counter({
    name: 'seckill_fence_refusals_total',
    help: 'Calls in which Redis decided nothing, by why: an old token (fenced, acknowledge), another generation, another Redis process, a sale that is missing or being loaded.',
    labelNames: ['reason'],
    registers,
  });
  for (const reason of Object.keys(fenceRefusals)) refusals.inc({ reason }, 0);
  return {
    ...{ countSend: sendCounter(registers) },
    countPublished(productId, events) {
      const of = { class: classOf(productId) };
      for (const data of events) {
        // In a text of JSON, what a user is called has its quotes escaped.
        const quantities = [...data.matchAll(/,"quantity":(\d+)/g)];
        orders.inc(of, quantities.length);
        units.inc(
          of,
          quantities.reduce((sum, [, quantity]) => sum + Number(quantity), 0),
        );
      }
    },
    countFenceRefusal(reason) {
      refusals.inc({ reason });
    },
  };
}

function sendCounter(registers: Registry[]): OrderMetrics['countSend'] {
  const sends = new Counter({
    name: 'seckill_kafka_sends_total',
    help: 'Sends to Kafka by whether they were acknowledged.',
    labelNames: ['acknowledged'],
    registers,
  });
  for (const acknowledged of ['true', 'false']) sends.inc({ acknowledged }, 0);
  const sendEvents = new Histogram({
    name: 'seckill_kafka_send_events',
    help: 'Events in one send to Kafka.',
    buckets: [1, 2, 5, 10, 20, 50],
    registers,
  });
  const sendSeconds = new Histogram({
    name: 'seckill_kafka_send_seconds',
    help: 'How long a send to Kafka took, acknowledged or not.',
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    registers,
  });
  return (events, acknowledged, tookMs) => {
    sends.inc({ acknowledged: String(acknowledged) });
    sendEvents.observe(events);
    sendSeconds.observe(tookMs / 1_000);
  };
}
