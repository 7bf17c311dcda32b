// What MySQL knows of a sale that Redis must know as well: asked by a seller before it sells a
// product for the first time, since what it finds in Redis may be a copy of the past.

import { desc, eq } from 'drizzle-orm';
import type { MysqlClient } from '#lib/mysql/connect.ts';
import { orders, products } from '#lib/mysql/schema.ts';

export interface KnownSale {
  /** 0: it was never loaded into Redis. */
  readonly generation: number;
  /** Something was accepted then; epoch microseconds, 0 where nothing has a row yet. */
  readonly lastAtUs: number;
}

/** Undefined where there is no such product. One statement, by the index `orders_by_product`. */
export async function findKnown(
  { db }: MysqlClient,
  productId: string,
): Promise<KnownSale | undefined> {
  const [known] = await db
    .select({ generation: products.generation, lastAtUs: orders.acceptedAt })
    .from(products)
    .leftJoin(orders, eq(orders.productId, products.productId))
    .where(eq(products.productId, productId))
    .orderBy(desc(orders.acceptedAt))
    .limit(1);
  return known && { generation: known.generation, lastAtUs: known.lastAtUs ?? 0 };
}
