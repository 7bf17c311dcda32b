// Reconciles a sale that is settled. Its rows are all there is to it: what Redis holds of it only
// answers late retries faster, so it is dropped where it is wrong, and MySQL answers instead; its
// boards are made anew from the rows.

import { saleKeys } from '#lib/names.ts';
import {
  buyersFinding,
  compareFields,
  compareFigures,
  compareOrders,
  compareUnits,
  type Finding,
  suspectBuyers,
} from '#lib/reconcile/compare.ts';
import { compareBoards } from '#lib/reconcile/compare-boards.ts';
import { type RedisDetails, readDetails, readFigures, readRows } from '#lib/reconcile/facts.ts';
import type { DifferenceCode, Reconciliation } from '#lib/reconcile/report.ts';
import { parseOrders } from '#lib/reconcile/steps.ts';
import { type Snapshot, takeSnapshot, whyUnfit } from '#lib/sale/snapshot.ts';
import type { ProductRow } from '../catalogue.ts';
import { UnknownProduct } from '../operate/operation.ts';
import { buyerRecordsOf, totalsOf } from './rebuilt-sale.ts';
import type { ReconcileDependencies, ReconcileOptions } from './reconcile.ts';
import { recount } from './reconcile-repair.ts';
import { compareState, reportOf } from './reconcile-report.ts';
import { saleRowsOf } from './sale-rows.ts';
import { restoreFromRows } from './settled-boards.ts';

/** Throws the stores' errors where nothing can be said. */
export async function reconcileSettled(
  dependencies: ReconcileDependencies,
  product: ProductRow,
  options: ReconcileOptions,
): Promise<Reconciliation> {
  const { redis, mysql } = dependencies;
  const { productId } = product;
  const cut = await takeSnapshot(redis, productId);
  const figures = await readFigures(mysql, productId, cut.atUs);
  if (!figures) throw new UnknownProduct(productId);
  const details = await readDetails(redis, productId);
  const ofRedis = await compareRedis(dependencies, product, cut, details);
  const ofBoards = await compareSettledBoards(dependencies, product, cut, details);
  const findings = [...ofRedis, ...ofBoards, ...compareFigures(figures)];
  // Orders that only Redis knows are the one thing in it that is not dropped.
  const isOnlyCopy = ofRedis.some(({ code }) => code === 'row_missing');
  const codes = new Set<DifferenceCode>();
  const attempt = async (of: readonly Finding[], step: () => Promise<unknown>) => {
    if (options.dryRun || of.length === 0) return;
    await step();
    for (const { code } of of) codes.add(code);
  };
  await attempt(isOnlyCopy ? [] : ofRedis, () =>
    redis.unlink(...Object.values(saleKeys(productId))),
  );
  await attempt(ofBoards, () => restoreFromRows(dependencies, product));
  await attempt(
    findings.filter(({ repair }) => repair === 'recount'),
    () => recount(mysql, productId),
  );
  return reportOf({
    ...{ productId, options, cut, findings, seen: { figures, details } },
    repaired: { codes, lost: undefined },
  });
}

/** Redis has forgotten most settled sales, or lost them, and may: that is no difference. */
async function compareRedis(
  { mysql }: ReconcileDependencies,
  product: ProductRow,
  cut: Snapshot,
  details: RedisDetails,
): Promise<Finding[]> {
  const unfit = whyUnfit(cut);
  if (unfit === 'missing' || unfit === 'other_process') return [];
  if (unfit) return compareState(cut);
  const orders = await parseOrders(details.orders);
  const rows = await readRows(mysql, product.productId);
  const wrong = (await suspectBuyers(orders, details.buyers)).size;
  return [
    // To Redis it is closed: it was never told that it is settled.
    ...compareFields(cut, { ...product, state: 'closed' }),
    ...(await compareOrders({ cut, orders, rows, delivered: true })),
    ...(await compareUnits(cut, orders, true)),
    ...(wrong > 0 ? [buyersFinding(wrong)] : []),
  ];
}

/** The boards against the rows' totals. */
async function compareSettledBoards(
  { mysql }: ReconcileDependencies,
  { productId, stock, unsold }: ProductRow,
  cut: Snapshot,
  { boards, productScore }: RedisDetails,
): Promise<Finding[]> {
  const totals = await totalsOf(saleRowsOf(mysql.db, productId).orders);
  const buyers = new Map(buyerRecordsOf(totals));
  const fields = new Map([['sold', String(stock - unsold)]]);
  const atRest = { ...cut, fields, outbox: new Set<number>() };
  return compareBoards(atRest, { boards, productScore, buyers, orders: new Map() }, true);
}
