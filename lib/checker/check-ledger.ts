// What must hold of the ledger of stock: the stock and what is unsold can be derived from it, and
// each of its lines is there for something that happened, with as many units.

import type { AuditRow, MovementRow, MysqlFacts, OrderRow, ProductRow } from './facts.ts';
import type { Findings } from './findings.ts';

type Kind = MovementRow['kind'];

const kinds: ReadonlySet<string> = new Set<Kind>(['on_sale', 'restock', 'sold', 'cancelled']);

/** Compares the ledger with the stock, the rows and the audit log, all of one snapshot. */
export function checkLedger(
  { product, orders, units, audit, ledger }: MysqlFacts & { readonly product: ProductRow },
  problems: Findings,
): void {
  const onSale = ledger.filter(({ kind }) => kind === 'on_sale' || kind === 'restock');
  if (sumOf(onSale) !== product.stock) {
    problems.add('Ledger: what was put on sale and restocked is not the stock');
  }
  if (sumOf(ledger) !== product.stock - units.length) {
    problems.add('Ledger: it leaves more or fewer units unsold than have no rows');
  }
  for (const { kind, reference } of ledger) {
    if (kinds.has(kind)) continue;
    problems.add('Ledger: movements are of a kind that does not exist', reference);
  }
  const compare = (kind: Kind, expected: ReadonlyMap<string, number>, problem: string) => {
    const lines = ledger.filter((line) => line.kind === kind);
    for (const reference of differing(lines, expected)) problems.add(problem, reference);
  };
  const sold = soldByBatch(orders);
  compare('sold', sold, 'Ledger: batches sold more or fewer units than their orders have');
  const cancelled = cancelledUnits(orders);
  compare('cancelled', cancelled, 'Ledger: cancellations differ from the cancelled orders');
  const restocked = operationUnits(audit, 'restock', 'units');
  compare('restock', restocked, 'Ledger: restocks differ from the audit log');
  const created = operationUnits(audit, 'create', 'stock');
  // Of a sale that no operator created, as in tests, nothing else says what was put on sale.
  if (created.size === 0) return;
  compare('on_sale', created, 'Ledger: what was put on sale differs from the audit log');
}

function sumOf(lines: readonly MovementRow[]): number {
  return lines.reduce((sum, { units }) => sum + units, 0);
}

/** The references that have another line than expected, none, or one too many. */
function differing(
  lines: readonly MovementRow[],
  expected: ReadonlyMap<string, number>,
): readonly string[] {
  const unseen = new Set(expected.keys());
  const wrong = lines.filter(
    ({ reference, units }) => !unseen.delete(reference) || expected.get(reference) !== units,
  );
  return [...wrong.map(({ reference }) => reference), ...unseen];
}

/** What each batch has ever taken from the stock; what was cancelled since is a line of its own. */
function soldByBatch(orders: readonly OrderRow[]): ReadonlyMap<string, number> {
  const sold = new Map<string, number>();
  for (const { batchId, status, quantity } of orders) {
    if (status === 'rejected') continue;
    sold.set(batchId, (sold.get(batchId) ?? 0) - quantity);
  }
  return sold;
}

function cancelledUnits(orders: readonly OrderRow[]): ReadonlyMap<string, number> {
  const cancelled = orders.filter(({ status }) => status === 'cancelled');
  return new Map(cancelled.map(({ orderId, quantity }) => [orderId, quantity]));
}

/** The units that operations of a kind name, by their ids. */
function operationUnits(
  audit: readonly AuditRow[],
  action: string,
  name: string,
): ReadonlyMap<string, number> {
  const lines = audit.filter((line) => line.action === action);
  return new Map(
    lines.map(({ operationId, details }) => [
      operationId,
      Number((details as Readonly<Record<string, unknown>>)[name]),
    ]),
  );
}
