// The part of the facts that lies in MySQL, from one consistent snapshot, so that rows, units and
// the product's stock can be compared with each other whatever is written meanwhile.

import { and, asc, eq } from 'drizzle-orm';
import { marksNoted, type TopicMarks } from '#lib/kafka/topic-marks.ts';
import type { MysqlClient } from '#lib/mysql/connect.ts';
import {
  generations,
  operations,
  orders,
  orderUnits,
  products,
  stockMovements,
} from '#lib/mysql/schema.ts';
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
          .select({
            operationId: operations.operationId,
            action: operations.action,
            details: operations.details,
            at: operations.at,
          })
          .from(operations)
          .where(eq(operations.productId, productId))
          .orderBy(asc(operations.at)),
        ledger: await transaction
          .select({
            kind: stockMovements.kind,
            reference: stockMovements.reference,
            units: stockMovements.units,
          })
          .from(stockMovements)
          .where(eq(stockMovements.productId, productId)),
      };
    },
    {
      isolationLevel: 'repeatable read',
      withConsistentSnapshot: true,
    },
  );
}

/**
 * Where the topics ended before the sale was loaded for the first time: it has no events before.
 * Undefined where that was not noted.
 */
export async function readBeginning(
  { db }: MysqlClient,
  productId: string,
): Promise<TopicMarks | undefined> {
  const [first] = await db
    .select()
    .from(generations)
    .where(and(eq(generations.productId, productId), eq(generations.generation, 1)));
  return first && marksNoted(first.at, first.topicEnds);
}
