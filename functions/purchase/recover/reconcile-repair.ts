// Repairs what a reconciliation has found, as far as that is provably safe: Redis is made anew
// from MySQL and Kafka, what Kafka has is delivered again, and a sum is drawn again. What is
// written to Redis is written under the product's lock, by scripts that refuse an old token.

import { setTimeout } from 'node:timers/promises';
import { count, eq } from 'drizzle-orm';
import { restoreBoards } from '#lib/board/restore.ts';
import type { MysqlClient } from '#lib/mysql/connect.ts';
import { orderUnits, products } from '#lib/mysql/schema.ts';
import { deadLetterTopics, saleKeys } from '#lib/names.ts';
import { compareFields, compareOrders, type Finding } from '#lib/reconcile/compare.ts';
import { parseBuyer } from '#lib/reconcile/compare-boards.ts';
import { readHash, readRowsOf, scanHash } from '#lib/reconcile/facts.ts';
import type { DifferenceCode } from '#lib/reconcile/report.ts';
import { parseOrders } from '#lib/reconcile/steps.ts';
import { noteStatus } from '#lib/sale/note-status.ts';
import type { Fence } from '#lib/sale/sale.ts';
import { discardSale, type Snapshot, takeSnapshot } from '#lib/sale/snapshot.ts';
import { droppedBatches } from '../dead-letters/decisions.ts';
import { finishChanges } from '../operate/finish-changes.ts';
import { lockProduct, requireProduct } from '../operate/operation.ts';
import type { PublishedEvent } from '../sell/publish.ts';
import { marksOf } from './rebuild.ts';
import type { ReconcileDependencies } from './reconcile.ts';

export interface Repaired {
  readonly codes: ReadonlySet<DifferenceCode>;
  /** Orders that are in no row even so; undefined where none was missing. */
  readonly lost: number | undefined;
}

/** Tries each repair, and says which succeeded. One that fails leaves the others their turn. */
export async function repair(
  dependencies: ReconcileDependencies,
  productId: string,
  cut: Snapshot,
  findings: readonly Finding[],
): Promise<Repaired> {
  const { mysql, redis, log } = dependencies;
  const codes = new Set<DifferenceCode>();
  const attempt = async (needed: Finding['repair'], step: () => Promise<DifferenceCode[]>) => {
    if (!findings.some((one) => one.repair === needed)) return;
    try {
      for (const code of await step()) codes.add(code);
    } catch (error) {
      log.warn({ err: error, productId, repair: needed }, 'a repair failed');
    }
  };
  let lost: number | undefined;
  await attempt('republish', async () => {
    const missing = findings.filter(({ code }) => code === 'row_missing').flatMap(({ ids }) => ids);
    lost = missing.length;
    lost = await republish(dependencies, productId, new Set(missing));
    return lost === 0 ? ['row_missing'] : [];
  });
  const isOfRedis = findings.find(({ repair: needed }) => underLock.has(needed));
  await attempt(isOfRedis?.repair ?? 'rebuild', () =>
    repairRedis(dependencies, productId, { cut, findings, keepsEvidence: (lost ?? 0) > 0 }),
  );
  await attempt('recount', async () => {
    await recount(mysql, productId);
    return ['unsold'];
  });
  await attempt('note', async () => {
    const ids = findings.flatMap((one) => (one.code === 'status_not_noted' ? one.ids : []));
    const rows = await readRowsOf(mysql, ids);
    const statuses = [...rows.values()].map(({ orderId, status }) => [orderId, status] as const);
    for (let at = 0; at < statuses.length; at += notedAtOnce) {
      await noteStatus(redis, productId, statuses.slice(at, at + notedAtOnce));
    }
    return ['status_not_noted'];
  });
  return { codes, lost };
}

const underLock: ReadonlySet<Finding['repair']> = new Set(['rebuild', 'finish', 'restore']);
const notedAtOnce = 500;
const rowsWaitMs = 10_000;
const rowsPollMs = 100;

/** Sends the events of these orders again, waits for their rows, and says how many still lack one. */
async function republish(
  dependencies: ReconcileDependencies,
  productId: string,
  missing: ReadonlySet<string>,
): Promise<number> {
  const { mysql, publisher, readEvents } = dependencies;
  const { generation } = await requireProduct(mysql, productId);
  const events = new Map<string, PublishedEvent>();
  const dropped = await droppedBatches(mysql, productId, deadLetterTopics['persist-order']);
  // What an older generation lacks is dropped wherever it comes from.
  const marks = await marksOf(mysql, productId, generation);
  for await (const event of readEvents(productId, marks)) {
    // What none of our keys has signed was accepted by nobody that we know of.
    if (!event.signed) continue;
    // An operator has said never: it would only die again.
    if (dropped.has(event.batchId)) continue;
    if (event.event?.orders.some(({ orderId }) => missing.has(orderId)))
      events.set(event.batchId, event);
  }
  if (events.size > 0) await publisher.publish([...events.values()]);
  const deadline = performance.now() + (dependencies.rowsWaitMs ?? rowsWaitMs);
  for (;;) {
    const rows = await readRowsOf(mysql, [...missing]);
    const isOver = events.size === 0 || performance.now() > deadline;
    if (rows.size === missing.size || isOver) return missing.size - rows.size;
    await setTimeout(rowsPollMs);
  }
}

