// Writes batches of one product in one transaction: a row per order, a row per unit, a movement
// of stock per batch, and the product's stock, or nothing. The product's row is locked first, so transactions of one product
// follow each other, and what is read after the lock stays true until the commit.

import { and, between, eq, gte, inArray, or, type SQL, sql } from 'drizzle-orm';
import { drizzle, type MySql2Database } from 'drizzle-orm/mysql2';
import type { PoolConnection } from 'mysql2/promise';
import { crashPoint } from '#lib/crash-point.ts';
import type { OrderBatch } from '#lib/http/cloud-event.ts';
import { orders, orderUnits, products, stockMovements } from '#lib/mysql/schema.ts';
import type { UnitRange } from '#lib/order-event.ts';
import { type BatchResult, decide, type Standing } from './decide.ts';
import { insertRows } from './insert-rows.ts';

/** A batch may be written in several transactions, as its orders become writable. */
const addToBatch = 'on duplicate key update units = units + values(units)';

/**
 * Persists batches of one product and says what became of each, after the commit; undefined where
 * there is no such product. Throws where MySQL fails: then nothing is written, or, when the
 * connection broke during the commit, everything.
 */
export async function persist(
  connection: PoolConnection,
  batches: readonly OrderBatch[],
  nowUs: number,
): Promise<readonly BatchResult[] | undefined> {
  const productId = batches[0]?.event.productId ?? '';
  const db = drizzle(connection);
  await connection.beginTransaction();
  // 1. Lock.
  const [product] = await db
    .select()
    .from(products)
    .where(eq(products.productId, productId))
    .for('update');
  if (!product) {
    await connection.rollback();
    return undefined;
  }
  crashPoint('persist.locked');
  // 2. Look, and decide.
  const statuses = await readStatuses(db, batches);
  const takenUnits = await readTakenUnits(db, productId, newRanges(batches, statuses));
  const standing = { ...product, statuses, takenUnits };
  const { orderRows, unitRows, movementRows, results } = decide(batches, standing, nowUs);
  // 3. Write.
  await insertRows(connection, orders, orderRows);
  await insertRows(connection, orderUnits, unitRows);
  await insertRows(connection, stockMovements, movementRows, addToBatch);
  if (unitRows.length > 0) await takeFromStock(db, productId, unitRows.length);
  crashPoint('persist.inserted');
  await connection.commit();
  crashPoint('persist.committed');
  return results;
}

async function readStatuses(
  db: MySql2Database,
  batches: readonly OrderBatch[],
): Promise<Standing['statuses']> {
  const ids = batches.flatMap(({ event }) => event.orders.map(({ orderId }) => orderId));
  const rows = await db
    .select({ orderId: orders.orderId, status: orders.status })
    .from(orders)
    .where(inArray(orders.orderId, ids));
  return new Map(rows.map(({ orderId, status }) => [orderId, status]));
}

async function readTakenUnits(
  db: MySql2Database,
  productId: string,
  ranges: readonly UnitRange[],
): Promise<Standing['takenUnits']> {
  if (ranges.length === 0) return new Set();
  const inRanges: SQL[] = ranges.map(([first, last]) => between(orderUnits.unit, first, last));
  const rows = await db
    .select({ unit: orderUnits.unit })
    .from(orderUnits)
    .where(and(eq(orderUnits.productId, productId), or(...inRanges)));
  return new Set(rows.map(({ unit }) => unit));
}

/** The units of the orders without a row, as few ranges as possible: mostly it is one. */
function newRanges(
  batches: readonly OrderBatch[],
  statuses: Standing['statuses'],
): readonly UnitRange[] {
  const ranges = batches
    .flatMap(({ event }) => event.orders)
    .filter(({ orderId }) => !statuses.has(orderId))
    .flatMap(({ units }) => units)
    .sort(([a], [b]) => a - b);
  const merged: [number, number][] = [];
  for (const [first, last] of ranges) {
    const previous = merged.at(-1);
    if (previous !== undefined && first <= previous[1] + 1) {
      previous[1] = Math.max(previous[1], last);
    } else {
      merged.push([first, last]);
    }
  }
  return merged;
}

/** `decide` has seen that so many are left; the condition and the table's check say it again. */
async function takeFromStock(db: MySql2Database, productId: string, units: number): Promise<void> {
  const [{ affectedRows }] = await db
    .update(products)
    .set({ unsold: sql`${products.unsold} - ${units}` })
    .where(and(eq(products.productId, productId), gte(products.unsold, units)));
  if (affectedRows !== 1) throw new Error('the stock changed under its lock');
}
