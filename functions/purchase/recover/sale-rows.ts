// A sale's rows in pages, so that neither MySQL nor we hold a big sale at once. Within one
// transaction all pages are of one moment.

import { and, asc, eq, gt } from 'drizzle-orm';
import { byAcceptance, ordersAfter, ordersPerPage } from '#lib/mysql/order-pages.ts';
import { orders, orderUnits } from '#lib/mysql/schema.ts';
import type { Transaction } from '../operate/operation.ts';

export type SoldOrder = Pick<
  typeof orders.$inferSelect,
  'orderId' | 'userId' | 'quantity' | 'status' | 'acceptedAt' | 'userFirstAt'
>;
export type SoldUnit = Pick<typeof orderUnits.$inferSelect, 'unit' | 'orderId'>;

export interface SaleRows {
  /** By acceptance. */
  readonly orders: AsyncIterable<readonly SoldOrder[]>;
  /** By number. */
  readonly units: AsyncIterable<readonly SoldUnit[]>;
}

type Reader = Pick<Transaction, 'select'>;

const unitsPerPage = 20_000;

export function saleRowsOf(db: Reader, productId: string): SaleRows {
  return { orders: orderPages(db, productId), units: unitPages(db, productId) };
}

async function* orderPages(db: Reader, productId: string): AsyncGenerator<SoldOrder[]> {
  const { orderId, userId, quantity, status, acceptedAt, userFirstAt } = orders;
  let last: SoldOrder | undefined;
  do {
    const page = await db
      .select({ orderId, userId, quantity, status, acceptedAt, userFirstAt })
      .from(orders)
      .where(ordersAfter(productId, last))
      .orderBy(...byAcceptance)
      .limit(ordersPerPage);
    yield page;
    last = page.length < ordersPerPage ? undefined : page.at(-1);
  } while (last !== undefined);
}

async function* unitPages(db: Reader, productId: string): AsyncGenerator<SoldUnit[]> {
  const { unit, orderId } = orderUnits;
  let last = 0;
  do {
    const page = await db
      .select({ unit, orderId })
      .from(orderUnits)
      .where(and(eq(orderUnits.productId, productId), gt(unit, last)))
      .orderBy(asc(unit))
      .limit(unitsPerPage);
    yield page;
    last = page.length < unitsPerPage ? 0 : (page.at(-1)?.unit ?? 0);
  } while (last > 0);
}
