// The leaderboards of sales that are over: nothing rebuilds such a sale any more, so where Redis
// has lost its boards they come back from the rows.

import { and, desc, eq, gt } from 'drizzle-orm';
import { newestOnBoards, restoreBoards } from '#lib/board/restore.ts';
import { settledSaleKeptSeconds, turnOrdersMax } from '#lib/constants.ts';
import type { MysqlClient } from '#lib/mysql/connect.ts';
import { products } from '#lib/mysql/schema.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import type { ProductRow } from '../catalogue.ts';
import { findKnown } from '../sell/known-sale.ts';
import { totalsOf } from './rebuilt-sale.ts';
import { saleRowsOf } from './sale-rows.ts';

interface Dependencies {
  readonly redis: RedisClient;
  readonly mysql: MysqlClient;
}

/** Sales looked at in one call, the latest first. */
const salesMax = 50;

/**
 * Restores the boards of sales that closed in the last week and that Redis knows nothing of, and
 * resolves with how many these were. Throws where a store is away.
 */
export async function restoreSettledBoards({ redis, mysql }: Dependencies): Promise<number> {
  const since = Date.now() * 1_000 - settledSaleKeptSeconds * 1_000_000;
  const settled = await mysql.db
    .select()
    .from(products)
    .where(and(eq(products.state, 'settled'), gt(products.closesAt, since)))
    .orderBy(desc(products.closesAt))
    .limit(salesMax);
  let restored = 0;
  for (const sale of settled) {
    // Every restoration leaves its marks, also one of a sale that sold nothing.
    if ((await newestOnBoards(redis, sale.productId)) > 0) continue;
    await restoreFromRows({ redis, mysql }, sale);
    restored += 1;
  }
  return restored;
}

/** Makes a sale's boards anew from its rows; what comes late for them is older than these. */
export async function restoreFromRows(
  { redis, mysql }: Dependencies,
  { productId, generation, stock, unsold }: ProductRow,
): Promise<void> {
  const buyers = await totalsOf(saleRowsOf(mysql.db, productId).orders);
  const known = await findKnown(mysql, productId);
  // An event's orders are a microsecond apart; rows know only when it began.
  const lastAtUs = (known?.lastAtUs ?? 0) + turnOrdersMax;
  await restoreBoards(redis, productId, buyers, stock - unsold, { generation, lastAtUs });
}
