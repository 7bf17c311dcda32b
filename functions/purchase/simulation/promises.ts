// The three promises, judged by what buyers were told and what MySQL holds when everything has come to
// rest. Nothing that the code under test counts is believed.

import type { Order, Said } from './buyers.ts';
import type { Database } from './mysql-database.ts';

interface OrderRow {
  readonly order_id: string;
  readonly user_id: string;
  readonly quantity: number;
  readonly status: string;
}

interface ProductRow {
  readonly stock: number;
  readonly unsold: number;
  readonly limit_per_user: number;
}

/** What is broken, in words; nothing where all is well. */
export function findBrokenPromises(
  database: Database,
  productId: string,
  orders: readonly Order[],
): string[] {
  const read = (sql: string) =>
    database.run(sql, [productId], { asArrays: false, sees: false }) as Record<string, unknown>[];
  const [product] = read('select * from products where product_id = ?') as unknown as ProductRow[];
  const rows = read('select * from orders where product_id = ?') as unknown as OrderRow[];
  const units = read('select * from order_units where product_id = ?');
  const [ledger] = read('select sum(units) as unsold from stock_movements where product_id = ?');
  if (product === undefined) return ['the product is gone'];
  const confirmed = rows.filter(({ status }) => status === 'confirmed');
  const sold = sumOf(confirmed);
  const problems: string[] = [];
  if (sold > product.stock) problems.push(`oversold: ${sold} of ${product.stock} units`);
  if (units.length !== sold) problems.push(`${units.length} units have rows, ${sold} are sold`);
  if (product.unsold !== product.stock - sold) problems.push('the stock in MySQL is wrong');
  if (ledger?.['unsold'] !== product.unsold) problems.push('the ledger does not add up');
  for (const [userId, own] of Map.groupBy(confirmed, ({ user_id: userId }) => userId)) {
    if (sumOf(own) > product.limit_per_user) problems.push(`${userId} has bought too much`);
  }
  const rowOf = new Map(rows.map((row) => [row.order_id, row]));
  for (const order of orders) problems.push(...brokenBy(order, rowOf.get(order.orderId)));
  return problems;
}

const sumOf = (rows: readonly OrderRow[]) => rows.reduce((sum, { quantity }) => sum + quantity, 0);
const isAcceptance = ({ answer: { outcome } }: Said) =>
  outcome === 'accepted' || outcome === 'replayed';

function brokenBy({ orderId, userId, said }: Order, row: OrderRow | undefined): string[] {
  const problems: string[] = [];
  const acceptances = said.filter(isAcceptance);
  const [first] = acceptances;
  if (first === undefined) return problems;
  if (row?.status !== 'confirmed') {
    problems.push(`lost: ${orderId} was accepted and is ${row?.status ?? 'not there'}`);
  } else if (row.user_id !== userId || acceptances.some((one) => one.quantity !== row.quantity)) {
    problems.push(`changed: ${orderId} was accepted with another content`);
  }
  for (const one of said) {
    if (one.askedAtMs < first.saidAtMs) continue;
    const { outcome } = one.answer;
    const expected = one.quantity === first.quantity ? 'replayed' : 'key_reused';
    if (outcome !== expected && outcome !== 'unavailable') {
      problems.push(`answered twice: ${orderId} was accepted, and then ${outcome}`);
    }
  }
  return problems;
}
