// The part of the facts that lies in MySQL, from one consistent snapshot, so that rows, units and
// the product's stock can be compared with each other whatever is written meanwhile.

import { asc, eq } from 'drizzle-orm';
import type { MysqlClient } from '#lib/mysql/connect.ts';
import { operations, orders, orderUnits, products } from '#lib/mysql/schema.ts';
import type { MysqlFacts } from './facts.ts';

export function collectMysql({ db }: MysqlClient, productId: string): Promise<MysqlFacts> {
  return db.transaction(
    async (transaction) => {
      const [product] = await transaction
        .select()
        .from(products)
        .where(eq(products.productId, productId));
      return {
        product,
        orders: await transaction.select().from(orders).where(eq(orders.productId, productId)),
        units: await transaction
          .select()
          .from(orderUnits)
          .where(eq(orderUnits.productId, productId)),
        audit: await transaction
          .select({ action: operations.action, details: operations.details, at: operations.at })
          .from(operations)
          .where(eq(operations.productId, productId))
          .orderBy(asc(operations.at)),
      };
    },
    {
      isolationLevel: 'repeatable read',
      withConsistentSnapshot: true,
    },
  );
}
