// Operators' changes to a sale (decision 11): each goes to MySQL first, together with its line in
// the audit log, and then to Redis as absolute values under the product's lock. A change carries
// an operation id; repeating it changes nothing but carries a half-done change to its end.

import { and, count, eq } from 'drizzle-orm';
import { settledSaleKeptSeconds } from '#lib/constants.ts';
import { crashPoint } from '#lib/crash-point.ts';
import type { MysqlClient } from '#lib/mysql/connect.ts';
import { orders, products } from '#lib/mysql/schema.ts';
import { saleKeys } from '#lib/names.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import { configure, type Fence, type SaleSettings, saleTimeUs } from '#lib/sale/sale.ts';
import { findSale, type ProductRow, type Sale } from './catalogue.ts';
import {
  type Action,
  Conflict,
  isDone,
  type Operation,
  record,
  requireProduct,
  type Transaction,
  UnknownProduct,
} from './operation.ts';
import type { Seller } from './sell.ts';
import { TurnFailed } from './turn.ts';

export interface OperateDependencies {
  readonly redis: RedisClient;
  readonly mysql: MysqlClient;
  readonly seller: Seller;
}

/** Loads the sale into Redis unless it is there: the seed's 预热. */
export async function warmSale(dependencies: OperateDependencies, productId: string) {
  await requireOnSale(dependencies.mysql, productId);
  // Whatever is done exclusively is done with the sale loaded.
  await dependencies.seller.exclusively(productId, () => Promise.resolve());
  return present(dependencies, productId);
}

/** Opens the sale now, by Redis' clock, unless it is open; ends a pause. */
export function openSale(
  dependencies: OperateDependencies,
  productId: string,
  operation: Operation,
): Promise<Sale> {
  return change(dependencies, productId, 'open', operation, (row, nowUs) => {
    if (row.closesAt !== null && row.closesAt <= nowUs) {
      throw new Conflict(`the closing time of ${productId} has passed`);
    }
    const isOpen = row.opensAt !== null && row.opensAt <= nowUs;
    return { state: 'on_sale', opensAt: isOpen ? row.opensAt : nowUs, closesAt: row.closesAt };
  });
}

export function pauseSale(
  dependencies: OperateDependencies,
  productId: string,
  operation: Operation,
): Promise<Sale> {
  return change(dependencies, productId, 'pause', operation, (row) => ({
    state: 'paused',
    opensAt: row.opensAt,
    closesAt: row.closesAt,
  }));
}

/**
 * Ends the sale and settles it if it can be settled now: outbox empty, every accepted order a
 * row. Run it again until it is.
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
    await change(dependencies, productId, 'close', operation, ({ opensAt, closesAt }, nowUs) => ({
      state: 'closed',
      opensAt,
      closesAt: closesAt === null ? nowUs : Math.min(closesAt, nowUs),
    }));
    await dependencies.seller.exclusively(productId, () =>
      settle(dependencies, productId, operation),
    );
  }
  return present(dependencies, productId);
}

type Settings = Pick<ProductRow, 'state' | 'opensAt' | 'closesAt'>;

async function change(
  dependencies: OperateDependencies,
  productId: string,
  action: Action,
  operation: Operation,
  decide: (row: ProductRow, nowUs: number) => Settings,
): Promise<Sale> {
  const { mysql, redis, seller } = dependencies;
  const { state } = await requireProduct(mysql, productId);
  if (state === 'settled') {
    // It is not loaded for this, and may be gone from Redis.
    if (await isDone(mysql.db, productId, action, operation))
      return present(dependencies, productId);
    throw settledConflict(productId);
  }
  await seller.exclusively(productId, async (fence) => {
    const nowUs = await saleTimeUs(redis, productId);
    const settings = await mysql.db.transaction(async (transaction) => {
      const row = await lockProduct(transaction, productId);
      if (!row) throw new Conflict(`${productId} is gone`);
      if (await isDone(transaction, productId, action, operation)) return row;
      if (row.state === 'settled') throw settledConflict(productId);
      if (row.state === 'closed' && action !== 'close') {
        throw new Conflict(`${productId} is closed and cannot be changed any more`);
      }
      const decided = decide(row, nowUs);
      await transaction.update(products).set(decided).where(eq(products.productId, productId));
      await record(transaction, productId, action, operation, decided);
      crashPoint('operate.before-commit');
      return { ...row, ...decided };
    });
    crashPoint('operate.committed');
    await bringToRedis(redis, productId, fence, settings);
    crashPoint('operate.configured');
  });
  return present(dependencies, productId);
}

/** Redis gets what MySQL holds now. Throws where it does not take it. */
export async function bringToRedis(
  redis: RedisClient,
  productId: string,
  fence: Fence,
  { state, opensAt, closesAt }: Settings,
): Promise<void> {
  if (state === 'settled') return;
  const settings: SaleSettings = { state, opensAtUs: opensAt, closesAtUs: closesAt };
  const result = await configure(redis, productId, fence, settings);
  if (result !== 'configured') throw new TurnFailed(`the change of ${productId} was ${result}`);
}

async function settle(
  { mysql, redis }: OperateDependencies,
  productId: string,
  operation: Operation,
): Promise<void> {
  const keys = saleKeys(productId);
  const [accepted, pending] = await Promise.all([redis.hlen(keys.orders), redis.hlen(keys.outbox)]);
  const [rows] = await mysql.db
    .select({ count: count() })
    .from(orders)
    .where(eq(orders.productId, productId));
  if (pending > 0 || accepted !== rows?.count) return;
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

/** A settled sale leaves Redis by itself: all of its keys at the same moment. */
async function forgetLater(redis: RedisClient, productId: string): Promise<void> {
  const atSeconds = Math.floor(Date.now() / 1_000) + settledSaleKeptSeconds;
  const keys = Object.values(saleKeys(productId));
  await Promise.all(keys.map((key) => redis.expireat(key, atSeconds, 'NX')));
}

async function requireOnSale(mysql: MysqlClient, productId: string): Promise<void> {
  const { state } = await requireProduct(mysql, productId);
  if (state === 'settled') throw settledConflict(productId);
}

function settledConflict(productId: string): Conflict {
  return new Conflict(`${productId} is settled and cannot be changed or loaded any more`);
}

async function present(dependencies: OperateDependencies, productId: string): Promise<Sale> {
  const sale = await findSale(dependencies, productId);
  if (!sale) throw new UnknownProduct(productId);
  return sale;
}

async function lockProduct(
  transaction: Transaction,
  productId: string,
): Promise<ProductRow | undefined> {
  const [row] = await transaction
    .select()
    .from(products)
    .where(eq(products.productId, productId))
    .for('update');
  return row;
}
