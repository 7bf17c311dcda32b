// What every operator's change has in common: its id, its line in the audit log, and how it is
// refused. An operation id counts for one change, once.

import { eq } from 'drizzle-orm';
import type { MysqlClient } from '#lib/mysql/connect.ts';
import { operations, products, stockMovements } from '#lib/mysql/schema.ts';
import { findProduct, type ProductRow } from '../catalogue.ts';

/** The change does not fit the present state; the message says why, for the operator. */
export class Conflict extends Error {
  override readonly name = 'Conflict';
}

/** There is no such product. */
export class UnknownProduct extends Error {
  override readonly name = 'UnknownProduct';
}

/** Who changes what, under which operation id. */
export interface Operation {
  readonly operationId: string;
  readonly operator: string;
}

export type Transaction = Parameters<Parameters<MysqlClient['db']['transaction']>[0]>[0];
export type Action =
  | 'create'
  | 'open'
  | 'pause'
  | 'restock'
  | 'close'
  | 'settle'
  | 'cancel'
  | 'ignore_unsigned'
  | 'replay_letters'
  | 'drop_letters'
  | 'erase';

/** What a change is about, beside its product, by the names of its details: 5 units, an order. */
export type Subject = Readonly<Record<string, unknown>>;

/** Whether this very change was made before. Throws Conflict where its id was another's. */
export async function isDone(
  db: Pick<Transaction, 'select'>,
  productId: string,
  action: Action,
  { operationId }: Operation,
  subject: Subject = {},
): Promise<boolean> {
  const [before] = await db
    .select()
    .from(operations)
    .where(eq(operations.operationId, operationId));
  if (!before) return false;
  const details = before.details as Subject;
  const isSame = Object.entries(subject).every(([name, value]) => details[name] === value);
  if (before.productId === productId && before.action === action && isSame) return true;
  throw new Conflict(`this operation id was used before: ${before.action} of ${before.productId}`);
}

/** Adds the change's line to the audit log, in the change's own transaction. */
export async function record(
  transaction: Transaction,
  productId: string,
  action: Action,
  { operationId, operator }: Operation,
  details: object,
): Promise<void> {
  const at = Date.now() * 1_000;
  await transaction
    .insert(operations)
    .values({ operationId, productId, operator, action, details, at });
}

/** Writes a movement of stock into the ledger, in the transaction of the change that makes it. */
export async function move(
  transaction: Pick<Transaction, 'insert'>,
  movement: Omit<typeof stockMovements.$inferInsert, 'at'>,
): Promise<void> {
  await transaction.insert(stockMovements).values({ ...movement, at: Date.now() * 1_000 });
}

/** The product's row. Throws UnknownProduct. */
export async function requireProduct(mysql: MysqlClient, productId: string): Promise<ProductRow> {
  const row = await findProduct(mysql, productId);
  if (!row) throw new UnknownProduct(productId);
  return row;
}

/** The product's row, and with it the product: whatever writes its rows waits for the commit. */
export async function lockProduct(
  transaction: Transaction,
  productId: string,
): Promise<ProductRow> {
  const [row] = await transaction
    .select()
    .from(products)
    .where(eq(products.productId, productId))
    .for('update');
  if (!row) throw new Conflict(`${productId} is gone`);
  return row;
}