interface Wanted {
  readonly cut: Snapshot;
  readonly findings: readonly Finding[];
  /** An order that is lost is known to Redis alone: it must not be made anew. */
  readonly keepsEvidence: boolean;
}

/** Under the lock: what is found again there is repaired. */
async function repairRedis(
  dependencies: ReconcileDependencies,
  productId: string,
  { cut, findings, keepsEvidence }: Wanted,
): Promise<DifferenceCode[]> {
  const { redis, seller, log } = dependencies;
  const codesOf = (needed: Finding['repair']) =>
    findings.filter((one) => one.repair === needed).map(({ code }) => code);
  const outcome = await seller.exclusively(productId, async (fence) => {
    if (codesOf('finish').length > 0) {
      // Where Redis cannot take them as it is, it is made anew.
      await finishChanges(dependencies, productId, fence).catch((error: unknown) => {
        log.warn({ err: error, productId }, 'a change could not be finished');
      });
    }
    const still = await findAgain(dependencies, productId, { cut, findings, fence });
    if (!still) return { kind: 'refused' } as const;
    if (still.size === 0) {
      const isRestored =
        codesOf('restore').length === 0 || (await restore(dependencies, productId, fence));
      return { kind: isRestored ? 'finished' : 'refused' } as const;
    }
    const discarded = !keepsEvidence && (await discardSale(redis, productId, fence));
    return discarded
      ? ({ kind: 'discarded', generation: fence.generation } as const)
      : ({ kind: 'refused' } as const);
  });
  const all = [...codesOf('finish'), ...codesOf('rebuild'), ...codesOf('restore')];
  switch (outcome.kind) {
    case 'refused':
      return [];
    case 'finished':
      return all;
    case 'discarded': {
      // Whoever takes the lock next makes the sale anew, and its boards.
      const generation = await seller.exclusively(productId, (fence) =>
        Promise.resolve(fence.generation),
      );
      return generation > outcome.generation ? all : [];
    }
  }
}

/** So many of each are looked at again: one is enough to have the sale rebuilt. */
const recheckedMax = 500;

/** Which differences stand, now that nothing is sold and nothing changed; undefined: not ours. */
async function findAgain(
  { redis, mysql }: ReconcileDependencies,
  productId: string,
  { cut, findings, fence }: Omit<Wanted, 'keepsEvidence'> & { readonly fence: Fence },
): Promise<ReadonlySet<DifferenceCode> | undefined> {
  const now = await takeSnapshot(redis, productId, fence);
  if (now === 'refused') return undefined;
  const still = new Set<DifferenceCode>();
  const product = await requireProduct(mysql, productId);
  // Settled meanwhile: nobody would load it again.
  if (product.state === 'settled') return undefined;
  for (const { code } of compareFields(now, product)) still.add(code);
  // Found by reading everything, and by that alone: what was found, counts.
  for (const { code, repair: needed } of findings) {
    if (needed === 'rebuild' && byReadingAll.has(code)) still.add(code);
  }
  const ids = findings
    .filter(({ code }) => byOrder.has(code))
    .flatMap((one) => one.ids.slice(0, recheckedMax));
  const orders = await parseOrders(await readHash(redis, saleKeys(productId).orders, ids));
  const rows = await readRowsOf(mysql, ids);
  for (const { code } of await compareOrders({ cut, orders, rows, delivered: false })) {
    if (byOrder.has(code)) still.add(code);
  }
  return still;
}

const byReadingAll: ReadonlySet<DifferenceCode> = new Set(['counters', 'buyers']);
const byOrder: ReadonlySet<DifferenceCode> = new Set([
  'order_missing',
  'order_differs',
  'cancel_unfinished',
]);

/**
 * The boards from the buyers' totals; false where somebody newer has the lock or made the boards.
 * While the outbox is empty and nothing is sold, no event says more than these totals do.
 */
async function restore(
  { redis }: ReconcileDependencies,
  productId: string,
  fence: Fence,
): Promise<boolean> {
  const buyers = await scanHash(redis, saleKeys(productId).buyers);
  const totals = [...buyers]
    .map(([userId, text]) => ({ userId, ...parseBuyer(text) }))
    .filter(({ userQuantity }) => userQuantity > 0);
  const now = await takeSnapshot(redis, productId, fence);
  if (now === 'refused') return false;
  const moment = {
    generation: fence.generation,
    lastAtUs: Number(now.fields.get('last_at')),
  };
  return restoreBoards(redis, productId, totals, Number(now.fields.get('sold')), moment);
}

/** `unsold` again from the units: whatever writes one waits for the product's row. */
export async function recount({ db }: MysqlClient, productId: string): Promise<void> {
  await db.transaction(async (transaction) => {
    const product = await lockProduct(transaction, productId);
    const [units] = await transaction
      .select({ count: count() })
      .from(orderUnits)
      .where(eq(orderUnits.productId, productId));
    await transaction
      .update(products)
      .set({ unsold: product.stock - (units?.count ?? 0) })
      .where(eq(products.productId, productId));
  });
}
