// The trace of one batch to `purchase`: each sampled purchase takes the context of its own step
// along, and the batch has a span of its own, linked to theirs.

import type { Span, Tracing } from '#lib/telemetry/tracing.ts';
import type { ForwardedPurchase } from './forward.ts';

interface Item {
  readonly purchase: ForwardedPurchase;
  readonly span: Span | undefined;
}

export interface BatchTrace {
  /** As they are sent. */
  readonly purchases: readonly ForwardedPurchase[];
  /** The batch's own, where one of them is sampled. */
  readonly traceparent?: string;
  ended(isAnswered: boolean): void;
}

const untraced = () => undefined;

export function traceBatch(tracing: Tracing, items: readonly Item[]): BatchTrace {
  const steps: Span[] = [];
  const purchases = items.map(({ purchase, span }) => {
    if (span === undefined) return purchase;
    const step = span.enter('forward', { kind: 'client' });
    steps.push(step);
    return { ...purchase, traceparent: step.traceparent };
  });
  if (steps.length === 0) return { purchases, ended: untraced };
  const batch = tracing.batch('forward batch', steps);
  batch.set({ 'seckill.batch.size': items.length });
  return {
    purchases,
    traceparent: batch.traceparent,
    ended(isAnswered) {
      if (!isAnswered) for (const span of [batch, ...steps]) span.fail('unavailable');
      batch.end();
    },
  };
}
