// Ends a sale for good (decision 4): closed at once, settled when every accepted order is a row.

import { and, count, eq } from 'drizzle-orm';
import { boardKeysOf } from '#lib/board/restore.ts';
import { settledSaleKeptSeconds } from '#lib/constants.ts';
import { crashPoint } from '#lib/crash-point.ts';
import { orders, products } from '#lib/mysql/schema.ts';
import { saleKeys } from '#lib/names.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import { noteStatus } from '#lib/sale/note-status.ts';
import type { Fence } from '#lib/sale/sale.ts';
import { hasRejections, takeSnapshot, whyUnfit } from '#lib/sale/snapshot.ts';
import type { Sale } from '../catalogue.ts';
import { change, type OperateDependencies, present } from '../operate.ts';
import { finishChanges } from './finish-changes.ts';
import { type Operation, record, requireProduct } from './operation.ts';

/**
 * Ends the sale and settles it if it can be settled now: outbox empty, every accepted order a
 * row, and every operator's change in Redis. Run it again until it is.
 */
export async function closeSale(
  dependencies: OperateDependencies,
  productId: string,
  operation: Operation,
): Promise<Sale> {
  const row = await requireProduct(dependencies.mysql, productId);
  if (row.state === 'settled') {
    // Whoever settled it may have ended right after MySQL's commit.
    await forgetLater(dependencies.redis, productId);
  } else {
    const closing = { productId, action: 'close', operation } as const;
    await change(dependencies, closing, ({ opensAt, closesAt }, nowUs) => ({
      state: 'closed',
      opensAt,
      closesAt: closesAt === null ? nowUs : Math.min(closesAt, nowUs),
    }));
    await dependencies.seller.exclusively(productId, async (fence) => {
      // Nobody looks after a settled sale any more.
      await finishChanges(dependencies, productId, fence);
      await settle(dependencies, productId, fence, operation);
    });
  }
  return present(dependencies, productId);
}

async function settle(
  { mysql, redis }: OperateDependencies,
  productId: string,
  fence: Fence,
  operation: Operation,
): Promise<void> {
  // Redis may have lost the sale since the lock was taken: what is not whole proves nothing.
  const seen = await takeSnapshot(redis, productId, fence);
  if (seen === 'refused' || whyUnfit(seen)) return;
  // The tick has it made anew first, and its boards: afterwards nobody would.
  if (hasRejections(seen)) return;
  const [rows] = await mysql.db
    .select({ count: count() })
    .from(orders)
    .where(eq(orders.productId, productId));
  if (seen.outbox.size > 0 || seen.orders !== rows?.count) return;
  // persist-order's note of a rejection may be lost; then Redis has sold more than MySQL.
  const { stock, unsold } = await requireProduct(mysql, productId);
  const isSame = Number(seen.fields.get('sold')) === stock - unsold;
  if (!isSame && (await noteRejections({ mysql, redis }, productId)) > 0) return;
  const settled = await mysql.db.transaction(async (transaction) => {
    const [{ affectedRows }] = await transaction
      .update(products)
      .set({ state: 'settled' })
      .where(and(eq(products.productId, productId), eq(products.state, 'closed')));
    const settling = { ...operation, operationId: `settle.${operation.operationId}` };
    if (affectedRows === 1) await record(transaction, productId, 'settle', settling, {});
    crashPoint('settle.before-commit');
    return affectedRows === 1;
  });
  if (!settled) return;
  crashPoint('settle.committed');
  await forgetLater(redis, productId);
}

const notedAtOnce = 500;

/** Resolves with how many rejected orders Redis took for accepted. */
async function noteRejections(
  { mysql, redis }: Pick<OperateDependencies, 'mysql' | 'redis'>,
  productId: string,
): Promise<number> {
  const rejected = await mysql.db
    .select({ orderId: orders.orderId })
    .from(orders)
    .where(and(eq(orders.productId, productId), eq(orders.status, 'rejected')));
  let noted = 0;
  for (let at = 0; at < rejected.length; at += notedAtOnce) {
    const some = rejected.slice(at, at + notedAtOnce);
    const statuses = some.map(({ orderId }) => [orderId, 'rejected'] as const);
    noted += await noteStatus(redis, productId, statuses);
  }
  return noted;
}

/** A settled sale leaves Redis by itself: all of its keys and boards at the same moment. */
async function forgetLater(redis: RedisClient, productId: string): Promise<void> {
  const atSeconds = Math.floor(Date.now() / 1_000) + settledSaleKeptSeconds;
  const keys = [...Object.values(saleKeys(productId)), ...boardKeysOf(productId)];
  await Promise.all(keys.map((key) => redis.expireat(key, atSeconds, 'NX')));
}
