// What operators did to a sale, by the audit log: what they put on sale, and which orders they
// cancelled. Whatever else changed is nobody's decision.

import type { AuditRow, OrderRow, ProductRow } from './facts.ts';
import type { Findings } from './findings.ts';

export interface Audit {
  /** When each order was cancelled, in epoch microseconds. */
  readonly cancelled: ReadonlyMap<string, number>;
  /** The stock by the last line that names one; undefined where none does. */
  readonly stock: number | undefined;
}

export function readAudit(lines: readonly AuditRow[], problems: Findings): Audit {
  const cancelled = new Map<string, number>();
  let stock: number | undefined;
  for (const { action, details, at } of lines) {
    const { orderId, units, stock: said } = details as Readonly<Record<string, unknown>>;
    if (action === 'cancel' && typeof orderId === 'string') {
      if (cancelled.has(orderId)) problems.add('Audit log: orders were cancelled twice', orderId);
      cancelled.set(orderId, at);
    }
    if (action !== 'create' && action !== 'restock') continue;
    const isRight = action === 'create' || stock === undefined || said === stock + Number(units);
    if (typeof said !== 'number' || !isRight) problems.add('Audit log: restocks do not add up');
    else stock = said;
  }
  return { cancelled, stock };
}

/** What the rows must be by the audit log. */
export function checkAudit(
  audit: Audit,
  { product, orders }: { readonly product: ProductRow; readonly orders: readonly OrderRow[] },
  problems: Findings,
): void {
  if (audit.stock !== undefined && product.stock !== audit.stock) {
    problems.add('MySQL: the stock is not what operators put on sale');
  }
  const statuses = new Map(orders.map(({ orderId, status }) => [orderId, status]));
  for (const orderId of audit.cancelled.keys()) {
    if (statuses.get(orderId) === 'cancelled') continue;
    problems.add('MySQL: orders that were cancelled are not cancelled', orderId);
  }
}
