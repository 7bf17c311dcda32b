// A purchase at the front door, in this order: who asks, what is asked, may it pass now, and what
// does `purchase` decide. Nothing is decided here; the same key asks the same question again.

import { crashPoint } from '#lib/crash-point.ts';
import { orderIdOf } from '#lib/order-id.ts';
import type { Admit } from './admit.ts';
import { type Answer, answerNotAdmitted, answerPurchase, answerUnidentified } from './answers.ts';
import type { Forward } from './forward.ts';
import type { Identify } from './identity.ts';
import { readPurchaseRequest } from './purchase-request.ts';

interface DependsOn {
  readonly identify: Identify;
  readonly admit: Admit;
  readonly forward: Forward;
}

/** Never rejects. `address` tells where the request comes from, if a limit asks. */
export type Buy = (request: Request, productId: string, address: () => string) => Promise<Answer>;

export function createBuy({ identify, admit, forward }: DependsOn): Buy {
  return async (request, productIdGiven, address) => {
    const identified = await identify(request.headers.get('authorization') ?? undefined);
    if (identified.outcome !== 'identified') return answerUnidentified(identified);
    const { userId } = identified.identity;

    const asked = await readPurchaseRequest(request, productIdGiven);
    if ('fault' in asked) return asked.fault;
    const { productId, key, ...rest } = asked;

    const admitted = await admit({ userId, productId, address });
    if (admitted.outcome !== 'admitted') return answerNotAdmitted(admitted);

    const orderId = orderIdOf(productId, userId, key);
    crashPoint('edge.admitted');
    const answer = await forward(productId, { orderId, userId, ...rest });
    crashPoint('edge.purchase-answered');
    return answerPurchase(productId, orderId, answer);
  };
}
