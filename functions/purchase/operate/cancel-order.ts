// Cancels an order, for instance one that was not paid, and puts its units on sale again. MySQL
// first, in one transaction behind which persist-order queues; then Redis, then the boards. Until
// Redis has heard of it the units are held by nobody and sold to nobody: a crash in between
// oversells nothing, and repeating the change, a tick or a rebuild ends it.

import { setTimeout } from 'node:timers/promises';
import { and, eq, inArray, sql } from 'drizzle-orm';
import { restoreBuyers } from '#lib/board/cancelled.ts';
import { mysqlSilenceMaxMs } from '#lib/constants.ts';
import { crashPoint } from '#lib/crash-point.ts';
import { repeatWhereLost } from '#lib/mysql/contention.ts';
import { orders, orderUnits, products } from '#lib/mysql/schema.ts';
import { saleKeys } from '#lib/names.ts';
import { productIdOf } from '#lib/order-id.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import { cancel } from '#lib/sale/change.ts';
import type { Fence } from '#lib/sale/sale.ts';
import type { OperateDependencies } from '../operate.ts';
import { NotOnSale } from '../recover/rebuild.ts';
import { restoreFromRows } from '../recover/settled-boards.ts';
import { TurnFailed } from '../sell/turn.ts';
import {
  Conflict,
  isDone,
  lockProduct,
  move,
  type Operation,
  record,
  requireProduct,
  type Transaction,
} from './operation.ts';
import { findOperatorOrder, type OrderDetails } from './operator-orders.ts';

/** There is no such order. */
export class UnknownOrder extends Error {
  override readonly name = 'UnknownOrder';
}

/** For so long the row of an order that was just accepted is waited for. */
const rowWaitMaxMs = 2_000;
const rowPollMs = 50;

/**
 * Cancels the order, once, and resolves with it as it is then; cancelling what is cancelled
 * changes nothing. Throws UnknownOrder, Conflict where it cannot be cancelled (yet), TurnFailed.
 */
export async function cancelOrder(
  dependencies: OperateDependencies,
  orderId: string,
  operation: Operation,
  reason: string | null,
): Promise<OrderDetails> {
  const { mysql, redis, seller } = dependencies;
  const productId = productIdOf(orderId);
  await awaitRow(dependencies, orderId);
  const cancellation = { orderId, productId, operation, reason };
  // Where MySQL goes through a whole small table for the units, it meets those of transactions of
  // persist-order that wait for the product, and one of the two has to begin anew.
  const inMysql = () =>
    repeatWhereLost(
      () => mysql.db.transaction((transaction) => cancelInMysql(transaction, cancellation)),
      { deadline: performance.now() + mysqlSilenceMaxMs },
    );
  try {
    await seller.exclusively(productId, async (fence) => {
      await inMysql();
      crashPoint('operate.committed');
      await cancelInRedis(redis, productId, fence, [orderId]);
      crashPoint('operate.configured');
    });
  } catch (error) {
    // Settled, and no longer in Redis, or only as an old copy that nobody may change: nothing is
    // sold any more, and rows are all there is.
    if (!(error instanceof NotOnSale)) throw error;
    await inMysql();
    await redis.unlink(...Object.values(saleKeys(productId)));
    // The boards outlive the sale's keys.
    await restoreFromRows(dependencies, await requireProduct(mysql, productId));
  }
  const order = await findOperatorOrder(dependencies, orderId);
  if (!order) throw new UnknownOrder(orderId);
  return order;
}

/** The order's row is there, or is not to be expected soon: then throws. */
async function awaitRow(dependencies: OperateDependencies, orderId: string): Promise<void> {
  const deadline = performance.now() + rowWaitMaxMs;
  for (;;) {
    const order = await findOperatorOrder(dependencies, orderId);
    if (!order) throw new UnknownOrder(orderId);
    if (order.status !== 'pending' && order.status !== 'accepted') return;
    if (performance.now() > deadline) {
      throw new Conflict('the order is on its way to MySQL; try again in a moment');
    }
    await setTimeout(rowPollMs);
  }
}

interface Cancellation {
  readonly orderId: string;
  readonly productId: string;
  readonly operation: Operation;
  readonly reason: string | null;
}

async function cancelInMysql(
  transaction: Transaction,
  { orderId, productId, operation, reason }: Cancellation,
): Promise<void> {
  // First of all, so that what is read from here on stays true until the commit.
  await lockProduct(transaction, productId);
  if (await isDone(transaction, productId, 'cancel', operation, { orderId })) return;
  const [row] = await transaction.select().from(orders).where(eq(orders.orderId, orderId));
  if (!row) throw new UnknownOrder(orderId);
  if (row.status === 'cancelled') return;
  if (row.status === 'rejected') {
    throw new Conflict('the order was rejected: it has no units to give back');
  }
  const held = await transaction
    .select({ unit: orderUnits.unit })
    .from(orderUnits)
    .where(and(eq(orderUnits.productId, productId), eq(orderUnits.orderId, orderId)));
  const units = held.map(({ unit }) => unit);
  await transaction
    .update(orders)
    .set({ status: 'cancelled', reason })
    .where(eq(orders.orderId, orderId));
  if (units.length > 0) {
    // By the primary key: by the order's id, gaps between other orders would be locked, too.
    await transaction
      .delete(orderUnits)
      .where(and(eq(orderUnits.productId, productId), inArray(orderUnits.unit, units)));
  }
  await transaction
    .update(products)
    .set({ unsold: sql`${products.unsold} + ${units.length}` })
    .where(eq(products.productId, productId));
  const moved = { kind: 'cancelled', reference: orderId, units: units.length } as const;
  await move(transaction, { productId, ...moved });
  const details = { orderId, quantity: row.quantity, reason };
  await record(transaction, productId, 'cancel', operation, details);
  crashPoint('operate.before-commit');
}

/** Redis gives the units of orders back that MySQL has cancelled; then the boards follow. */
export async function cancelInRedis(
  redis: RedisClient,
  productId: string,
  fence: Fence,
  orderIds: readonly string[],
): Promise<void> {
  const result = await cancel(redis, productId, fence, orderIds);
  if (result.kind !== 'cancelled') {
    throw new TurnFailed(`a cancellation of ${productId} was ${result.kind}`);
  }
  await restoreBuyers(redis, productId, result.buyers, result.sold);
}
