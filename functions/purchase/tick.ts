// Looks after all sales that are not settled: when an instance starts, and on a tick from outside,
// so that no order stays pending, no sale lost, no change half done and no difference between the
// stores unseen because nobody comes by.

import { and, eq, gt, ne } from 'drizzle-orm';
import { mysqlQueriesAtOnce, reconcileEveryMs } from '#lib/constants.ts';
import { inParallel } from '#lib/in-parallel.ts';
import type { MysqlClient } from '#lib/mysql/connect.ts';
import { operations, products } from '#lib/mysql/schema.ts';
import { reconcileKey } from '#lib/names.ts';
import type { Reconciliation } from '#lib/reconcile/report.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import type { Fence } from '#lib/sale/sale.ts';
import {
  discardSale,
  hasRejections,
  type Snapshot,
  takeSnapshot,
  whyUnfit,
} from '#lib/sale/snapshot.ts';
import type { Log } from '#lib/telemetry/log.ts';
import type { ProductRow } from './catalogue.ts';
import { finishChanges, openCancellations } from './operate/finish-changes.ts';
import { RebuildBlocked } from './recover/rebuild.ts';
import { type ReconcileDependencies, reconcile } from './recover/reconcile.ts';
import type { Seller } from './sell.ts';

/** What a tick leaves to whoever sold it: longer than a send to Kafka takes. */
export const publishedWithinMs = 5_000;

interface Dependencies {
  readonly redis: RedisClient;
  readonly mysql: MysqlClient;
  readonly seller: Pick<Seller, 'exclusively'>;
  readonly log: Log;
}

/**
 * Publishes what the outboxes hold, loads again what Redis has lost, brings to Redis what an
 * operator changed in MySQL, and resolves with the number of sales that needed any of it. One
 * sale that cannot be helped does not keep the others waiting. What was sold less than `sparedMs`
 * ago is left to whoever is publishing it. Throws where MySQL is away.
 */
export async function drainAll(dependencies: Dependencies, sparedMs = 0): Promise<number> {
  const { redis, mysql, seller, log } = dependencies;
  const cancelled = await recentlyCancelled(mysql);
  const helped = await inParallel(await salesOf(mysql), mysqlQueriesAtOnce, async (sale) => {
    const { productId } = sale;
    try {
      const snapshot = await takeSnapshot(redis, productId);
      const isWrong = hasRejections(snapshot);
      if (isWrong) await seller.exclusively(productId, (fence) => discard(redis, productId, fence));
      const hasCancellations = cancelled.has(productId);
      const look = { snapshot, hasCancellations, sparedMs };
      if (!isWrong && (await isWell(dependencies, sale, look))) return false;
      await seller.exclusively(productId, (fence) => finishChanges(dependencies, productId, fence));
      return true;
    } catch (error) {
      tellOf(log, error, productId, 'a sale could not be looked after');
      return false;
    }
  });
  return helped.filter(Boolean).length;
}

/** Of what an operator has to decide about the sale's turns have told, once. */
function tellOf(log: Log, error: unknown, productId: string, what: string): void {
  if (!(error instanceof RebuildBlocked)) log.warn({ err: error, productId }, what);
}

/** A sale of generation 0 has never been loaded: its first buyer or its operator does that. */
function salesOf({ db }: MysqlClient): Promise<ProductRow[]> {
  return db
    .select()
    .from(products)
    .where(and(ne(products.state, 'settled'), gt(products.generation, 0)));
}

/** A cancellation that crashed half-way is found within this time, or by a reconciliation. */
const recentUs = 600_000_000;

async function recentlyCancelled({ db }: MysqlClient): Promise<ReadonlySet<string>> {
  const since = Date.now() * 1_000 - recentUs;
  const rows = await db
    .selectDistinct({ productId: operations.productId })
    .from(operations)
    .where(and(eq(operations.action, 'cancel'), gt(operations.at, since)));
  return new Set(rows.map(({ productId }) => productId));
}

/** Whoever takes the lock next makes the sale anew from the rows, and its boards. */
async function discard(redis: RedisClient, productId: string, fence: Fence): Promise<void> {
  const now = await takeSnapshot(redis, productId, fence);
  // Another instance was ticked, too, and has done it.
  if (now !== 'refused' && hasRejections(now)) await discardSale(redis, productId, fence);
}

