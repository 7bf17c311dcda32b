// The trace of one request's purchases: each sampled one goes on here with a span of its own,
// which is what the event of its order will name.

import type { PurchaseAnswer } from '#lib/outcome.ts';
import type { Purchase } from '#lib/sale/sale.ts';
import type { Span, Tracing } from '#lib/telemetry/tracing.ts';
import type { Decide } from './purchase.ts';

/** `decide`, with the spans of what is sampled. */
export function traced(tracing: Tracing, decide: Decide): Decide {
  return async (productId, purchases) => {
    if (purchases.every(({ traceparent }) => traceparent === undefined)) {
      return decide(productId, purchases);
    }
    const begun = purchases.map((purchase) => begin(tracing, productId, purchase));
    const spans = begun.map(({ span }) => span);
    try {
      const answers = await decide(productId, begun);
      answerAll(spans, answers);
      return answers;
    } catch (error) {
      for (const span of spans) span?.fail(error);
      throw error;
    } finally {
      for (const span of spans) span?.end();
    }
  };
}

function begin(tracing: Tracing, productId: string, purchase: Purchase): Purchase {
  const span = tracing.join('purchase', 'server', purchase.traceparent);
  if (span === undefined) return { ...purchase, traceparent: undefined };
  span.set({ 'seckill.product.id': productId });
  span.enter('wait');
  return { ...purchase, traceparent: span.traceparent, span };
}

function answerAll(spans: readonly (Span | undefined)[], answers: readonly PurchaseAnswer[]): void {
  for (const [index, span] of spans.entries()) {
    if (span === undefined) continue;
    const outcome = answers[index]?.outcome ?? 'unavailable';
    span.set({ 'seckill.outcome': outcome });
    if (outcome === 'unavailable') span.fail(outcome);
  }
}
