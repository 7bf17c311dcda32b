// A sale as Redis holds it, made from MySQL's rows alone, page by page: nothing is held but what
// is loaded.

import type { BuyerTotals } from '#lib/board/restore.ts';
import { turnOrdersMax } from '#lib/constants.ts';
import type { Token } from '#lib/lock/lock.ts';
import type { UnitRange } from '#lib/order-event.ts';
import { formatOrderRecord, formatRanges } from '#lib/sale/order-record.ts';
import type { SaleContent } from '#lib/sale/sale.ts';
import type { ProductRow } from '../catalogue.ts';
import type { SaleRows, SoldOrder, SoldUnit } from './sale-rows.ts';

/** What is loaded, and each buyer's totals for the boards. */
export interface RebuiltSale extends SaleContent {
  readonly totals: readonly BuyerTotals[];
}

/** The rows must be of one moment, in which the product had this generation. */
export async function rebuiltSale(
  product: ProductRow,
  rows: SaleRows,
  token: Token,
): Promise<RebuiltSale> {
  const units = await unitsOf(product.stock, rows.units);
  const { records, totals, lastAtUs } = await ordersOf(rows.orders, units.byOrder);
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
      left: product.stock - units.count,
      sold: units.count,
      free: formatRanges(units.free),
      state: product.state === 'settled' ? 'closed' : product.state,
      opensAtUs: product.opensAt,
      closesAtUs: product.closesAt,
      batches: 0,
      // An event's orders are a microsecond apart; rows know only when the event began.
      lastAtUs: lastAtUs + turnOrdersMax,
    },
    orders: records,
    buyers: buyerRecordsOf(totals),
  };
}

/** Buyers as they stand in their HASH in Redis. */
export function buyerRecordsOf(totals: readonly BuyerTotals[]): [userId: string, text: string][] {
  return totals.map(({ userId, userFirstAt, userQuantity }) => [
    userId,
    `${userFirstAt}|${userQuantity}`,
  ]);
}

/** Which order has which units, and what is free of 1 to `stock`; the pages come by number. */
async function unitsOf(stock: number, pages: AsyncIterable<readonly SoldUnit[]>) {
  const byOrder = new Map<string, [number, number][]>();
  const free: UnitRange[] = [];
  let count = 0;
  let next = 1;
  for await (const page of pages) {
    for (const { unit, orderId } of page) {
      if (unit > next) free.push([next, unit - 1]);
      next = unit + 1;
      count += 1;
      const ranges = byOrder.get(orderId);
      const last = ranges?.at(-1);
      if (last?.[1] === unit - 1) last[1] = unit;
      else if (ranges) ranges.push([unit, unit]);
      else byOrder.set(orderId, [[unit, unit]]);
    }
  }
  if (next <= stock) free.push([next, stock]);
  return { byOrder, free, count };
}

async function ordersOf(
  pages: AsyncIterable<readonly SoldOrder[]>,
  unitsByOrder: ReadonlyMap<string, readonly UnitRange[]>,
) {
  const records: [orderId: string, value: string][] = [];
  const totals = new Map<string, BuyerTotals>();
  let lastAtUs = 0;
  for await (const page of pages) {
    for (const row of page) {
      lastAtUs = Math.max(lastAtUs, row.acceptedAt, row.userFirstAt);
      const value = formatOrderRecord({
        status: row.status,
        quantity: row.quantity,
        batchNumber: 0,
        acceptedAtUs: row.acceptedAt,
        units: unitsByOrder.get(row.orderId) ?? [],
        userId: row.userId,
      });
      records.push([row.orderId, value]);
      addTo(totals, row);
    }
  }
  return { records, totals: [...totals.values()], lastAtUs };
}

/** Each buyer's totals by these rows. */
export async function totalsOf(pages: AsyncIterable<readonly SoldOrder[]>): Promise<BuyerTotals[]> {
  const totals = new Map<string, BuyerTotals>();
  for await (const page of pages) for (const row of page) addTo(totals, row);
  return [...totals.values()];
}

/** Rejected and cancelled orders count for nobody. */
function addTo(totals: Map<string, BuyerTotals>, row: SoldOrder): void {
  const { userId, userFirstAt, quantity, status } = row;
  if (status !== 'confirmed') return;
  const before = totals.get(userId) ?? { userId, userFirstAt, userQuantity: 0 };
  totals.set(userId, {
    userId,
    userFirstAt: Math.min(before.userFirstAt, userFirstAt),
    userQuantity: before.userQuantity + quantity,
  });
}
