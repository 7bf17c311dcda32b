// One batch of purchases over HTTP, and what `purchase` says to each of them. An answer that is
// not exactly one known outcome per purchase is no answer.

import { OUTCOMES, type PurchaseAnswer } from '#lib/outcome.ts';
import type { Log } from '#lib/telemetry/log.ts';
import { traceOf } from '#lib/telemetry/tracing.ts';
import type { SendBatch } from './forward.ts';
import type { EdgeMetrics } from './metrics.ts';
import type { PurchaseClient } from './purchase-client.ts';
import { Unavailable } from './unavailable.ts';

interface DependsOn {
  readonly purchase: PurchaseClient;
  readonly log: Log;
  readonly metrics: Pick<EdgeMetrics, 'batchSent'>;
}

/** A hundred bytes for each of the fullest batch are enough; nobody fills our memory. */
const bytesMax = 64 * 1_024;
/** A batch is a purchase of many: it is said once in a while that they fail, not each time. */
const sayEveryMs = 10_000;

export function createSendBatch({ purchase, log, metrics }: DependsOn): SendBatch {
  let saidAtMs = Number.NEGATIVE_INFINITY;
  let failed = 0;
  const noteFailure = (error: unknown, traceparent: string | undefined) => {
    failed += 1;
    if (performance.now() - saidAtMs < sayEveryMs) return;
    const told = { err: error, batches: failed, ...traceOf({ traceparent }) };
    log.warn(told, 'purchase has not answered batches');
    saidAtMs = performance.now();
    failed = 0;
  };
  return async (productId, purchases, traceparent) => {
    metrics.batchSent(purchases.length);
    try {
      const { status, body } = await purchase.request({
        method: 'POST',
        path: `/products/${productId}/purchases`,
        body: JSON.stringify({ purchases }),
        // For proxies on the way, who know nothing of what is in a batch.
        ...(traceparent === undefined ? {} : { headers: { traceparent } }),
        isRepeatable: true,
        bytesMax,
      });
      if (status !== 200) throw new Unavailable(`purchase answered ${status}`);
      return parseAnswers(body, purchases.length);
    } catch (error) {
      noteFailure(error, traceparent);
      throw error;
    }
  };
}

function parseAnswers(body: string, count: number): PurchaseAnswer[] {
  let answers: unknown;
  try {
    ({ answers } = JSON.parse(body) as { answers?: unknown });
  } catch (error) {
    throw new Unavailable('purchase did not answer with JSON', { cause: error });
  }
  if (!Array.isArray(answers) || answers.length !== count || !answers.every(isAnswer)) {
    throw new Unavailable('purchase did not answer each purchase');
  }
  return answers;
}

/** Checked by hand: it is on the way of every purchase, and both ends ship together. */
function isAnswer(value: unknown): value is PurchaseAnswer {
  if (typeof value !== 'object' || value === null || !('outcome' in value)) return false;
  const { outcome } = value;
  if (typeof outcome !== 'string' || !Object.hasOwn(OUTCOMES, outcome)) return false;
  if (outcome !== 'accepted' && outcome !== 'replayed') return true;
  return 'quantity' in value && typeof value.quantity === 'number';
}
