// A sale as Redis holds it, made from MySQL's rows alone.

import type { Totals } from '#lib/board/score.ts';
import { turnOrdersMax } from '#lib/constants.ts';
import type { Token } from '#lib/lock/lock.ts';
import type { orders, orderUnits, products } from '#lib/mysql/schema.ts';
import { formatOrderRecord, formatRanges, freeRanges, rangesOf } from '#lib/sale/order-record.ts';
import type { SaleContent } from '#lib/sale/sale.ts';

type ProductRow = typeof products.$inferSelect;
type OrderRow = typeof orders.$inferSelect;
type UnitRow = typeof orderUnits.$inferSelect;

/** What is loaded, and each buyer's totals for the boards. */
export interface RebuiltSale extends SaleContent {
  readonly totals: readonly BuyerTotals[];
}

interface BuyerTotals extends Totals {
  readonly userId: string;
}

/** The rows must be of one moment, in which the product had this generation. */
export function rebuiltSale(
  product: ProductRow,
  orderRows: readonly OrderRow[],
  unitRows: readonly UnitRow[],
  token: Token,
): RebuiltSale {
  const units = unitRows.map(({ unit }) => unit);
  const unitsOf = Map.groupBy(unitRows, ({ orderId }) => orderId);
  const totals = totalsOf(orderRows);
  const lastAtUs = orderRows.reduce(
    (last, { acceptedAt, userFirstAt }) => Math.max(last, acceptedAt, userFirstAt),
    0,
  );
  return {
    totals,
    fields: {
      ...token,
      generation: product.generation,
      name: product.name,
      unitPrice: product.unitPrice,
      currency: product.currency,
      limit: product.limitPerUser,
      stock: product.stock,
      left: product.stock - units.length,
      sold: units.length,
      free: formatRanges(freeRanges(product.stock, units)),
      state: product.state === 'settled' ? 'closed' : product.state,
      opensAtUs: product.opensAt,
      closesAtUs: product.closesAt,
      batches: 0,
      // An event's orders are a microsecond apart; rows know only when the event began.
      lastAtUs: lastAtUs + turnOrdersMax,
    },
    orders: orderRows.map((row) => [
      row.orderId,
      formatOrderRecord({
        status: row.status,
        quantity: row.quantity,
        batchNumber: 0,
        acceptedAtUs: row.acceptedAt,
        units: rangesOf((unitsOf.get(row.orderId) ?? []).map(({ unit }) => unit)),
        userId: row.userId,
      }),
    ]),
    buyers: totals.map(({ userId, userFirstAt, userQuantity }) => [
      userId,
      `${userFirstAt}|${userQuantity}`,
    ]),
  };
}

/** What each buyer has: rejected and cancelled orders count for nobody. */
function totalsOf(orderRows: readonly OrderRow[]): BuyerTotals[] {
  const totals = new Map<string, BuyerTotals>();
  for (const { userId, userFirstAt, quantity, status } of orderRows) {
    if (status !== 'confirmed') continue;
    const before = totals.get(userId) ?? { userId, userFirstAt, userQuantity: 0 };
    totals.set(userId, {
      userId,
      userFirstAt: Math.min(before.userFirstAt, userFirstAt),
      userQuantity: before.userQuantity + quantity,
    });
  }
  return [...totals.values()];
}
