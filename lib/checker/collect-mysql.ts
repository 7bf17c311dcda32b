// The part of the facts that lies in MySQL, from one consistent snapshot, so that rows, units and
// the product's stock can be compared with each other whatever is written meanwhile.

import { and, asc, eq, gt } from 'drizzle-orm';
import { marksNoted, type TopicMarks } from '#lib/kafka/topic-marks.ts';
import type { MysqlClient } from '#lib/mysql/connect.ts';
import { byAcceptance, ordersAfter, ordersPerPage } from '#lib/mysql/order-pages.ts';
import {
  generations,
  operations,
  orders,
  orderUnits,
  products,
  stockMovements,
} from '#lib/mysql/schema.ts';
import type { MysqlFacts, OrderRow, UnitRow } from './facts.ts';

export function collectMysql({ db }: MysqlClient, productId: string): Promise<MysqlFacts> {
  return db.transaction(
    async (transaction) => {
      const [product] = await transaction
        .select()
        .from(products)
        .where(eq(products.productId, productId));
      return {
        product,
        orders: await readOrders(transaction, productId),
        units: await readUnits(transaction, productId),
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

type Reader = Pick<MysqlClient['db'], 'select'>;

/** In pages: the rows of a big sale are made ready in parts, between which others have a turn. */
async function readOrders(db: Reader, productId: string): Promise<OrderRow[]> {
  const rows: OrderRow[] = [];
  for (;;) {
    const page = await db
      .select()
      .from(orders)
      .where(ordersAfter(productId, rows.at(-1)))
      .orderBy(...byAcceptance)
      .limit(ordersPerPage);
    rows.push(...page);
    if (page.length < ordersPerPage) return rows;
  }
}

const unitsPerPage = 20_000;

async function readUnits(db: Reader, productId: string): Promise<UnitRow[]> {
  const rows: UnitRow[] = [];
  for (;;) {
    const last = rows.at(-1);
    const page = await db
      .select()
      .from(orderUnits)
      .where(and(eq(orderUnits.productId, productId), last && gt(orderUnits.unit, last.unit)))
      .orderBy(asc(orderUnits.unit))
      .limit(unitsPerPage);
    rows.push(...page);
    if (page.length < unitsPerPage) return rows;
  }
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
