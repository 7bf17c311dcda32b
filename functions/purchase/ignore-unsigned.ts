// An operator's word that events of a sale that none of our keys signed are not ours. Without it, a
// rebuild that meets such orders without rows does not go on: they may have been accepted.

import { eq } from 'drizzle-orm';
import type { MysqlClient } from '#lib/mysql/connect.ts';
import { mysqlErrorOf } from '#lib/mysql/error.ts';
import { operations } from '#lib/mysql/schema.ts';
import { ignoreUnsignedAction } from './await-rows.ts';
import { Conflict, type Operation, requireProduct } from './operation.ts';

/**
 * Notes it in the audit log, for the generation that the sale has now: the next rebuild goes on.
 * Throws UnknownProduct, and Conflict where the operation id was another change's.
 */
export async function ignoreUnsigned(
  mysql: MysqlClient,
  productId: string,
  { operationId, operator }: Operation,
): Promise<void> {
  const { generation } = await requireProduct(mysql, productId);
  const action = ignoreUnsignedAction;
  const at = Date.now() * 1_000;
  const details = { generation };
  try {
    await mysql.db
      .insert(operations)
      .values({ operationId, productId, operator, action, details, at });
  } catch (error) {
    if (mysqlErrorOf(error).code !== 'ER_DUP_ENTRY') throw error;
    const [before] = await mysql.db
      .select()
      .from(operations)
      .where(eq(operations.operationId, operationId));
    if (before?.productId === productId && before.action === action) return;
    throw new Conflict(`this operation id was used before: ${before?.action}`);
  }
}
