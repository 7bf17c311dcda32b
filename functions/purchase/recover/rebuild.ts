// Back to the source (回源), made safe (decision 6): loads a sale into Redis from what MySQL and
// Kafka know, after making sure that nothing accepted is missing there. Runs under the lock.
//
// The order of the steps is the proof. The generation is read before the claim and raised only if
// it is still that one: whoever was overtaken by another rebuild can no longer raise it.

import { randomUUID } from 'node:crypto';
import { and, eq } from 'drizzle-orm';
import { newestOnBoards, restoreBoards } from '#lib/board/restore.ts';
import { crashPoint } from '#lib/crash-point.ts';
import { marksNoted, type TopicMarks } from '#lib/kafka/topic-marks.ts';
import type { HeldLock } from '#lib/lock/lock.ts';
import type { MysqlClient } from '#lib/mysql/connect.ts';
import { generations, products } from '#lib/mysql/schema.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import { claim, load, unclaim } from '#lib/sale/sale.ts';
import type { ProductRow } from '../catalogue.ts';
import type { Publisher } from '../sell/publish.ts';
import { awaitRows, RebuildBlocked, RebuildFailed } from './await-rows.ts';
import type { EventLog } from './read-events.ts';
import { type RebuiltSale, rebuiltSale } from './rebuilt-sale.ts';
import { saleRowsOf } from './sale-rows.ts';

export { RebuildBlocked, RebuildFailed };

/** There is no such product, or its sale is settled: it is not loaded for a buyer. */
export class NotOnSale extends Error {
  override readonly name = 'NotOnSale';
}

export interface RebuildDependencies extends EventLog {
  readonly redis: RedisClient;
  readonly mysql: MysqlClient;
  readonly publisher: Publisher;
  /** How long persist-order may take to write what was published again. */
  readonly rowsTimeoutMs?: number;
}

/**
 * Rebuilds the sale and resolves with its new generation. The reason is noted with it. Throws
 * NotOnSale, RebuildFailed, RebuildBlocked.
 */
export async function rebuild(
  dependencies: RebuildDependencies,
  productId: string,
  held: HeldLock,
  reason = 'lost',
): Promise<number> {
  const { redis, mysql, readEvents } = dependencies;
  // 1. What generation is it, and is the lock really ours? Then claim: nobody sells from here on.
  const { generation } = await productOnSale(mysql, productId);
  if (!(await held.confirm())) throw new RebuildFailed('the lock is not ours');
  const claimName = randomUUID();
  await claim(redis, productId, claimName);
  crashPoint('rebuild.claimed');
  // 2. What is sold from the new generation lies behind these marks: its own rebuild begins there.
  const marks = await dependencies.mark();
  // 3. Every order that was acknowledged before the claim gets its row.
  // Of what MySQL says was never loaded there is nothing, unless the boards know better: then it
  // was put back to a copy from before.
  const shown = await newestOnBoards(redis, productId);
  let newest = generation;
  if (generation > 0 || shown > 0) {
    const events = readEvents(productId, await marksOf(mysql, productId, generation));
    newest = await awaitRows(dependencies, productId, generation, events);
  }
  crashPoint('rebuild.rows-there');
  // 4. One transaction raises the generation, beyond everything that was ever heard of, and reads.
  const known = Math.max(newest, shown);
  const raise = { from: generation, to: known + 1, marks, reason };
  const content = await raiseAndRead(mysql, productId, raise, held).catch(
    async (error: unknown) => {
      // Nobody comes to load it, and a key that was gone would stay for ever.
      if (error instanceof NotOnSale) await unclaim(redis, productId, claimName);
      throw error;
    },
  );
  crashPoint('rebuild.committed');
  // 5. Load it, chunk by chunk, as long as the claim is ours; the boards with it.
  const { totals, fields } = content;
  const restore = async () => {
    await restoreBoards(redis, productId, totals, fields.sold, fields);
  };
  if (!(await load(redis, productId, claimName, content, restore))) {
    throw new RebuildFailed('another rebuild has claimed the sale');
  }
  crashPoint('rebuild.loaded');
  return fields.generation;
}

async function productOnSale({ db }: MysqlClient, productId: string): Promise<ProductRow> {
  const [product] = await db.select().from(products).where(eq(products.productId, productId));
  if (!product || product.state === 'settled') throw new NotOnSale(productId);
  return product;
}

/** Where this generation's events begin; undefined where nobody noted it readably. */
export async function marksOf(
  { db }: MysqlClient,
  productId: string,
  generation: number,
): Promise<TopicMarks | undefined> {
  const [made] = await db
    .select()
    .from(generations)
    .where(and(eq(generations.productId, productId), eq(generations.generation, generation)));
  return made && marksNoted(made.at, made.topicEnds);
}

interface Raise {
  readonly from: number;
  readonly to: number;
  readonly marks: TopicMarks;
  readonly reason: string;
}

async function raiseAndRead(
  { db }: MysqlClient,
  productId: string,
  { from, to, marks, reason }: Raise,
  held: HeldLock,
): Promise<RebuiltSale> {
  return db.transaction(async (transaction) => {
    // The update locks the product's row, behind which persist-order queues: no order comes in
    // between it and the reads.
    const [{ affectedRows }] = await transaction
      .update(products)
      .set({ generation: to })
      .where(and(eq(products.productId, productId), eq(products.generation, from)));
    const [product] = await transaction
      .select()
      .from(products)
      .where(eq(products.productId, productId));
    // Settled while we were on our way: who throws takes the new generation back.
    if (!product || product.state === 'settled') throw new NotOnSale(productId);
    if (affectedRows !== 1) throw new RebuildFailed('another rebuild has raised the generation');
    const note = { reason, topicEnds: marks.ends, at: marks.atMs * 1_000 };
    await transaction
      .insert(generations)
      .values({ productId, generation: to, ...note })
      // Of a product of this name that was there before.
      .onDuplicateKeyUpdate({ set: note });
    const content = await rebuiltSale(product, saleRowsOf(transaction, productId), held.token);
    crashPoint('rebuild.before-commit');
    return content;
  });
}
