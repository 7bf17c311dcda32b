// What must hold within MySQL, and between a row and the event it was made from.

import { productIdOf } from '#lib/order-id.ts';
import { rangesOf } from '#lib/sale/order-record.ts';
import type { AcceptedOrder, AcceptedOrders } from './accepted-orders.ts';
import type { MysqlFacts, OrderRow, ProductRow } from './facts.ts';
import type { Findings } from './findings.ts';
import { createPace } from './pace.ts';
import { sameUnits } from './unit-ranges.ts';

export function* checkMysql(
  { product, orders, units }: MysqlFacts & { readonly product: ProductRow },
  accepted: AcceptedOrders,
  problems: Findings,
): Generator<void, void> {
  if (product.unsold !== product.stock - units.length) {
    problems.add('MySQL: `unsold` is not the stock less the units that have rows');
  }
  const unitsOf = Map.groupBy(units, ({ orderId }) => orderId);
  yield;
  const confirmed = new Set<string>();
  const isDue = createPace();
  for (const row of orders) {
    if (isDue()) yield;
    const unitNumbers = (unitsOf.get(row.orderId) ?? []).map(({ unit }) => unit);
    checkRow(row, product, unitNumbers.length, problems);
    if (row.status === 'confirmed') confirmed.add(row.orderId);
    const known = accepted.byId.get(row.orderId);
    if (known === undefined) continue;
    checkAgainstEvent(row, known, problems);
    if (row.status === 'confirmed' && !sameUnits(rangesOf(unitNumbers), known.order.units)) {
      problems.add('MySQL: orders have other units than their events', row.orderId);
    }
  }
  for (const { orderId, unit } of units) {
    if (isDue()) yield;
    if (confirmed.has(orderId)) continue;
    problems.add('MySQL: units belong to no confirmed order', `unit ${unit}`);
  }
  checkLimit(orders, product.limitPerUser, problems);
}

function checkRow(row: OrderRow, product: ProductRow, unitCount: number, problems: Findings): void {
  const { orderId, status, quantity } = row;
  if (unitCount !== (status === 'confirmed' ? quantity : 0)) {
    problems.add('MySQL: orders have more or fewer units than their quantity', orderId);
  }
  if (!['confirmed', 'rejected', 'cancelled'].includes(status)) {
    problems.add('MySQL: orders have a status that does not exist', orderId);
  }
  if (status === 'confirmed' && row.reason !== null) {
    problems.add('MySQL: confirmed orders have a reason of rejection', orderId);
  }
  if (productIdOf(orderId) !== row.productId) {
    problems.add('MySQL: orders name another product than their id', orderId);
  }
  if (row.unitPrice !== product.unitPrice || row.currency !== product.currency) {
    problems.add('MySQL: orders have another price than their product', orderId);
  }
}

function checkAgainstEvent(row: OrderRow, accepted: AcceptedOrder, problems: Findings): void {
  const { batch, order } = accepted;
  const said = {
    userId: order.userId,
    quantity: order.quantity,
    unitPrice: batch.event.unitPrice,
    currency: batch.event.currency,
    batchId: batch.id,
    userFirstAt: order.userFirstAt,
    userQuantity: order.userQuantity,
    sold: order.sold,
    acceptedAt: batch.event.acceptedAt,
  };
  for (const [name, value] of Object.entries(said)) {
    if (row[name as keyof typeof said] === value) continue;
    problems.add(`MySQL: orders differ from their events in ${name}`, row.orderId);
  }
}

function checkLimit(orders: readonly OrderRow[], limit: number, problems: Findings): void {
  const bought = new Map<string, number>();
  for (const { userId, quantity, status, orderId } of orders) {
    if (status !== 'confirmed') continue;
    const total = (bought.get(userId) ?? 0) + quantity;
    bought.set(userId, total);
    if (total > limit) problems.add('MySQL: buyers have more than the limit', orderId);
  }
}
