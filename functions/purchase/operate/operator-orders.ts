// The orders of a sale as operators see them: whose they are, and which units they hold.

import { and, desc, eq, lt, or } from 'drizzle-orm';
import type { MysqlClient } from '#lib/mysql/connect.ts';
import { orders, orderUnits } from '#lib/mysql/schema.ts';
import type { UnitRange } from '#lib/order-event.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import type { Order } from '#lib/sale/live-order.ts';
import { rangesOf } from '#lib/sale/order-record.ts';
import { findAnyOrder, orderOf } from '../orders.ts';

/** An order in a list. */
export interface OperatorOrder extends Order {
  readonly userId: string;
}

/** One order, with the numbers of its units; none until its row is there, or once it has none. */
export interface OrderDetails extends OperatorOrder {
  readonly units: readonly UnitRange[];
}

interface Dependencies {
  readonly redis: RedisClient;
  readonly mysql: MysqlClient;
}

/** The order, or undefined where there is none. Throws where nobody could tell. */
export async function findOperatorOrder(
  dependencies: Dependencies,
  orderId: string,
): Promise<OrderDetails | undefined> {
  const found = await findAnyOrder(dependencies, orderId);
  if (!found) return undefined;
  const { order, userId } = found;
  const { productId } = order;
  const rows = await dependencies.mysql.db
    .select({ unit: orderUnits.unit })
    .from(orderUnits)
    .where(and(eq(orderUnits.productId, productId), eq(orderUnits.orderId, orderId)));
  return { ...order, userId, units: rangesOf(rows.map(({ unit }) => unit)) };
}

export interface OrdersAsked {
  readonly productId: string;
  readonly userId?: string | undefined;
  readonly status?: 'confirmed' | 'rejected' | 'cancelled' | undefined;
  /** The last order of the page before. */
  readonly after?: string | undefined;
  readonly limit: number;
}

export interface OrdersPage {
  readonly orders: readonly OperatorOrder[];
  /** What to ask `after` for the next page; null where there is none. */
  readonly next: string | null;
}

/**
 * Orders of a product that have a row, the newest first, page by page; undefined where `after` is
 * no order of this product.
 */
export async function listOperatorOrders(
  { db }: MysqlClient,
  { productId, userId, status, after, limit }: OrdersAsked,
): Promise<OrdersPage | undefined> {
  const ofProduct = eq(orders.productId, productId);
  const [last] =
    after === undefined
      ? []
      : await db
          .select()
          .from(orders)
          .where(and(eq(orders.orderId, after), ofProduct));
  if (after !== undefined && !last) return undefined;
  const rows = await db
    .select()
    .from(orders)
    .where(
      and(
        ofProduct,
        userId === undefined ? undefined : eq(orders.userId, userId),
        status === undefined ? undefined : eq(orders.status, status),
        last &&
          or(
            lt(orders.acceptedAt, last.acceptedAt),
            and(eq(orders.acceptedAt, last.acceptedAt), lt(orders.orderId, last.orderId)),
          ),
      ),
    )
    .orderBy(desc(orders.acceptedAt), desc(orders.orderId))
    .limit(limit + 1);
  const page = rows.slice(0, limit);
  return {
    // MySQL compares without trailing spaces: to it, `ann` and `ann ` are one.
    orders: page
      .filter((row) => userId === undefined || row.userId === userId)
      .map((row) => ({ ...orderOf(row), userId: row.userId })),
    next: rows.length > limit ? (page.at(-1)?.orderId ?? null) : null,
  };
}
