// The trace of one delivery of an event: each sampled order in it goes on with a span of its own,
// also when it comes again. What is done for several events at once is a step of each.

import { ordersTopic } from '#lib/names.ts';
import type { Span, Tracing } from '#lib/telemetry/tracing.ts';
import type { OrderBatch } from './cloud-event.ts';

/** The spans of an event's sampled orders, which wait; undefined where nothing is sampled. */
export function spansOf(
  tracing: Tracing,
  { batchId, event }: OrderBatch,
): readonly Span[] | undefined {
  let spans: Span[] | undefined;
  for (const { traceparent } of event.orders) {
    if (traceparent === undefined) continue;
    const span = tracing.join(`process ${ordersTopic}`, 'consumer', traceparent);
    if (span === undefined) continue;
    span.set({ 'seckill.product.id': event.productId, 'messaging.message.id': batchId });
    span.enter('wait');
    spans ??= [];
    spans.push(span);
  }
  return spans;
}

/**
 * Does `work` for these events as the next step of each of their spans. It has a span of its own,
 * too, linked to theirs.
 */
export async function asStep<Result>(
  tracing: Tracing,
  name: string,
  batches: readonly Pick<OrderBatch, 'event' | 'spans'>[],
  work: () => Promise<Result>,
): Promise<Result> {
  const steps = batches.flatMap(({ spans = [] }) => spans.map((span) => span.enter(name)));
  if (steps.length === 0) return work();
  const together = tracing.batch(`${name} batch`, steps);
  const orders = batches.reduce((sum, { event }) => sum + event.orders.length, 0);
  together.set({ 'seckill.batch.size': orders });
  try {
    return await work();
  } catch (error) {
    for (const span of [together, ...steps]) span.fail(error);
    throw error;
  } finally {
    for (const span of [together, ...steps]) span.end();
  }
}
