// A sale's orders in pages: neither MySQL nor whoever reads holds others up with a big sale at once.
// Within one transaction all pages are of one moment.

import { and, asc, eq, gt, gte, or, type SQL } from 'drizzle-orm';
import { orders } from './schema.ts';

export const ordersPerPage = 5_000;

/** In the order of the index `orders_by_product`, which ends with the primary key. */
export const byAcceptance = [asc(orders.acceptedAt), asc(orders.orderId)];

/** The orders of a product after `last`, or all of them. */
export function ordersAfter(
  productId: string,
  last: Pick<typeof orders.$inferSelect, 'acceptedAt' | 'orderId'> | undefined,
): SQL | undefined {
  const { acceptedAt, orderId } = orders;
  return and(
    eq(orders.productId, productId),
    last && gte(acceptedAt, last.acceptedAt),
    last && or(gt(acceptedAt, last.acceptedAt), gt(orderId, last.orderId)),
  );
}
