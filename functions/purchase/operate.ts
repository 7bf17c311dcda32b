// Operators' changes to a sale (decision 11): each goes to MySQL first, together with its line in
// the audit log, and then to Redis as absolute values under the product's lock. A change carries
// an operation id; repeating it changes nothing but carries a half-done change to its end.

import { eq } from 'drizzle-orm';
import { stockMax } from '#lib/constants.ts';
import { crashPoint } from '#lib/crash-point.ts';
import type { MysqlClient } from '#lib/mysql/connect.ts';
import { products } from '#lib/mysql/schema.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import { restock } from '#lib/sale/change.ts';
import { configure, type Fence, type SaleSettings, saleTimeUs } from '#lib/sale/sale.ts';
import { findSale, type ProductRow, type Sale } from './catalogue.ts';
import {
  type Action,
  Conflict,
  isDone,
  lockProduct,
  move,
  type Operation,
  record,
  requireProduct,
  type Subject,
  UnknownProduct,
} from './operate/operation.ts';
import { TurnFailed } from './sell/turn.ts';
import type { Seller } from './sell.ts';

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
  return change(dependencies, { productId, action: 'open', operation }, (row, nowUs) => {
    requireTimeLeft(row, nowUs);
    const isOpen = row.opensAt !== null && row.opensAt <= nowUs;
    return { state: 'on_sale', opensAt: isOpen ? row.opensAt : nowUs, closesAt: row.closesAt };
  });
}

export function pauseSale(
  dependencies: OperateDependencies,
  productId: string,
  operation: Operation,
): Promise<Sale> {
  return change(dependencies, { productId, action: 'pause', operation }, (row) => ({
    state: 'paused',
    opensAt: row.opensAt,
    closesAt: row.closesAt,
  }));
}

/** Puts so many more units on sale, while buyers buy, or after it was sold out. */
export function restockSale(
  dependencies: OperateDependencies,
  productId: string,
  operation: Operation,
  units: number,
): Promise<Sale> {
  const subject = { units };
  return change(
    dependencies,
    { productId, action: 'restock', operation, subject },
    (row, nowUs) => {
      requireTimeLeft(row, nowUs);
      const stock = row.stock + units;
      if (stock > stockMax) throw new Conflict(`no sale has more than ${stockMax} units`);
      return { stock, unsold: row.unsold + units };
    },
  );
}

function requireTimeLeft({ productId, closesAt }: ProductRow, nowUs: number): void {
  if (closesAt === null || closesAt > nowUs) return;
  throw new Conflict(`the closing time of ${productId} has passed`);
}

interface Change {
  readonly productId: string;
  readonly action: Action;
  readonly operation: Operation;
  /** By what the same operation id is told from one that was meant for something else. */
  readonly subject?: Subject;
}

type Changed = Partial<Pick<ProductRow, 'state' | 'opensAt' | 'closesAt' | 'stock' | 'unsold'>>;

/**
 * Makes a change of a sale's row once, brings it to Redis however often it is called, and
 * resolves with the sale as it is then. Throws UnknownProduct, Conflict, TurnFailed.
 */
export async function change(
  dependencies: OperateDependencies,
  { productId, action, operation, subject = {} }: Change,
  decide: (row: ProductRow, nowUs: number) => Changed,
): Promise<Sale> {
  const { mysql, redis, seller } = dependencies;
  const { state } = await requireProduct(mysql, productId);
  if (state === 'settled') {
    // It is not loaded for this, and may be gone from Redis.
    if (await isDone(mysql.db, productId, action, operation, subject)) {
      return present(dependencies, productId);
    }
    throw settledConflict(productId);
  }
  await seller.exclusively(productId, async (fence) => {
    const nowUs = await saleTimeUs(redis, productId);
    const changed = await mysql.db.transaction(async (transaction) => {
      const row = await lockProduct(transaction, productId);
      if (await isDone(transaction, productId, action, operation, subject)) return row;
      if (row.state === 'settled') throw settledConflict(productId);
      if (row.state === 'closed' && action !== 'close') {
        throw new Conflict(`${productId} is closed and cannot be changed any more`);
      }
      const decided = decide(row, nowUs);
      await transaction.update(products).set(decided).where(eq(products.productId, productId));
      if (decided.stock !== undefined) {
        const moved = { units: decided.stock - row.stock, reference: operation.operationId };
        await move(transaction, { productId, kind: 'restock', ...moved });
      }
      await record(transaction, productId, action, operation, { ...subject, ...decided });
      crashPoint('operate.before-commit');
      return { ...row, ...decided };
    });
    crashPoint('operate.committed');
    await bringToRedis(redis, productId, fence, changed);
    crashPoint('operate.configured');
  });
  return present(dependencies, productId);
}

/** Redis gets what MySQL's row of the product holds now. Throws where it does not take it. */
export async function bringToRedis(
  redis: RedisClient,
  productId: string,
  fence: Fence,
  { state, opensAt, closesAt, stock }: ProductRow,
): Promise<void> {
  if (state === 'settled') return;
  const settings: SaleSettings = { state, opensAtUs: opensAt, closesAtUs: closesAt };
  const configured = await configure(redis, productId, fence, settings);
  if (configured !== 'configured') {
    throw new TurnFailed(`the change of ${productId} was ${configured}`);
  }
  const restocked = await restock(redis, productId, fence, stock);
  if (restocked !== 'restocked') throw new TurnFailed(`the stock of ${productId} was ${restocked}`);
}

async function requireOnSale(mysql: MysqlClient, productId: string): Promise<void> {
  const { state } = await requireProduct(mysql, productId);
  if (state === 'settled') throw settledConflict(productId);
}

function settledConflict(productId: string): Conflict {
  return new Conflict(`${productId} is settled and cannot be changed or loaded any more`);
}

/** The sale as it is now. Throws UnknownProduct. */
export async function present(dependencies: OperateDependencies, productId: string): Promise<Sale> {
  const sale = await findSale(dependencies, productId);
  if (!sale) throw new UnknownProduct(productId);
  return sale;
}
