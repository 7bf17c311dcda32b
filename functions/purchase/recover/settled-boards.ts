// The leaderboards of sales that are over: nothing rebuilds such a sale any more, so where Redis
// has lost its boards they come back from the rows, for a week; then they leave by themselves.

import { and, desc, eq, gt, inArray, lte } from 'drizzle-orm';
import { marksKey, newestOnBoards, restoreBoards } from '#lib/board/restore.ts';
import { settledSaleKeptSeconds, turnOrdersMax } from '#lib/constants.ts';
import type { MysqlClient } from '#lib/mysql/connect.ts';
import { products } from '#lib/mysql/schema.ts';
import { productsBoardKey } from '#lib/names.ts';
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
  const moment = { generation, lastAtUs };
  const keptSeconds = settledSaleKeptSeconds;
  await restoreBoards(redis, productId, buyers, stock - unsold, moment, { keptSeconds });
}

/** Products asked about in one statement. */
const productsAtOnce = 500;

/**
 * Takes products whose sales closed more than a week ago, and are settled, off the board of hot
 * products: that one has no end of its own. Throws where a store is away.
 */
export async function dropOldProducts({ redis, mysql }: Dependencies): Promise<void> {
  const until = Date.now() * 1_000 - settledSaleKeptSeconds * 1_000_000;
  const marks = marksKey(productsBoardKey);
  const shown = await redis.hkeys(marks);
  for (let at = 0; at < shown.length; at += productsAtOnce) {
    const isOld = and(
      inArray(products.productId, shown.slice(at, at + productsAtOnce)),
      eq(products.state, 'settled'),
      lte(products.closesAt, until),
    );
    const old = await mysql.db.select({ id: products.productId }).from(products).where(isOld);
    if (old.length === 0) continue;
    const ids = old.map(({ id }) => id);
    await redis.zrem(productsBoardKey, ...ids);
    await redis.hdel(marks, ...ids);
  }
}
