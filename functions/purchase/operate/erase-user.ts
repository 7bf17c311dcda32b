// Removes a person from what the system keeps: in the rows of settled sales a random name takes the
// user's place, so that stock, boards and promises still add up; what Redis has of these sales is
// dropped, and their boards are made anew. Events in Kafka and backups end in their own time.
// Refused while anything on its way could bring the name back: what only Kafka knows is waited for.

import { randomBytes } from 'node:crypto';
import { and, eq, gt, like, ne, sql } from 'drizzle-orm';
import { newestOnBoards } from '#lib/board/restore.ts';
import { mysqlQueriesAtOnce, settledSaleKeptSeconds } from '#lib/constants.ts';
import { crashPoint } from '#lib/crash-point.ts';
import { inParallel } from '#lib/in-parallel.ts';
import type { MysqlClient } from '#lib/mysql/connect.ts';
import { operations, orders, products } from '#lib/mysql/schema.ts';
import { boardKey, boardKinds, erasedUserPrefix, saleKeys } from '#lib/names.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import { takeSnapshot } from '#lib/sale/snapshot.ts';
import { NotOnSale } from '../recover/rebuild.ts';
import { restoreFromRows } from '../recover/settled-boards.ts';
import type { Seller } from '../sell.ts';
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
  readonly seller: Pick<Seller, 'exclusively'>;
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
 * its events would bring the name back. Throws where a store is away, and where a sale that is not
 * settled cannot be loaded into Redis: nobody knows then who has bought in it.
 */
export async function eraseUser(
  { redis, mysql, seller }: Dependencies,
  userId: string,
  operation: Operation,
): Promise<Erasure> {
  const accepted = await unsettledSalesOf({ redis, mysql, seller }, userId);
  // Read last: what was settled meanwhile has all of its rows.
  const inRows = await salesOf(mysql, userId);
  const inRedis = await settledSalesInRedis({ redis, mysql }, userId);
  const unsettled = inRows.filter(({ state }) => state !== 'settled');
  const ids = new Set([...accepted, ...unsettled].map(({ productId }) => productId));
  if (ids.size > 0) {
    const named = [...ids].join(', ');
    throw new Conflict(`sales that are not settled yet have this user: ${named}; close them first`);
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

interface Sale {
  readonly productId: string;
}

/** Exactly this user: MySQL compares without trailing spaces, and takes `ann` and `ann ` for one. */
function isUser(userId: string) {
  const bytes = Buffer.byteLength(userId);
  return and(eq(orders.userId, userId), sql`octet_length(${orders.userId}) = ${bytes}`);
}

/** Sales with rows of this user; in the order in which they are locked. */
async function salesOf({ db }: MysqlClient, userId: string) {
  return db
    .selectDistinct({ productId: orders.productId, state: products.state })
    .from(orders)
    .innerJoin(products, eq(products.productId, orders.productId))
    .where(isUser(userId))
    .orderBy(orders.productId);
}

/**
 * Sales that are not settled, in which the user has bought. A loaded sale names all who have:
 * under its lock it is made whole first, so that orders which are only in Kafka get their rows.
 */
async function unsettledSalesOf(
  { redis, mysql, seller }: Dependencies,
  userId: string,
): Promise<readonly Sale[]> {
  const sales = await mysql.db
    .select({ productId: products.productId, generation: products.generation })
    .from(products)
    .where(ne(products.state, 'settled'));
  const bought = await inParallel(sales, mysqlQueriesAtOnce, async (sale) => {
    const { productId } = sale;
    if (await wasNeverLoaded(redis, sale)) return false;
    const isThere = () => isInRedis(redis, productId, userId);
    return seller.exclusively(productId, isThere).catch((error: unknown) => {
      // It was settled meanwhile.
      if (error instanceof NotOnSale) return false;
      throw error;
    });
  });
  return sales.filter((_, index) => bought[index]);
}

/** Nobody can have bought in it. A MySQL that was put back to the past may not know of it. */
async function wasNeverLoaded(
  redis: RedisClient,
  { productId, generation }: Sale & { readonly generation: number },
): Promise<boolean> {
  if (generation > 0 || (await newestOnBoards(redis, productId)) > 0) return false;
  return (await takeSnapshot(redis, productId)).fields.size === 0;
}

/** Settled sales of which Redis knows this user, by their buyers or their boards. */
async function settledSalesInRedis(
  { redis, mysql }: Pick<Dependencies, 'redis' | 'mysql'>,
  userId: string,
): Promise<readonly Sale[]> {
  const since = Date.now() * 1_000 - redisKeepsUs;
  const sales = await mysql.db
    .select({ productId: products.productId })
    .from(products)
    .where(and(eq(products.state, 'settled'), gt(products.closesAt, since)));
  const isThere = await Promise.all(
    sales.map(({ productId }) => isInRedis(redis, productId, userId)),
  );
  return sales.filter((_, index) => isThere[index]);
}

async function isInRedis(redis: RedisClient, productId: string, userId: string): Promise<boolean> {
  const [isBuyer, ...scores] = await Promise.all([
    redis.hexists(saleKeys(productId).buyers, userId),
    ...boardKinds.map((kind) => redis.zscore(boardKey(productId, kind), userId)),
  ]);
  return isBuyer === 1 || scores.some((score) => score !== null);
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
