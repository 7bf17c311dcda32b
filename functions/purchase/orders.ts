// A buyer's orders: from Redis while it has them, from MySQL for good. Only their owner's.

import { desc, eq, inArray } from 'drizzle-orm';
import type { MysqlClient } from '#lib/mysql/connect.ts';
import { orders } from '#lib/mysql/schema.ts';
import { isoTimeOf } from '#lib/order-event.ts';
import type { PurchaseAnswer } from '#lib/outcome.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import { type Found, findLiveOrder, type Order } from '#lib/sale/live-order.ts';
import type { Purchase } from '#lib/sale/sale.ts';
import { findProduct } from './catalogue.ts';

interface Dependencies {
  readonly redis: RedisClient;
  readonly mysql: MysqlClient;
}

const ordersListMax = 200;

/** The order, `forbidden` for anybody but its owner, or undefined where there is none. */
export async function findOrder(
  dependencies: Dependencies,
  orderId: string,
  userId: string,
): Promise<Order | 'forbidden' | undefined> {
  const found = await findAnyOrder(dependencies, orderId);
  if (found) return found.userId === userId ? found.order : 'forbidden';
  return undefined;
}

/** The order, whosever it is, or undefined where there is none. */
export async function findAnyOrder(
  dependencies: Dependencies,
  orderId: string,
): Promise<Found | undefined> {
  // The row says more, and says it last: Redis may not have been told of it.
  const [row, live] = await Promise.allSettled([
    findRow(dependencies.mysql, orderId),
    findLiveOrder(dependencies.redis, orderId),
  ]);
  const found =
    (row.status === 'fulfilled' ? row.value : undefined) ??
    (live.status === 'fulfilled' ? live.value : undefined);
  if (found) return found;
  // "There is none" may only be said by somebody who could look.
  for (const result of [row, live]) if (result.status === 'rejected') throw result.reason;
  return undefined;
}

/** A buyer's orders that have a row, the newest first. */
export async function listOrders({ mysql }: Dependencies, userId: string): Promise<Order[]> {
  const rows = await mysql.db
    .select()
    .from(orders)
    .where(eq(orders.userId, userId))
    .orderBy(desc(orders.acceptedAt))
    .limit(ordersListMax);
  // MySQL compares without trailing spaces: to it, `ann` and `ann ` are one.
  return rows.filter((row) => row.userId === userId).map(orderOf);
}

/** Answers purchases of a product that cannot be loaded: it is settled, or there is none. */
export async function answerOffSale(
  { mysql }: Pick<Dependencies, 'mysql'>,
  productId: string,
  purchases: readonly Purchase[],
): Promise<PurchaseAnswer[]> {
  if (await findProduct(mysql, productId)) return answerSettled({ mysql }, purchases);
  return purchases.map(() => ({ outcome: 'unknown_product' }));
}

/**
 * Answers purchases of a sale that is settled and no longer in Redis: an acceptance stays one,
 * everything else is over.
 */
async function answerSettled(
  { mysql }: Pick<Dependencies, 'mysql'>,
  purchases: readonly Purchase[],
): Promise<PurchaseAnswer[]> {
  const ids = purchases.map(({ orderId }) => orderId);
  const rows = await mysql.db
    .select({ orderId: orders.orderId, quantity: orders.quantity })
    .from(orders)
    .where(inArray(orders.orderId, ids));
  const bought = new Map(rows.map(({ orderId, quantity }) => [orderId, quantity]));
  return purchases.map(({ orderId, quantity }): PurchaseAnswer => {
    const before = bought.get(orderId);
    if (before === undefined) return { outcome: 'ended' };
    return before === quantity ? { outcome: 'replayed', quantity } : { outcome: 'key_reused' };
  });
}

async function findRow({ db }: MysqlClient, orderId: string): Promise<Found | undefined> {
  const [row] = await db.select().from(orders).where(eq(orders.orderId, orderId));
  return row && { userId: row.userId, order: orderOf(row) };
}

/** An order as its row tells it. */
export function orderOf(row: typeof orders.$inferSelect): Order {
  return {
    orderId: row.orderId,
    productId: row.productId,
    quantity: row.quantity,
    status: row.status,
    acceptedAt: isoTimeOf(row.acceptedAt),
    unitPrice: row.unitPrice,
    currency: row.currency,
    ...(row.reason === null ? {} : { reason: row.reason }),
  };
}
