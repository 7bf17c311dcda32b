// Removes a person from what the system keeps: in the rows of settled sales a random name takes the
// user's place, so that stock, boards and promises still add up; what Redis has of these sales is
// dropped, and their boards are made anew. Events in Kafka and backups end in their own time.

import { randomBytes } from 'node:crypto';
import { and, eq, gt, like, ne, or, sql } from 'drizzle-orm';
import { settledSaleKeptSeconds } from '#lib/constants.ts';
import { crashPoint } from '#lib/crash-point.ts';
import type { MysqlClient } from '#lib/mysql/connect.ts';
import { operations, orders, products } from '#lib/mysql/schema.ts';
import { boardKey, boardKinds, erasedUserPrefix, saleKeys } from '#lib/names.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import { restoreFromRows } from '../recover/settled-boards.ts';
import {
  Conflict,
  lockProduct,
  type Operation,
  record,
  requireProduct,
  type Transaction,
} from './operation.ts';

interface Dependencies {
  readonly redis: RedisClient;
  readonly mysql: MysqlClient;
}

/** What was erased: the sales, and how many orders of each had the user's name. */
export interface Erasure {
  readonly sales: readonly { readonly productId: string; readonly orders: number }[];
}

/** Longer than Redis keeps a settled sale. */
const redisKeepsUs = (settledSaleKeptSeconds + 86_400) * 1_000_000;

/**
 * Erases the user from all sales, once; repeating it finishes what was not finished. Throws
 * Conflict, before anything is changed, where a sale that the user has bought in is not settled:
 * its events would bring the name back. Throws where a store is away.
 */
export async function eraseUser(
  { redis, mysql }: Dependencies,
  userId: string,
  operation: Operation,
): Promise<Erasure> {
  const inRows = await salesOf(mysql, userId);
  const inRedis = await salesInRedis({ redis, mysql }, userId);
  const unsettled = [...inRows, ...inRedis].filter(({ state }) => state !== 'settled');
  if (unsettled.length > 0) {
    const ids = [...new Set(unsettled.map(({ productId }) => productId))].join(', ');
    throw new Conflict(`sales that are not settled yet have this user: ${ids}; close them first`);
  }
  const before = await erasedBefore(mysql, operation);
  if (before.length === 0 && inRows.length > 0) {
    await mysql.db.transaction((transaction) =>
      eraseFromRows(
        transaction,
        inRows.map(({ productId }) => productId),
        userId,
        operation,
      ),
    );
    crashPoint('operate.committed');
  }
  const sales = await erasedBefore(mysql, operation);
  const touched = [...sales, ...inRedis].map(({ productId }) => productId);
  for (const productId of new Set(touched)) {
    await redis.unlink(...Object.values(saleKeys(productId)));
    await restoreFromRows({ redis, mysql }, await requireProduct(mysql, productId));
  }
  return { sales };
}

interface SaleState {
  readonly productId: string;
  readonly state: string;
}

/** Exactly this user: MySQL compares without trailing spaces, and takes `ann` and `ann ` for one. */
function isUser(userId: string) {
  const bytes = Buffer.byteLength(userId);
  return and(eq(orders.userId, userId), sql`octet_length(${orders.userId}) = ${bytes}`);
}

/** Sales with rows of this user; in the order in which they are locked. */
async function salesOf({ db }: MysqlClient, userId: string): Promise<SaleState[]> {
  return db
    .selectDistinct({ productId: orders.productId, state: products.state })
    .from(orders)
    .innerJoin(products, eq(products.productId, orders.productId))
    .where(isUser(userId))
    .orderBy(orders.productId);
}

/** Sales of which Redis knows this user, by their buyers or their boards. */
async function salesInRedis({ redis, mysql }: Dependencies, userId: string): Promise<SaleState[]> {
  const since = Date.now() * 1_000 - redisKeepsUs;
  const candidates = await mysql.db
    .select({ productId: products.productId, state: products.state })
    .from(products)
    .where(or(ne(products.state, 'settled'), gt(products.closesAt, since)));
  const isThere = await Promise.all(
    candidates.map(async ({ productId }) => {
      const [isBuyer, ...scores] = await Promise.all([
        redis.hexists(saleKeys(productId).buyers, userId),
        ...boardKinds.map((kind) => redis.zscore(boardKey(productId, kind), userId)),
      ]);
      return isBuyer === 1 || scores.some((score) => score !== null);
    }),
  );
  return candidates.filter((_, index) => isThere[index]);
}

async function eraseFromRows(
  transaction: Transaction,
  productIds: readonly string[],
  userId: string,
  { operationId, operator }: Operation,
): Promise<void> {
  for (const [index, productId] of productIds.entries()) {
    await lockProduct(transaction, productId);
    const name = `${erasedUserPrefix}${randomBytes(16).toString('base64url')}`;
    const [{ affectedRows }] = await transaction
      .update(orders)
      .set({ userId: name })
      .where(and(eq(orders.productId, productId), isUser(userId)));
    // The log says that somebody was erased, and not who.
    const line = { operator, operationId: lineId(operationId, index) };
    await record(transaction, productId, 'erase', line, { orders: affectedRows });
  }
}

/** One line in the audit log for each sale, the first under the operation's own id. */
function lineId(operationId: string, index: number): string {
  return index === 0 ? operationId : `${operationId}.${index}`;
}

/** What this operation has erased. Throws Conflict where its id was another's. */
async function erasedBefore(
  { db }: MysqlClient,
  { operationId }: Operation,
): Promise<Erasure['sales']> {
  const found = await db
    .select()
    .from(operations)
    .where(like(operations.operationId, `${operationId}%`));
  // To LIKE an underscore is any character.
  const lines = found.filter((line) => line.operationId.split('.')[0] === operationId);
  const other = lines.find(({ action }) => action !== 'erase');
  if (other) throw new Conflict(`this operation id was used before: ${other.action}`);
  return lines.map(({ productId, details }) => ({
    productId,
    orders: (details as { orders: number }).orders,
  }));
}
