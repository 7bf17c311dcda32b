// What MySQL holds of some batches of one product. Read while the product's row is locked, it
// stays true until the commit.

import { and, between, eq, inArray, or, type SQL } from 'drizzle-orm';
import type { MySql2Database } from 'drizzle-orm/mysql2';
import type { OrderBatch } from '#lib/http/cloud-event.ts';
import { orders, orderUnits } from '#lib/mysql/schema.ts';
import type { UnitRange } from '#lib/order-event.ts';
import type { Standing } from './decide.ts';

/** Of the batches' orders, those that have a row; of the others' units, those that are taken. */
export async function look(
  db: MySql2Database,
  productId: string,
  batches: readonly OrderBatch[],
): Promise<Pick<Standing, 'statuses' | 'takenUnits'>> {
  const statuses = await readStatuses(db, batches);
  const takenUnits = await readTakenUnits(db, productId, newRanges(batches, statuses));
  return { statuses, takenUnits };
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
