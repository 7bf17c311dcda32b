// Back to the source (回源), made safe (decision 6): loads a sale into Redis from what MySQL and
// Kafka know, after making sure that nothing accepted is missing there. Runs under the lock.
//
// The order of the steps is the proof. The generation is read before the claim and raised only if
// it is still that one: whoever was overtaken by another rebuild can no longer raise it.

import { randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { and, eq, inArray } from 'drizzle-orm';
import { restoreBoards } from '#lib/board/board.ts';
import { rebuildTimeoutMs } from '#lib/constants.ts';
import { crashPoint } from '#lib/crash-point.ts';
import type { HeldLock } from '#lib/lock/lock.ts';
import type { MysqlClient } from '#lib/mysql/connect.ts';
import { orders, orderUnits, products } from '#lib/mysql/schema.ts';
import { type OrderEvent, orderEventSchema } from '#lib/order-event.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import { claim, load } from '#lib/sale/sale.ts';
import type { PublishedEvent, Publisher } from './publish.ts';
import { type RebuiltSale, rebuiltSale } from './rebuilt-sale.ts';

/** There is no such product, or its sale is settled: it is not loaded for a buyer. */
export class NotOnSale extends Error {
  override readonly name = 'NotOnSale';
}

/** The rebuild was overtaken or could not be finished; nothing was sold meanwhile. */
export class RebuildFailed extends Error {
  override readonly name = 'RebuildFailed';
}

export interface RebuildDependencies {
  readonly redis: RedisClient;
  readonly mysql: MysqlClient;
  readonly publisher: Publisher;
  /** The data of every event of this product, dead letters included, up to the ends taken first. */
  readonly readEvents: (productId: string) => Promise<readonly PublishedEvent[]>;
  /** How long persist-order may take to write what was published again. */
  readonly rowsTimeoutMs?: number;
}

type ProductRow = typeof products.$inferSelect;

/** Rebuilds the sale and resolves with its new generation. Throws NotOnSale, RebuildFailed. */
export async function rebuild(
  dependencies: RebuildDependencies,
  productId: string,
  held: HeldLock,
): Promise<number> {
  const { redis, mysql, readEvents } = dependencies;
  // 1. What generation is it, and is the lock really ours? Then claim: nobody sells from here on.
  const { generation } = await productOnSale(mysql, productId);
  if (!(await held.confirm())) throw new RebuildFailed('the lock is not ours');
  const claimName = randomUUID();
  await claim(redis, productId, claimName);
  crashPoint('rebuild.claimed');
  // 2, 3. Every order that was acknowledged before the claim gets its row.
  const events = generation === 0 ? [] : since(generation, await readEvents(productId));
  crashPoint('rebuild.events-read');
  await awaitRows(dependencies, events);
  crashPoint('rebuild.rows-there');
  // 4. One transaction raises the generation, beyond every event's, and reads everything.
  const newest = events.reduce((most, { event }) => Math.max(most, event.generation), generation);
  const content = await raiseAndRead(mysql, productId, { from: generation, to: newest + 1 }, held);
  crashPoint('rebuild.committed');
  // 5. Load it, chunk by chunk, as long as the claim is ours; the boards with it.
  const restore = () => restoreBoards(redis, productId, content.totals, content.fields.sold);
  if (!(await load(redis, productId, claimName, content, restore))) {
    throw new RebuildFailed('another rebuild has claimed the sale');
  }
  crashPoint('rebuild.loaded');
  return content.fields.generation;
}

async function productOnSale({ db }: MysqlClient, productId: string): Promise<ProductRow> {
  const [product] = await db.select().from(products).where(eq(products.productId, productId));
  if (!product || product.state === 'settled') throw new NotOnSale(productId);
  return product;
}

interface ReadEvent {
  readonly published: PublishedEvent;
  readonly event: OrderEvent;
}

/**
 * Events of the generation that is being left. What an older one lacks came late, after its
 * rebuild, and was answered 202 to nobody. A newer one is there when MySQL was put back to an
 * earlier state: it was accepted, and its batches' names are taken.
 */
function since(generation: number, events: readonly PublishedEvent[]): ReadEvent[] {
  return events
    .map((published) => ({ published, event: orderEventSchema.parse(JSON.parse(published.data)) }))
    .filter(({ event }) => event.generation >= generation);
}

/** Publishes again what has no row yet, and waits until persist-order has written it. */
async function awaitRows(
  { mysql, publisher, rowsTimeoutMs = rebuildTimeoutMs }: RebuildDependencies,
  events: readonly ReadEvent[],
): Promise<void> {
  const deadline = performance.now() + rowsTimeoutMs;
  let missing = await withoutRows(mysql, events);
  // Committed offsets prove nothing: they also pass events that went to the dead letters.
  if (missing.length > 0) await publisher.publish(missing.map(({ published }) => published));
  crashPoint('rebuild.published-again');
  while (missing.length > 0) {
    if (performance.now() > deadline) {
      throw new RebuildFailed(`${missing.length} events have no rows yet`);
    }
    await setTimeout(rowsPollMs);
    missing = await withoutRows(mysql, missing);
  }
}

const rowsPollMs = 50;
const idsPerQuery = 1_000;

async function withoutRows(
  { db }: MysqlClient,
  events: readonly ReadEvent[],
): Promise<ReadEvent[]> {
  const ids = events.flatMap(({ event }) => event.orders.map(({ orderId }) => orderId));
  const written = new Set<string>();
  for (let at = 0; at < ids.length; at += idsPerQuery) {
    const rows = await db
      .select({ orderId: orders.orderId })
      .from(orders)
      .where(inArray(orders.orderId, ids.slice(at, at + idsPerQuery)));
    for (const { orderId } of rows) written.add(orderId);
  }
  return events.filter(({ event }) => event.orders.some(({ orderId }) => !written.has(orderId)));
}

async function raiseAndRead(
  { db }: MysqlClient,
  productId: string,
  generation: { readonly from: number; readonly to: number },
  held: HeldLock,
): Promise<RebuiltSale> {
  return db.transaction(async (transaction) => {
    // The update locks the product's row, behind which persist-order queues: no order comes in
    // between it and the reads.
    const [{ affectedRows }] = await transaction
      .update(products)
      .set({ generation: generation.to })
      .where(and(eq(products.productId, productId), eq(products.generation, generation.from)));
    if (affectedRows !== 1) throw new RebuildFailed('another rebuild has raised the generation');
    const [product] = await transaction
      .select()
      .from(products)
      .where(eq(products.productId, productId));
    if (!product) throw new NotOnSale(productId);
    const orderRows = await transaction
      .select()
      .from(orders)
      .where(eq(orders.productId, productId));
    const unitRows = await transaction
      .select()
      .from(orderUnits)
      .where(eq(orderUnits.productId, productId));
    crashPoint('rebuild.before-commit');
    return rebuiltSale(product, orderRows, unitRows, held.token);
  });
}
