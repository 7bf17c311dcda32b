// What each buyer bought in a sale, derived from the accepted orders.

import type { AcceptedOrders } from './accepted-orders.ts';
import type { Rows } from './facts.ts';
import { createPace } from './pace.ts';

/** What one buyer bought in this sale. */
export interface BuyerTotals {
  readonly firstAtUs: number;
  readonly quantity: number;
}

/** Orders that gave their units back count for nothing. */
export function gaveBack(rows: Rows, orderId: string): boolean {
  const status = rows.get(orderId)?.status;
  return status === 'cancelled' || status === 'rejected';
}

/** Who bought what, by the accepted orders, and by the rows whose events are gone. */
export function* buyersOf(
  accepted: AcceptedOrders,
  rows: Rows,
): Generator<void, ReadonlyMap<string, BuyerTotals>> {
  const buyers = new Map<string, BuyerTotals>();
  const add = (userId: string, quantity: number, firstAtUs: number) => {
    const buyer = buyers.get(userId) ?? { firstAtUs, quantity: 0 };
    buyers.set(userId, {
      firstAtUs: Math.min(buyer.firstAtUs, firstAtUs),
      quantity: buyer.quantity + quantity,
    });
  };
  const isDue = createPace();
  for (const [orderId, { order }] of accepted.byId) {
    if (isDue()) yield;
    if (!gaveBack(rows, orderId)) add(order.userId, order.quantity, order.userFirstAt);
  }
  for (const [orderId, row] of rows) {
    if (isDue()) yield;
    if (accepted.byId.has(orderId) || row.status !== 'confirmed') continue;
    add(row.userId, row.quantity, row.userFirstAt);
  }
  return buyers;
}
