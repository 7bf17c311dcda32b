// A buyer's own orders, as `purchase` tells them. Nobody sees another's.

import { orderIdPattern } from '#lib/constants.ts';
import { json, refuse } from './answers.ts';
import type { PurchaseClient } from './purchase-client.ts';
import { Unavailable } from './unavailable.ts';

export interface Orders {
  /** Newest first. */
  list(userId: string): Promise<Response>;
  one(userId: string, orderId: string): Promise<Response>;
  /** The order as JSON, or the answer to somebody who may not see it. */
  find(userId: string, orderId: string): Promise<{ text: string } | { fault: Response }>;
}

export function createOrders(purchase: PurchaseClient): Orders {
  const find: Orders['find'] = async (userId, orderId) => {
    if (!orderIdPattern.test(orderId)) {
      return fault('not_found', 'orderId: is not the id of an order');
    }
    const path = `/orders/${orderId}?userId=${encode(userId)}`;
    const { status, body } = await purchase.request({ method: 'GET', path });
    if (status === 404) return fault('not_found', 'orderId: there is no such order');
    if (status === 403) return fault('forbidden', 'orderId: this order is not yours');
    if (status !== 200) throw new Unavailable(`purchase answered ${status}`);
    return { text: body };
  };
  return {
    find,
    async list(userId) {
      const path = `/users/${encode(userId)}/orders`;
      const { status, body } = await purchase.request({ method: 'GET', path });
      if (status !== 200) throw new Unavailable(`purchase answered ${status}`);
      return json(body);
    },
    async one(userId, orderId) {
      const found = await find(userId, orderId);
      return 'fault' in found ? found.fault : json(found.text);
    },
  };
}

function fault(outcome: 'not_found' | 'forbidden', detail: string) {
  return { fault: refuse(outcome, { detail }).response };
}

/** Also what encodeURIComponent leaves but a URL parser would encode: both ends sign the path. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*~]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
