// What becomes of each order of some batches of one product, given what MySQL holds while the
// product's row is locked. No order that can't be written harms its neighbours. Pure.

import type { OrderBatch } from '#lib/http/cloud-event.ts';
import type { orders, orderUnits, stockMovements } from '#lib/mysql/schema.ts';
import type { EventOrder } from '#lib/order-event.ts';

export type OrderRow = typeof orders.$inferInsert;
export type UnitRow = typeof orderUnits.$inferInsert;
export type MovementRow = typeof stockMovements.$inferInsert;
type RowStatus = OrderRow['status'];

/** MySQL's side of the matter; nobody changes it while the product's row is locked. */
export interface Standing {
  readonly generation: number;
  readonly stock: number;
  readonly unsold: number;
  /** Of the orders in question, those that have a row. */
  readonly statuses: ReadonlyMap<string, RowStatus>;
  /** Of the units in question, those that have a row. */
  readonly takenUnits: ReadonlySet<number>;
}

/** Of a product that has everything, and of which nothing is sold. */
export const emptyStanding: Standing = {
  generation: 0,
  stock: Number.MAX_SAFE_INTEGER,
  unsold: Number.MAX_SAFE_INTEGER,
  statuses: new Map(),
  takenUnits: new Set(),
};

/** What became of one batch: how many orders of each kind, and each order's status by its row. */
export interface BatchResult {
  readonly counts: Readonly<Record<OrderResult, number>>;
  readonly rejections: Readonly<Record<RejectionReason, number>>;
  readonly statuses: readonly (readonly [orderId: string, status: RowStatus])[];
}

export const orderResults = ['confirmed', 'rejected', 'repeated', 'dropped'] as const;
export type OrderResult = (typeof orderResults)[number];

export const rejectionReasons = ['unit_taken', 'no_stock'] as const;
export type RejectionReason = (typeof rejectionReasons)[number];

export interface Decision {
  readonly orderRows: readonly OrderRow[];
  readonly unitRows: readonly UnitRow[];
  /** What is sold now, a row for each batch that has anything new. */
  readonly movementRows: readonly MovementRow[];
  /** One for each batch, in their order. */
  readonly results: readonly BatchResult[];
}

/** Decides the batches one after the other, as if each had been alone. */
export function decide(
  batches: readonly OrderBatch[],
  standing: Standing,
  nowUs: number,
): Decision {
  const orderRows: OrderRow[] = [];
  const unitRows: UnitRow[] = [];
  const movementRows: MovementRow[] = [];
  const statuses = new Map(standing.statuses);
  const taken = new Set(standing.takenUnits);
  let unsold = standing.unsold;

  const decideOrder = (
    batch: OrderBatch,
    order: EventOrder,
    rejections: Record<RejectionReason, number>,
  ): OrderResult => {
    const { productId, generation } = batch.event;
    const { orderId } = order;
    if (statuses.has(orderId)) return 'repeated';
    // Whoever sent it had lost the lock, so nobody was told 202 (decision 6).
    if (generation < standing.generation) return 'dropped';
    const units = unitsOf(order);
    const reason = reasonAgainst(units, { taken, unsold, stock: standing.stock });
    const status = reason === null ? 'confirmed' : 'rejected';
    statuses.set(orderId, status);
    orderRows.push({ ...rowOf(batch, order, nowUs), status, reason });
    if (reason !== null) {
      rejections[reason] += 1;
    } else {
      unsold -= units.length;
      for (const unit of units) {
        taken.add(unit);
        unitRows.push({ productId, unit, orderId });
      }
    }
    return status;
  };

  const results = batches.map((batch): BatchResult => {
    const counts = { confirmed: 0, rejected: 0, repeated: 0, dropped: 0 };
    const rejections = { unit_taken: 0, no_stock: 0 };
    const unsoldBefore = unsold;
    for (const order of batch.event.orders) counts[decideOrder(batch, order, rejections)] += 1;
    if (unsold < unsoldBefore) {
      const { productId } = batch.event;
      const moved = { units: unsold - unsoldBefore, at: nowUs };
      movementRows.push({ productId, kind: 'sold', reference: batch.batchId, ...moved });
    }
    const known = batch.event.orders.flatMap(({ orderId }) => {
      const status = statuses.get(orderId);
      return status === undefined ? [] : [[orderId, status] as const];
    });
    return { counts, rejections, statuses: known };
  });
  return { orderRows, unitRows, movementRows, results };
}

/** Why an order can't be written; null where it can. */
function reasonAgainst(
  units: readonly number[],
  { taken, unsold, stock }: { taken: ReadonlySet<number>; unsold: number; stock: number },
): RejectionReason | null {
  // The same number twice in one order is a unit taken, too.
  const isTwice = units.length > 1 && new Set(units).size < units.length;
  if (isTwice || units.some((unit) => taken.has(unit))) return 'unit_taken';
  if (units.length > unsold || units.some((unit) => unit > stock)) return 'no_stock';
  return null;
}

function rowOf({ batchId, event }: OrderBatch, order: EventOrder, nowUs: number) {
  const { orderId, userId, quantity, userFirstAt, userQuantity, sold } = order;
  const { productId, unitPrice, currency, acceptedAt } = event;
  return {
    ...{ orderId, productId, userId, quantity, unitPrice, currency, batchId },
    ...{ userFirstAt, userQuantity, sold, acceptedAt, createdAt: nowUs },
  };
}

function unitsOf({ units, quantity }: EventOrder): number[] {
  const [range] = units;
  if (quantity === 1 && range !== undefined) return [range[0]];
  return units.flatMap(([first, last]) =>
    Array.from({ length: last - first + 1 }, (_, index) => first + index),
  );
}