interface Look {
  readonly snapshot: Snapshot;
  readonly hasCancellations: boolean;
  readonly sparedMs: number;
}

/** A sale that is well is left to whoever sells it: asking for its lock would cost them a turn. */
async function isWell(
  { redis, mysql }: Dependencies,
  sale: ProductRow,
  { snapshot, hasCancellations, sparedMs }: Look,
): Promise<boolean> {
  if (whyUnfit(snapshot)) return false;
  if (isPendingFor(snapshot, sparedMs)) return false;
  const wanted = [sale.state, sale.opensAt ?? '', sale.closesAt ?? '', sale.stock];
  const fields = ['state', 'opens_at', 'closes_at', 'stock'];
  if (wanted.join() !== fields.map((name) => snapshot.fields.get(name)).join()) return false;
  if (!hasCancellations) return true;
  return (await openCancellations({ redis, mysql }, sale.productId)).length === 0;
}

/** A sale that sells has something on its way to Kafka nearly always. */
function isPendingFor({ outbox, oldestPendingAtUs, atUs }: Snapshot, ms: number): boolean {
  if (outbox.size === 0) return false;
  return oldestPendingAtUs === undefined || atUs - oldestPendingAtUs >= ms * 1_000;
}

/** So many at once: each takes its product's lock for a moment, and reads for longer. */
const reconciledAtOnce = 8;

/**
 * Reconciles the sales that nobody has reconciled for a minute, whoever else is ticked, and tells
 * of each. One that cannot be compared does not keep the others waiting. Once the signal is
 * aborted no other is begun. Throws where MySQL is away.
 */
export async function reconcileDue(
  dependencies: ReconcileDependencies,
  tell: (found: Reconciliation) => void,
  signal?: AbortSignal,
): Promise<number> {
  const { redis, mysql, log } = dependencies;
  const done = await inParallel(await salesOf(mysql), reconciledAtOnce, async ({ productId }) => {
    if (signal?.aborted) return false;
    try {
      // Noted before it is done: who fails does not try again at once, and nobody does it beside.
      const key = reconcileKey(productId);
      if ((await redis.set(key, '1', 'PX', reconcileEveryMs, 'NX')) === null) return false;
      tell(await reconcile(dependencies, productId, { dryRun: false, deep: false }));
      return true;
    } catch (error) {
      tellOf(log, error, productId, 'a sale could not be reconciled');
      return false;
    }
  });
  return done.filter(Boolean).length;
}

/** What a tick does. */
export interface Upkeep {
  /** Resolves once the sales are drained; their reconciliation goes on. Throws what draining does. */
  readonly tick: () => Promise<void>;
  /** Begins no other reconciliation, and resolves when those under way are over. */
  readonly stop: () => Promise<void>;
}

/**
 * Each part runs once at a time in this instance: whoever ticks meanwhile gets the answer of the
 * one under way. Reconciling waits for deliveries, and draining does not wait for that. A tick is
 * a CloudEvent from outside, which is not signed: anybody in the cluster may tick.
 */
export function createUpkeep(
  drain: () => Promise<number>,
  reconcileThem: (signal: AbortSignal) => Promise<number>,
  log: Log,
): Upkeep {
  const leaving = new AbortController();
  const drainOnce = oneAtATime(async () => {
    const helped = await drain();
    if (helped > 0) log.info({ helped }, 'sales were looked after');
  });
  const reconcileOnce = oneAtATime(async () => {
    if (leaving.signal.aborted) return;
    try {
      const reconciled = await reconcileThem(leaving.signal);
      if (reconciled > 0) log.info({ reconciled }, 'sales were reconciled');
    } catch (error) {
      log.warn({ err: error }, 'the sales could not be reconciled');
    }
  });
  return {
    async tick() {
      await drainOnce();
      void reconcileOnce();
    },
    stop() {
      leaving.abort();
      return reconcileOnce();
    },
  };
}

/** Whoever asks while it is under way waits for that one. */
function oneAtATime(work: () => Promise<void>): () => Promise<void> {
  let working: Promise<void> | undefined;
  return () => {
    working ??= work().finally(() => {
      working = undefined;
    });
    return working;
  };
}
