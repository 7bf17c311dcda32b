// Puts a product on sale (decision 11): its row, its units in the ledger of stock, and its line in
// the audit log, in one transaction.

import type { MysqlClient } from '#lib/mysql/connect.ts';
import { mysqlErrorOf } from '#lib/mysql/error.ts';
import { products } from '#lib/mysql/schema.ts';
import { Conflict, isDone, move, type Operation, record, requireProduct } from './operation.ts';

export interface NewSale {
  readonly productId: string;
  readonly name: string;
  readonly stock: number;
  readonly unitPrice: number;
  readonly currency: string;
  readonly limitPerUser: number;
  readonly opensAtUs: number | null;
  readonly closesAtUs: number | null;
}

/** Puts a product on sale. Throws Conflict where it exists with other values. */
export async function createSale(
  mysql: MysqlClient,
  sale: NewSale,
  operation: Operation,
): Promise<void> {
  const { productId, opensAtUs, closesAtUs, ...values } = sale;
  const row = { ...values, productId, opensAt: opensAtUs, closesAt: closesAtUs };
  try {
    // Inserted without a look before: who looks for a row that is not there locks the gap, and
    // creations at the same time, also of different products, would end in a deadlock.
    await mysql.db.transaction(async (transaction) => {
      await transaction.insert(products).values({
        ...row,
        unsold: row.stock,
        state: 'on_sale',
        generation: 0,
        createdAt: Date.now() * 1_000,
      });
      const reference = operation.operationId;
      await move(transaction, { productId, kind: 'on_sale', reference, units: row.stock });
      await record(transaction, productId, 'create', operation, row);
    });
  } catch (error) {
    if (mysqlErrorOf(error).code !== 'ER_DUP_ENTRY') throw error;
    await requireSame(mysql, row, operation);
  }
}

type NewRow = Omit<NewSale, 'opensAtUs' | 'closesAtUs'> & {
  readonly opensAt: number | null;
  readonly closesAt: number | null;
};

/** Throws Conflict unless the sale is there with these values, or was made by this operation. */
async function requireSame(mysql: MysqlClient, row: NewRow, operation: Operation): Promise<void> {
  const { productId } = row;
  if (await isDone(mysql.db, productId, 'create', operation)) return;
  const before = await requireProduct(mysql, productId);
  const differing = Object.entries(row)
    .filter(([name, value]) => before[name as keyof NewRow] !== value)
    .map(([name]) => name);
  if (differing.length === 0) return;
  throw new Conflict(`${productId} exists already, with another ${differing.join(', ')}`);
}
