// Before a sale is loaded anew, each order that Kafka has of it gets its row: what was accepted
// must not be forgotten, and committed offsets prove nothing, since they also pass events that
// went to the dead letters.

import { setTimeout } from 'node:timers/promises';
import { and, eq, inArray } from 'drizzle-orm';
import { rebuildTimeoutMs } from '#lib/constants.ts';
import { crashPoint } from '#lib/crash-point.ts';
import type { MysqlClient } from '#lib/mysql/connect.ts';
import { operations, orders } from '#lib/mysql/schema.ts';
import { deadLetterTopics } from '#lib/names.ts';
import { generationIn } from '#lib/order-event.ts';
import { droppedBatches } from '../dead-letters/decisions.ts';
import type { Action } from '../operate/operation.ts';
import type { PublishedEvent, Publisher } from '../sell/publish.ts';
import type { TopicEvent } from './read-events.ts';

/** The rebuild was overtaken or could not be finished; nothing was sold meanwhile. */
export class RebuildFailed extends Error {
  override readonly name: string = 'RebuildFailed';
}

/** To try again does not help: an operator has to decide first, and the message says about what. */
export class RebuildBlocked extends RebuildFailed {
  override readonly name = 'RebuildBlocked';
}

/** Why a sale was not loaded, for its operator. */
export function whyNotLoaded(error: unknown): string {
  if (error instanceof RebuildBlocked) return error.message;
  return `${error instanceof RebuildFailed ? error.message : 'a store is away'}; try again`;
}

interface Dependencies {
  readonly mysql: MysqlClient;
  readonly publisher: Publisher;
  /** How long persist-order may take to write what was published again. */
  readonly rowsTimeoutMs?: number;
}

/** An event whose orders do not all have rows. */
interface Missing {
  readonly published: PublishedEvent;
  readonly orderIds: readonly string[];
}

/**
 * Publishes again what has no row yet, and waits until persist-order has written it. Resolves
 * with the newest generation of all events. Throws RebuildFailed where rows don't come in time,
 * and RebuildBlocked where it cannot be told whether an order is ours, or what we have accepted.
 *
 * Events of generations before this one are left alone: what they lack came late, after their
 * rebuild, and was answered 202 to nobody. A newer one is there when MySQL was put back to an
 * earlier state: it was accepted, and its batches' names are taken.
 *
 * What an operator has dropped from the dead letters is left alone, too: it would only die again,
 * and the sale could never be made anew. Its units are sold once more.
 */
export async function awaitRows(
  dependencies: Dependencies,
  productId: string,
  generation: number,
  events: AsyncIterable<TopicEvent>,
): Promise<number> {
  const { mysql } = dependencies;
  const missing = new Map<string, Missing>();
  const doubtful = new Map<string, Missing>();
  const unreadable = new Set<string>();
  let newest = generation;
  for await (const page of pagesOf(events, eventsPerPage)) {
    const read = page.flatMap(
      ({ signed, event, ...published }): (Missing & { signed: boolean })[] => {
        if (!event && signed) {
          const named = generationIn(productId, published.batchId) ?? generation;
          newest = Math.max(newest, named);
          if (named >= generation) unreadable.add(published.batchId);
        }
        if (event?.productId !== productId || event.generation < generation) return [];
        if (signed) newest = Math.max(newest, event.generation);
        return [{ published, signed, orderIds: event.orders.map(({ orderId }) => orderId) }];
      },
    );
    for (const { signed, ...one } of await withoutRows(mysql, read)) {
      (signed ? missing : doubtful).set(one.published.batchId, one);
    }
  }
  crashPoint('rebuild.events-read');
  const dropped = await droppedBatches(mysql, productId, deadLetterTopics['persist-order']);
  requireReadable(
    productId,
    [...unreadable].filter((batchId) => !dropped.has(batchId)),
  );
  const wanted = [...missing.values()].filter(({ published }) => !dropped.has(published.batchId));
  await publishAndAwait(dependencies, wanted);
  await judge(mysql, productId, generation, [...doubtful.values()]);
  return newest;
}

/** What a key of ours has signed may hold accepted orders, whoever can read them. */
function requireReadable(productId: string, batchIds: readonly string[]): void {
  if (batchIds.length === 0) return;
  const named = batchIds.slice(0, namedMax).join(', ');
  const more = batchIds.length > namedMax ? ` and ${batchIds.length - namedMax} more` : '';
  throw new RebuildBlocked(
    `Events of ${productId} are signed by a key of ours but cannot be read by this release, and ` +
      `may hold accepted orders: ${named}${more}. See them with kn-seckill dead-letters list ` +
      `--product ${productId}: replay them once a release that reads them runs, or drop them, ` +
      'which puts their units on sale again',
  );
}

const namedMax = 3;

const eventsPerPage = 500;

async function* pagesOf<T>(items: AsyncIterable<T>, size: number): AsyncGenerator<T[]> {
  let page: T[] = [];
  for await (const item of items) {
    page.push(item);
    if (page.length < size) continue;
    yield page;
    page = [];
  }
  yield page;
}

async function publishAndAwait(
  { mysql, publisher, rowsTimeoutMs = rebuildTimeoutMs }: Dependencies,
  events: readonly Missing[],
): Promise<void> {
  const deadline = performance.now() + rowsTimeoutMs;
  let missing = events;
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

async function withoutRows<Event extends Missing>(
  { db }: MysqlClient,
  events: readonly Event[],
): Promise<readonly Event[]> {
  const ids = [...new Set(events.flatMap(({ orderIds }) => orderIds))];
  const written = new Set<string>();
  for (let at = 0; at < ids.length; at += idsPerQuery) {
    const rows = await db
      .select({ orderId: orders.orderId })
      .from(orders)
      .where(inArray(orders.orderId, ids.slice(at, at + idsPerQuery)));
    for (const { orderId } of rows) written.add(orderId);
  }
  return events.filter(({ orderIds }) => orderIds.some((orderId) => !written.has(orderId)));
}

/**
 * Orders that none of our keys signed are written by nobody. They may be accepted ones whose key
 * was retired too early, or the work of somebody who can write to the topic: an operator decides.
 */
async function judge(
  mysql: MysqlClient,
  productId: string,
  generation: number,
  events: readonly Missing[],
): Promise<void> {
  const { length } = await withoutRows(mysql, events);
  if (length === 0 || (await areIgnored(mysql, productId, generation))) return;
  throw new RebuildBlocked(
    `${length} events of ${productId} are not signed by a key of ours, and their orders have no ` +
      'rows: put the retired key back as the second of SECKILL_SIGNING_KEYS, or, if they are not ' +
      `ours, say so: kn-seckill sale ignore-unsigned ${productId}`,
  );
}

/** The audit log's word for "none of the unsigned events of this generation is ours". */
export const ignoreUnsignedAction = 'ignore_unsigned' satisfies Action;

async function areIgnored(
  { db }: MysqlClient,
  productId: string,
  generation: number,
): Promise<boolean> {
  const said = await db
    .select({ details: operations.details })
    .from(operations)
    .where(and(eq(operations.productId, productId), eq(operations.action, ignoreUnsignedAction)));
  return said.some(
    ({ details }) => (details as { generation?: unknown }).generation === generation,
  );
}
