// A buyer's own orders, as `purchase` tells them. Nobody sees another's.

import { edgeForwardTimeoutMs, orderIdPattern } from '#lib/constants.ts';
import { json, refuse, refuseSeat } from './answers.ts';
import type { PurchaseClient } from './purchase-client.ts';
import { createSeats } from './seats.ts';
import { Unavailable } from './unavailable.ts';

export interface Orders {
  /** Newest first. */
  list(userId: string): Promise<Response>;
  one(userId: string, orderId: string): Promise<Response>;
  /** The order as JSON, or the answer to somebody who may not see it. */
  find(userId: string, orderId: string): Promise<{ text: string } | { fault: Response }>;
}

/** Reads under way. A page has one or two; a crowd of one user's own must not fill the hop. */
const readsMax = 128;
const readsPerUserMax = 8;

export function createOrders(purchase: PurchaseClient): Orders {
  const seats = createSeats({
    seatsMax: readsMax,
    perUserMax: readsPerUserMax,
    keptMs: edgeForwardTimeoutMs,
    onChange: () => undefined,
    now: () => performance.now(),
  });
  const seated = async (userId: string, read: () => Promise<Response>): Promise<Response> => {
    const seat = seats.take(userId);
    if (seat === 'full') throw new Unavailable('too many orders are read at once');
    if (!('free' in seat)) {
      return refuseSeat('you read your orders too often at once', {
        ...{ policy: 'reads', quota: readsPerUserMax, windowMs: edgeForwardTimeoutMs },
        retryAfterMs: seat.retryAfterMs,
      });
    }
    try {
      return await read();
    } finally {
      seat.free();
    }
  };
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
    list: (userId) =>
      seated(userId, async () => {
        const path = `/users/${encode(userId)}/orders`;
        const { status, body } = await purchase.request({ method: 'GET', path });
        if (status !== 200) throw new Unavailable(`purchase answered ${status}`);
        return json(body);
      }),
    one: (userId, orderId) =>
      seated(userId, async () => {
        const found = await find(userId, orderId);
        return 'fault' in found ? found.fault : json(found.text);
      }),
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
