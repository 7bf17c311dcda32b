// A buyer's own orders, as `purchase` tells them. Nobody sees another's.

import { orderIdPattern } from '#lib/constants.ts';
import { json, refuse } from './answers.ts';
import type { PurchaseClient } from './purchase-client.ts';
import { Unavailable } from './unavailable.ts';

export interface Orders {
  /** Newest first. */
  list(userId: string): Promise<Response>;
  one(userId: string, orderId: string): Promise<Response>;
}

export function createOrders(purchase: PurchaseClient): Orders {
  return {
    async list(userId) {
      const path = `/users/${encode(userId)}/orders`;
      const { status, body } = await purchase.request({ method: 'GET', path });
      if (status !== 200) throw new Unavailable(`purchase answered ${status}`);
      return json(body);
    },
    async one(userId, orderId) {
      if (!orderIdPattern.test(orderId)) {
        return refuse('not_found', { detail: 'orderId: is not the id of an order' }).response;
      }
      const path = `/orders/${orderId}?userId=${encode(userId)}`;
      const { status, body } = await purchase.request({ method: 'GET', path });
      if (status === 404) {
        return refuse('not_found', { detail: 'orderId: there is no such order' }).response;
      }
      if (status === 403) {
        return refuse('forbidden', { detail: 'orderId: this order is not yours' }).response;
      }
      if (status !== 200) throw new Unavailable(`purchase answered ${status}`);
      return json(body);
    },
  };
}

/** Also what encodeURIComponent leaves but a URL parser would encode: both ends sign the path. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*~]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
