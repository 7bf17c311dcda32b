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
import { takeSnapshot, whyUnfit } from '#lib/sale/snapshot.ts';
import type { Log } from '#lib/telemetry/log.ts';
import type { ProductRow } from './catalogue.ts';
import { finishChanges, openCancellations } from './finish-changes.ts';
import { type ReconcileDependencies, reconcile } from './reconcile.ts';
import type { Seller } from './sell.ts';

interface Dependencies {
  readonly redis: RedisClient;
  readonly mysql: MysqlClient;
  readonly seller: Pick<Seller, 'exclusively'>;
  readonly log: Log;
}

/**
 * Publishes what the outboxes hold, loads again what Redis has lost, brings to Redis what an
 * operator changed in MySQL, and resolves with the number of sales that needed any of it. One
 * sale that cannot be helped does not keep the others waiting. Throws where MySQL is away.
 */
export async function drainAll(dependencies: Dependencies): Promise<number> {
  const { mysql, seller, log } = dependencies;
  const cancelled = await recentlyCancelled(mysql);
  const helped = await inParallel(await salesOf(mysql), mysqlQueriesAtOnce, async (sale) => {
    const { productId } = sale;
    try {
      if (await isWell(dependencies, sale, cancelled.has(productId))) return false;
      await seller.exclusively(productId, (fence) => finishChanges(dependencies, productId, fence));
      return true;
    } catch (error) {
      log.warn({ err: error, productId }, 'a sale could not be looked after');
      return false;
    }
  });
  return helped.filter(Boolean).length;
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

/** A sale that is well is left to whoever sells it: asking for its lock would cost them a turn. */
async function isWell(
  { redis, mysql }: Dependencies,
  sale: ProductRow,
  hasCancellations: boolean,
): Promise<boolean> {
  const snapshot = await takeSnapshot(redis, sale.productId);
  if (snapshot === 'refused' || whyUnfit(snapshot) || snapshot.outbox.size > 0) return false;
  const wanted = [sale.state, sale.opensAt ?? '', sale.closesAt ?? '', sale.stock];
  const fields = ['state', 'opens_at', 'closes_at', 'stock'];
  if (wanted.join() !== fields.map((name) => snapshot.fields.get(name)).join()) return false;
  if (!hasCancellations) return true;
  return (await openCancellations({ redis, mysql }, sale.productId)).length === 0;
}

/** So many at once: each takes its product's lock for a moment, and reads for longer. */
const reconciledAtOnce = 8;

/**
 * Reconciles the sales that nobody has reconciled for a minute, whoever else is ticked, and tells
 * of each. One that cannot be compared does not keep the others waiting. Throws where MySQL or
 * Redis is away.
 */
export async function reconcileDue(
  dependencies: ReconcileDependencies,
  tell: (found: Reconciliation) => void,
): Promise<number> {
  const { redis, mysql, log } = dependencies;
  const done = await inParallel(await salesOf(mysql), reconciledAtOnce, async ({ productId }) => {
    try {
      // Noted before it is done: who fails does not try again at once, and nobody does it beside.
      const key = reconcileKey(productId);
      if ((await redis.set(key, '1', 'PX', reconcileEveryMs, 'NX')) === null) return false;
      tell(await reconcile(dependencies, productId, { dryRun: false, deep: false }));
      return true;
    } catch (error) {
      log.warn({ err: error, productId }, 'a sale could not be reconciled');
      return false;
    }
  });
  return done.filter(Boolean).length;
}

/**
 * What a tick does, one at a time in this instance: whoever ticks meanwhile gets the answer of the
 * one under way. A PingSource cannot sign, so anybody in the cluster may tick.
 */
export function createTick(
  drain: () => Promise<number>,
  reconcileThem: () => Promise<number>,
  log: Log,
): () => Promise<void> {
  let ticking: Promise<void> | undefined;
  const tick = async () => {
    const helped = await drain();
    const reconciled = await reconcileThem();
    if (helped + reconciled > 0) log.info({ helped, reconciled }, 'sales were looked after');
  };
  return () => {
    ticking ??= tick().finally(() => {
      ticking = undefined;
    });
    return ticking;
  };
}
