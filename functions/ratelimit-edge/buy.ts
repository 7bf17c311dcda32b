// A purchase at the front door, in this order: who asks, what is asked, is everybody refused
// anyhow, may it pass now, and what does `purchase` decide. Nothing is decided here; the same key
// asks the same question again.

import { crashPoint } from '#lib/crash-point.ts';
import { orderIdOf } from '#lib/order-id.ts';
import type { Span } from '#lib/telemetry/tracing.ts';
import type { Admit } from './admit.ts';
import { type Answer, answerNotAdmitted, answerPurchase, answerUnidentified } from './answers.ts';
import type { Forward } from './forward.ts';
import type { Identify } from './identity.ts';
import type { EdgeMetrics } from './metrics.ts';
import { readPurchaseRequest } from './purchase-request.ts';
import type { Refusals } from './refusals.ts';

interface DependsOn {
  readonly identify: Identify;
  readonly refusals: Refusals;
  readonly admit: Admit;
  readonly forward: Forward;
  readonly metrics: Pick<EdgeMetrics, 'refusedFromMemory'>;
}

/**
 * Never rejects. `address` tells where the request comes from, if a limit asks; `span` is there
 * where the request is sampled.
 */
export type Buy = (
  request: Request,
  productId: string,
  address: () => string,
  span?: Span,
) => Promise<Answer>;

export function createBuy(deps: DependsOn): Buy {
  const { identify, refusals, admit, forward, metrics } = deps;
  return async (request, productIdGiven, address, span) => {
    span?.enter('identify');
    const identified = await identify(request.headers.get('authorization') ?? undefined);
    if (identified.outcome !== 'identified') return answerUnidentified(identified);
    const { userId } = identified.identity;

    span?.enter('receive');
    const asked = await readPurchaseRequest(request, productIdGiven);
    if ('fault' in asked) return asked.fault;
    const { productId, key, quantity } = asked;

    const orderId = orderIdOf(productId, userId, key);
    span?.enter('recall');
    const refusal = await refusals.lookUp(productId, orderId);
    if (refusal !== undefined) {
      metrics.refusedFromMemory(refusal.outcome);
      return answerPurchase(productId, orderId, refusal);
    }

    span?.enter('limit');
    const admitted = await admit({ userId, productId, address });
    if (admitted.outcome !== 'admitted') return answerNotAdmitted(admitted);

    crashPoint('edge.admitted');
    const sentAtMs = performance.now();
    span?.enter('queue');
    const answer = await forward(productId, { orderId, userId, quantity }, span);
    crashPoint('edge.purchase-answered');
    refusals.learn(productId, answer, sentAtMs);
    return answerPurchase(productId, orderId, answer);
  };
}
