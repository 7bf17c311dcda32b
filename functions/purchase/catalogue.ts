// What is on sale, for buyers and operators to read: MySQL says what a sale is, Redis how far it
// has got. Never on the way of a purchase.

import { desc, eq, gt, ne, or } from 'drizzle-orm';
import type { MysqlClient } from '#lib/mysql/connect.ts';
import { products } from '#lib/mysql/schema.ts';
import { saleKeys } from '#lib/names.ts';
import { isoTimeOf } from '#lib/order-event.ts';
import type { RedisClient } from '#lib/redis/connect.ts';

export type ProductRow = typeof products.$inferSelect;

/** A product as buyers see it; times are ISO 8601 or null, money in the smallest unit. */
export interface Product {
  readonly productId: string;
  readonly name: string;
  readonly unitPrice: number;
  readonly currency: string;
  readonly stock: number;
  readonly left: number;
  readonly limitPerUser: number;
  readonly state: 'scheduled' | 'open' | 'paused' | 'sold_out' | 'ended';
  readonly opensAt: string | null;
  readonly closesAt: string | null;
  /** The server's clock, for countdowns. */
  readonly now: string;
}

/** A sale as operators see it. */
export interface Sale extends Product {
  readonly sold: number;
  /** Orders that Kafka has not acknowledged yet: they are in the outbox. */
  readonly pending: number;
  readonly generation: number;
  readonly loaded: boolean;
  readonly settled: boolean;
}

interface Dependencies {
  readonly redis: RedisClient;
  readonly mysql: MysqlClient;
}

/** All sales, the newest first. Throws where MySQL is away; Redis being away costs precision. */
export async function listSales({ redis, mysql }: Dependencies): Promise<Sale[]> {
  const rows = await mysql.db.select().from(products).orderBy(desc(products.createdAt));
  return Promise.all(rows.map(async (row) => saleOf(row, await progressOf(redis, row.productId))));
}

/** Sales that are still of interest: so long after they have ended, and so many of the newest. */
const currentUs = 3_600_000_000;
const currentMax = 200;

/**
 * The sales that are not settled or have ended within the hour, the newest first. Throws where
 * MySQL is away.
 */
export async function listCurrentSales({ redis, mysql }: Dependencies): Promise<Sale[]> {
  const since = Date.now() * 1_000 - currentUs;
  const rows = await mysql.db
    .select()
    .from(products)
    .where(or(ne(products.state, 'settled'), gt(products.closesAt, since)))
    .orderBy(desc(products.createdAt))
    .limit(currentMax);
  return Promise.all(rows.map(async (row) => saleOf(row, await progressOf(redis, row.productId))));
}

/** One sale, or undefined where there is none of this name. */
export async function findSale(
  { redis, mysql }: Dependencies,
  productId: string,
): Promise<Sale | undefined> {
  const row = await findProduct(mysql, productId);
  return row && saleOf(row, await progressOf(redis, productId));
}

export async function findProduct(
  { db }: MysqlClient,
  productId: string,
): Promise<ProductRow | undefined> {
  const [row] = await db.select().from(products).where(eq(products.productId, productId));
  return row;
}

/** A sale without what only operators may see. */
export function productOf(sale: Sale): Product {
  return {
    productId: sale.productId,
    name: sale.name,
    unitPrice: sale.unitPrice,
    currency: sale.currency,
    stock: sale.stock,
    left: sale.left,
    limitPerUser: sale.limitPerUser,
    state: sale.state,
    opensAt: sale.opensAt,
    closesAt: sale.closesAt,
    now: sale.now,
  };
}

interface Progress {
  readonly left: number;
  readonly sold: number;
  readonly pending: number;
}

/** How far a sale has got by Redis, or undefined where Redis cannot tell. */
async function progressOf(redis: RedisClient, productId: string): Promise<Progress | undefined> {
  const { sale, outbox } = saleKeys(productId);
  try {
    const [[left, sold, state], waiting] = await Promise.all([
      redis.hmget(sale, 'left', 'sold', 'state'),
      redis.hvals(outbox),
    ]);
    if (!left || !sold || state === 'loading') return undefined;
    return { left: Number(left), sold: Number(sold), pending: ordersIn(waiting) };
  } catch {
    return undefined;
  }
}

/** How many orders are in these events. */
function ordersIn(events: readonly string[]): number {
  // In a text of JSON, what a user is called has its quotes escaped.
  return events.reduce((sum, data) => sum + data.split('{"orderId":"').length - 1, 0);
}

function saleOf(row: ProductRow, progress: Progress | undefined): Sale {
  const left = progress?.left ?? row.unsold;
  const nowUs = Date.now() * 1_000;
  return {
    productId: row.productId,
    name: row.name,
    unitPrice: row.unitPrice,
    currency: row.currency,
    stock: row.stock,
    left,
    limitPerUser: row.limitPerUser,
    state: stateOf(row, left, nowUs),
    opensAt: row.opensAt === null ? null : isoTimeOf(row.opensAt),
    closesAt: row.closesAt === null ? null : isoTimeOf(row.closesAt),
    now: isoTimeOf(nowUs),
    sold: progress?.sold ?? row.stock - row.unsold,
    pending: progress?.pending ?? 0,
    generation: row.generation,
    loaded: progress !== undefined,
    settled: row.state === 'settled',
  };
}

function stateOf(row: ProductRow, left: number, nowUs: number): Product['state'] {
  if (row.state === 'closed' || row.state === 'settled') return 'ended';
  if (row.closesAt !== null && nowUs >= row.closesAt) return 'ended';
  if (row.state === 'paused') return 'paused';
  if (row.opensAt === null || nowUs < row.opensAt) return 'scheduled';
  return left === 0 ? 'sold_out' : 'open';
}
