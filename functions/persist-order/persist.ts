// Writes batches of one product in one transaction: a row per order, a row per unit, a movement of
// stock per batch, and the product's stock, or nothing. Nearly always everything in a batch is new
// and fits. So that is tried first, without looking; where MySQL refuses it, batches are decided
// by what is there.
//
// Why both ways are safe, side by side and beside a rebuild, a restock or a cancellation. Who
// changes a product takes its row's lock, reads after that, and keeps it until the commit; nobody
// here commits without it. Whoever has it sees everything that was ever committed for the product,
// and nobody adds to that before they are done: it does not matter that rows of a transaction that
// waits for the lock lie there uncommitted, for nobody sees them. Having the lock, the straight way
// asks by the update itself, which sees the latest commit, whether the product is what it took it
// for: a rebuild's new generation turns it back. What was there already, keys have told it.

import { and, eq, gte, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/mysql2';
import type { PoolConnection, ResultSetHeader } from 'mysql2/promise';
import { crashPoint } from '#lib/crash-point.ts';
import type { OrderBatch } from '#lib/http/cloud-event.ts';
import { isRefused } from '#lib/mysql/error.ts';
import { orders, orderUnits, products, stockMovements } from '#lib/mysql/schema.ts';
import { type BatchResult, type Decision, decide, emptyStanding } from './decide.ts';
import { createInsert } from './insert-rows.ts';
import { look } from './look.ts';

const insertOrders = createInsert(orders);
const insertUnits = createInsert(orderUnits);
/** A batch may be written in several transactions, as its orders become writable. */
const insertMovements = createInsert(
  stockMovements,
  'on duplicate key update units = units + values(units)',
);

/** Batches of one product. */
export interface PersistInput {
  readonly productId: string;
  readonly batches: readonly OrderBatch[];
  /** The time of writing, in epoch microseconds. */
  readonly nowUs: number;
}

/**
 * Writes batches that are new in every respect, and says so after the commit; undefined where
 * anything of it is not, and nothing is written. Throws where MySQL fails, or gives the
 * transaction up for another.
 */
export async function persistAsNew(
  connection: PoolConnection,
  { productId, batches, nowUs }: PersistInput,
): Promise<readonly BatchResult[] | undefined> {
  const decision = decide(batches, emptyStanding, nowUs);
  const { unitRows, results } = decision;
  const isAllNew = results.every(({ counts }) => counts.rejected + counts.repeated === 0);
  if (!isAllNew) return undefined;
  const generation = Math.min(...batches.map(({ event }) => event.generation));
  const lastUnit = unitRows.reduce((last, { unit }) => Math.max(last, unit), 0);
  try {
    await connection.beginTransaction();
    await insertDecided(connection, decision);
    crashPoint('persist.inserted');
    // The product's row is locked last, so that another transaction may insert meanwhile.
    const [{ affectedRows }] = await connection.query<ResultSetHeader>(
      `update products set unsold = unsold - ?
       where product_id = ? and unsold >= ? and stock >= ? and generation <= ?`,
      [unitRows.length, productId, unitRows.length, lastUnit, generation],
    );
    if (affectedRows === 1) {
      crashPoint('persist.locked');
      await connection.commit();
      crashPoint('persist.committed');
      return results;
    }
  } catch (error) {
    if (!isRefused(error)) throw error;
  }
  await connection.rollback();
  return undefined;
}

/**
 * Writes batches by what is there and says what became of each order, after the commit; undefined
 * where there is no such product. Throws where MySQL fails or refuses a row: then nothing is
 * written, or, when the connection broke during the commit, everything.
 */
export async function persist(
  connection: PoolConnection,
  { productId, batches, nowUs }: PersistInput,
): Promise<readonly BatchResult[] | undefined> {
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
  const standing = { ...product, ...(await look(db, productId, batches)) };
  const decision = decide(batches, standing, nowUs);
  // 3. Write.
  await insertDecided(connection, decision);
  const units = decision.unitRows.length;
  if (units > 0) {
    // `decide` has seen that so many are left; the condition and the table's check say it again.
    const [{ affectedRows }] = await db
      .update(products)
      .set({ unsold: sql`${products.unsold} - ${units}` })
      .where(and(eq(products.productId, productId), gte(products.unsold, units)));
    if (affectedRows !== 1) throw new Error('the stock changed under its lock');
  }
  crashPoint('persist.inserted');
  await connection.commit();
  crashPoint('persist.committed');
  return decision.results;
}

/**
 * In the order of the keys: two transactions that insert the same rows meet at the first of them,
 * and neither waits for the other in turn. Each statement is awaited: after a deadlock the
 * transaction is over, and what followed would be committed by itself.
 */
async function insertDecided(
  connection: PoolConnection,
  { orderRows, unitRows, movementRows }: Decision,
): Promise<void> {
  await insertOrders(
    connection,
    orderRows.toSorted((a, b) => compare(a.orderId, b.orderId)),
  );
  await insertUnits(
    connection,
    unitRows.toSorted((a, b) => a.unit - b.unit),
  );
  await insertMovements(
    connection,
    movementRows.toSorted((a, b) => compare(a.reference, b.reference)),
  );
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
