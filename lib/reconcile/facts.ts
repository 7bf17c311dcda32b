// What the stores hold about a sale, read so that it can be compared while the sale goes on: the
// snapshot is the cut. What was accepted after it is left out of every comparison.

import { and, asc, eq, gt, inArray, type SQL, sql } from 'drizzle-orm';
import type { MysqlClient } from '#lib/mysql/connect.ts';
import { orders, products } from '#lib/mysql/schema.ts';
import { type BoardKind, boardKey, boardKinds, productsBoardKey, saleKeys } from '#lib/names.ts';
import { isoTimeOf } from '#lib/order-event.ts';
import type { RedisClient } from '#lib/redis/connect.ts';

export type ProductRow = typeof products.$inferSelect;

/** What MySQL says of a whole sale, from one moment. */
export interface Figures {
  readonly product: ProductRow;
  /** Rows of orders that were accepted up to the cut. */
  readonly rows: number;
  readonly rejected: number;
  /** Rows of units: all, those beyond the stock, those without a confirmed order. */
  readonly units: number;
  readonly unitsBeyond: number;
  readonly unitsAstray: number;
  /** The quantities of all confirmed orders. */
  readonly confirmedUnits: number;
  /** By the ledger: what was put on sale, and all of it added up. */
  readonly ledgerStock: number;
  readonly ledgerUnsold: number;
}

export type Row = Pick<
  typeof orders.$inferSelect,
  'orderId' | 'userId' | 'quantity' | 'status' | 'acceptedAt'
>;

export type Boards = Readonly<Record<BoardKind, ReadonlyMap<string, number>>>;

/** The part of a deep look that lies in Redis, in the order in which it was read. */
export interface RedisDetails {
  readonly boards: Boards;
  readonly productScore: number;
  readonly buyers: ReadonlyMap<string, string>;
  readonly orders: ReadonlyMap<string, string>;
}

/** Undefined where MySQL does not know the product. Throws where it is away. */
export function readFigures(
  { db }: MysqlClient,
  productId: string,
  cutUs: number,
): Promise<Figures | undefined> {
  return db.transaction(
    async (transaction) => {
      const [product] = await transaction
        .select()
        .from(products)
        .where(eq(products.productId, productId));
      if (!product) return undefined;
      const cut = isoTimeOf(cutUs).slice(0, -1).replace('T', ' ');
      // One after the other, so that MySQL is never silent for long.
      const numberOf = async (query: SQL) => {
        const [answer] = await transaction.execute(query);
        const [row] = answer as unknown as { readonly n: unknown }[];
        return Number(row?.n);
      };
      return {
        product,
        rows: await numberOf(sql`select count(*) n from orders
          where product_id = ${productId} and accepted_at <= ${cut}`),
        rejected: await numberOf(sql`select count(*) n from orders
          where product_id = ${productId} and status = 'rejected'`),
        confirmedUnits: await numberOf(sql`select coalesce(sum(quantity), 0) n from orders
          where product_id = ${productId} and status = 'confirmed'`),
        units: await numberOf(sql`select count(*) n from order_units
          where product_id = ${productId}`),
        unitsBeyond: await numberOf(sql`select count(*) n from order_units
          where product_id = ${productId} and unit > ${product.stock}`),
        unitsAstray: await numberOf(sql`select count(*) n from order_units
          left join orders on orders.order_id = order_units.order_id
          where order_units.product_id = ${productId}
            and (orders.status is null or orders.status <> 'confirmed')`),
        ledgerStock: await numberOf(sql`select coalesce(sum(units), 0) n from stock_movements
          where product_id = ${productId} and kind in ('on_sale', 'restock')`),
        ledgerUnsold: await numberOf(sql`select coalesce(sum(units), 0) n from stock_movements
          where product_id = ${productId}`),
      };
    },
    { isolationLevel: 'repeatable read', withConsistentSnapshot: true },
  );
}

/** So many at once: each takes milliseconds, and purchases go on in between. */
const pageSize = 500;

const rowFields = {
  orderId: orders.orderId,
  userId: orders.userId,
  quantity: orders.quantity,
  status: orders.status,
  acceptedAt: orders.acceptedAt,
};

/** All of a sale's rows, page by page along the primary key. */
export async function readRows(
  { db }: MysqlClient,
  productId: string,
): Promise<ReadonlyMap<string, Row>> {
  const rows = new Map<string, Row>();
  // An order's id begins with its product's.
  let last = `${productId}.`;
  for (;;) {
    const page = await db
      .select(rowFields)
      .from(orders)
      .where(and(eq(orders.productId, productId), gt(orders.orderId, last)))
      .orderBy(asc(orders.orderId))
      .limit(pageSize);
    for (const row of page) rows.set(row.orderId, row);
    last = page.at(-1)?.orderId ?? last;
    if (page.length < pageSize) return rows;
  }
}

/** The rows of these orders. */
export async function readRowsOf(
  { db }: MysqlClient,
  orderIds: readonly string[],
): Promise<ReadonlyMap<string, Row>> {
  const rows = new Map<string, Row>();
  for (let at = 0; at < orderIds.length; at += pageSize) {
    const ids = orderIds.slice(at, at + pageSize);
    const page = await db.select(rowFields).from(orders).where(inArray(orders.orderId, ids));
    for (const row of page) rows.set(row.orderId, row);
  }
  return rows;
}

/** Boards first, orders last: whoever is on a board is among the orders that are read later. */
export async function readDetails(redis: RedisClient, productId: string): Promise<RedisDetails> {
  const keys = saleKeys(productId);
  const boards = {} as Record<BoardKind, ReadonlyMap<string, number>>;
  for (const kind of boardKinds) {
    const flat = await redis.zrange(boardKey(productId, kind), 0, '-1', 'WITHSCORES');
    boards[kind] = new Map(pairsOf(flat).map(([member, score]) => [member, Number(score)]));
  }
  const score = await redis.zscore(productsBoardKey, productId);
  const buyers = await scanHash(redis, keys.buyers);
  return {
    boards,
    productScore: Number(score ?? 0),
    buyers,
    orders: await scanHash(redis, keys.orders),
  };
}

/** The fields of a HASH, in steps that hold up nobody. */
export async function scanHash(
  redis: RedisClient,
  key: string,
): Promise<ReadonlyMap<string, string>> {
  const fields = new Map<string, string>();
  let cursor = '0';
  do {
    const [next, flat] = await redis.hscan(key, cursor, 'COUNT', 500);
    for (const [field, value] of pairsOf(flat)) fields.set(field, value);
    cursor = next;
  } while (cursor !== '0');
  return fields;
}

/** These fields of a HASH, as far as they are there. */
export async function readHash(
  redis: RedisClient,
  key: string,
  names: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const fields = new Map<string, string>();
  if (names.length === 0) return fields;
  const values = await redis.hmget(key, ...names);
  for (const [at, name] of names.entries()) {
    const value = values[at];
    if (typeof value === 'string') fields.set(name, value);
  }
  return fields;
}

function pairsOf(flat: readonly string[]): [string, string][] {
  const pairs: [string, string][] = [];
  for (let at = 0; at + 1 < flat.length; at += 2) pairs.push([flat[at] ?? '', flat[at + 1] ?? '']);
  return pairs;
}
