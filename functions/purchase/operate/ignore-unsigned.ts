// An operator's word that events of a sale that none of our keys signed are not ours. Without it, a
// rebuild that meets such orders without rows does not go on: they may have been accepted.

import type { MysqlClient } from '#lib/mysql/connect.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import { findSale, type Sale } from '../catalogue.ts';
import { ignoreUnsignedAction } from '../recover/await-rows.ts';
import { isDone, lockProduct, type Operation, record, requireProduct } from './operation.ts';

/**
 * Notes it in the audit log, for the generation that the sale has now: the next rebuild goes on.
 * Throws UnknownProduct, and Conflict where the operation id was another change's.
 */
export async function ignoreUnsigned(
  { mysql, redis }: { readonly mysql: MysqlClient; readonly redis: RedisClient },
  productId: string,
  operation: Operation,
): Promise<Sale> {
  await requireProduct(mysql, productId);
  await mysql.db.transaction(async (transaction) => {
    const { generation } = await lockProduct(transaction, productId);
    if (await isDone(transaction, productId, ignoreUnsignedAction, operation)) return;
    await record(transaction, productId, ignoreUnsignedAction, operation, { generation });
  });
  const sale = await findSale({ mysql, redis }, productId);
  if (!sale) throw new Error('a sale that was there is gone');
  return sale;
}
