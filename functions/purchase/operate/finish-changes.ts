// Ends what an operator's change began: whatever MySQL holds of a sale's row and of its cancelled
// orders comes to Redis, however far it had got when somebody crashed.

import { and, asc, eq } from 'drizzle-orm';
import type { MysqlClient } from '#lib/mysql/connect.ts';
import { operations } from '#lib/mysql/schema.ts';
import { saleKeys } from '#lib/names.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import { cancelledAtOnce } from '#lib/sale/change.ts';
import type { Fence } from '#lib/sale/sale.ts';
import { bringToRedis } from '../operate.ts';
import { cancelInRedis } from './cancel-order.ts';
import { requireProduct } from './operation.ts';

interface Dependencies {
  readonly redis: RedisClient;
  readonly mysql: MysqlClient;
}

/**
 * Brings settings, stock and cancellations of a product to Redis, and the boards with them. Call
 * it under the product's lock (`exclusively`). Doing it again changes nothing. Throws
 * UnknownProduct, and TurnFailed where Redis does not take it.
 */
export async function finishChanges(
  { redis, mysql }: Dependencies,
  productId: string,
  fence: Fence,
): Promise<void> {
  await bringToRedis(redis, productId, fence, await requireProduct(mysql, productId));
  const open = await openCancellations({ redis, mysql }, productId);
  for (let at = 0; at < open.length; at += cancelledAtOnce) {
    await cancelInRedis(redis, productId, fence, open.slice(at, at + cancelledAtOnce));
  }
}

/** The orders of a loaded sale that are cancelled in MySQL and still hold their units in Redis. */
export async function openCancellations(
  { redis, mysql }: Dependencies,
  productId: string,
): Promise<readonly string[]> {
  const cancelled = await cancelledOrders(mysql, productId);
  const open: string[] = [];
  for (let at = 0; at < cancelled.length; at += cancelledAtOnce) {
    const ids = cancelled.slice(at, at + cancelledAtOnce);
    const records = await redis.hmget(saleKeys(productId).orders, ...ids);
    open.push(...ids.filter((_, index) => /^(accepted|confirmed)\|/.test(records[index] ?? '')));
  }
  return open;
}

/** By the audit log: it has one line for each, where the rows of orders would all be looked at. */
async function cancelledOrders({ db }: MysqlClient, productId: string): Promise<string[]> {
  const lines = await db
    .select({ details: operations.details })
    .from(operations)
    .where(and(eq(operations.productId, productId), eq(operations.action, 'cancel')))
    .orderBy(asc(operations.at));
  return lines.map(({ details }) => (details as { readonly orderId: string }).orderId);
}
