// Reconciles one sale: compares what Redis, Kafka and MySQL hold of it, and repairs what is
// provably safe. The sale goes on: its lock is held for one snapshot, which is the cut that all
// comparisons go by, and again only to repair what was found.

import type { Progress } from '#lib/kafka/read-progress.ts';
import type { MysqlClient } from '#lib/mysql/connect.ts';
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
import {
  type Figures,
  type RedisDetails,
  readDetails,
  readFigures,
  readHash,
  readRows,
} from '#lib/reconcile/facts.ts';
import type { Reconciliation, WarningCode } from '#lib/reconcile/report.ts';
import { parseOrders } from '#lib/reconcile/steps.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import { type Snapshot, takeSnapshot, whyUnfit } from '#lib/sale/snapshot.ts';
import type { Log } from '#lib/telemetry/log.ts';
import { requireProduct, UnknownProduct } from '../operate/operation.ts';
import type { Publisher } from '../sell/publish.ts';
import { TurnFailed } from '../sell/turn.ts';
import type { Seller } from '../sell.ts';
import type { EventLog } from './read-events.ts';
import { awaitDelivery, type Delivery } from './reconcile-delivery.ts';
import { type Repaired, repair } from './reconcile-repair.ts';
import { compareState, reportOf } from './reconcile-report.ts';
import { reconcileSettled } from './reconcile-settled.ts';

export interface ReconcileDependencies extends Pick<EventLog, 'readEvents'> {
  readonly redis: RedisClient;
  readonly mysql: MysqlClient;
  readonly seller: Pick<Seller, 'exclusively'>;
  readonly publisher: Pick<Publisher, 'publish'>;
  /** How far the two groups have got in the topic of orders. */
  readonly readProgress: () => Promise<Progress>;
  readonly log: Log;
  /** How long events that are on their way are waited for. */
  readonly deliveryWaitMs?: number;
  /** How long the rows of events that were sent again are waited for. */
  readonly rowsWaitMs?: number;
  readonly deepOrdersMax?: number;
}

export interface ReconcileOptions {
  /** Repairs nothing, and takes no lock. */
  readonly dryRun: boolean;
  /** Compares every order, however many there are and however well their number fits. */
  readonly deep: boolean;
}

/** Above this, orders are compared one by one only where their number is wrong, or on request. */
const deepOrdersMax = 5_000;

/**
 * Throws UnknownProduct, and TurnFailed and the stores' errors where nothing can be said.
 */
export async function reconcile(
  dependencies: ReconcileDependencies,
  productId: string,
  options: ReconcileOptions,
): Promise<Reconciliation> {
  const { redis, mysql, seller } = dependencies;
  const product = await requireProduct(mysql, productId);
  if (product.state === 'settled') return reconcileSettled(dependencies, product, options);
  // 1. As it stands. What has never been loaded is compared with nothing.
  const before = await takeSnapshot(redis, productId);
  const never = product.generation === 0 && before.fields.size === 0;
  const state = never ? [] : compareState(before);
  if (never || (options.dryRun && whyUnfit(before))) {
    return reportOf({ productId, options, cut: before, findings: state });
  }
  // 2. The cut. To take the lock drains the outbox and rebuilds what Redis has lost.
  const cut = options.dryRun
    ? before
    : await seller.exclusively(productId, async (fence) => {
        const taken = await takeSnapshot(redis, productId, fence);
        if (taken === 'refused') throw new TurnFailed('a newer holder of the lock was here');
        return taken;
      });
  // 3. Whose events are all answered for? Only then is a row that is not there missing.
  const delivery = await awaitDelivery(dependencies);
  // 4. Everything else is read while the sale goes on.
  const seen = await readAll(dependencies, productId, cut, delivery, options);
  const after = await takeSnapshot(redis, productId);
  const findings = await compare(dependencies, productId, { cut, after, delivery, ...seen });
  if (!findings) {
    const waiting = ['The sale was loaded anew while it was looked at'];
    return reportOf({ productId, options, cut, findings: state, delivery, seen, waiting });
  }
  // 5. What was found at first has been repaired by taking the lock.
  const repaired: Repaired = options.dryRun
    ? { codes: new Set(), lost: undefined }
    : await repair(dependencies, productId, cut, findings);
  const codes = options.dryRun ? [] : [...state.map(({ code }) => code), ...repaired.codes];
  return reportOf({
    ...{ productId, options, cut, delivery, seen, warnings: warningsOf(cut) },
    findings: [...state, ...findings],
    repaired: { codes: new Set(codes), lost: repaired.lost },
  });
}

interface Seen {
  readonly figures: Figures;
  /** Undefined where only the figures were compared. */
  readonly details: RedisDetails | undefined;
}

async function readAll(
  { redis, mysql, ...limits }: ReconcileDependencies,
  productId: string,
  cut: Snapshot,
  delivery: Delivery,
  { deep }: ReconcileOptions,
): Promise<Seen> {
  const figures = await readFigures(mysql, productId, Number(cut.fields.get('last_at')));
  if (!figures) throw new UnknownProduct(productId);
  const fits = figures.rows === cut.orders || !delivery['persist-order'];
  const few = limits.deepOrdersMax ?? deepOrdersMax;
  // A rejected order that Redis has not been told of is found by its row alone.
  const isDeep = deep || cut.orders <= few || !fits || figures.rejected > 0;
  return { figures, details: isDeep ? await readDetails(redis, productId) : undefined };
}

interface All extends Seen {
  readonly cut: Snapshot;
  readonly after: Snapshot;
  readonly delivery: Delivery;
}

/** What differs; undefined where Redis holds another loading of the sale than at the cut. */
async function compare(
  { redis, mysql }: ReconcileDependencies,
  productId: string,
  { cut, after, delivery, figures, details }: All,
): Promise<Finding[] | undefined> {
  if (cut.fields.get('generation') !== after.fields.get('generation')) return undefined;
  if (whyUnfit(after)) return undefined;
  // An operator's change may have come in between: what differs before and after it does differ.
  const stillSo = new Set(compareFields(after, figures.product).map(({ code }) => code));
  const findings = [
    ...compareFields(cut, figures.product).filter(({ code }) => stillSo.has(code)),
    ...compareFigures(figures),
  ];
  if (!details) return findings;
  const { buyers } = details;
  const orders = await parseOrders(details.orders);
  const isQuiet = ['sold', 'left', 'stock', 'batches'].every(
    (name) => cut.fields.get(name) === after.fields.get(name),
  );
  const rows = await readRows(mysql, productId);
  const delivered = delivery['persist-order'];
  findings.push(...(await compareOrders({ cut, orders, rows, delivered })));
  findings.push(...(await compareUnits(cut, orders, isQuiet)));
  const suspects = await suspectBuyers(orders, buyers);
  const wrong = await wrongBuyers(redis, productId, suspects, details);
  if (wrong > 0) findings.push(buyersFinding(wrong));
  if (delivery['update-rank']) {
    findings.push(...(await compareBoards(cut, { ...details, orders }, isQuiet)));
  }
  return findings;
}

/** So many buyers are looked at again: one is enough to have the sale rebuilt. */
const recheckedMax = 200;

/** How many totals are wrong for sure: neither they nor the buyers' orders have changed. */
async function wrongBuyers(
  redis: RedisClient,
  productId: string,
  suspects: ReadonlyMap<string, readonly string[]>,
  { orders, buyers }: RedisDetails,
): Promise<number> {
  const keys = saleKeys(productId);
  const some = new Map([...suspects].slice(0, recheckedMax));
  const ordersNow = await readHash(redis, keys.orders, [...some.values()].flat());
  const buyersNow = await readHash(redis, keys.buyers, [...some.keys()]);
  // A status may be noted at any time; what counts is who holds how much.
  const meaning = (text: string | undefined) => text?.replace(/^confirmed/, 'accepted');
  return [...some].filter(
    ([userId, ids]) =>
      buyersNow.get(userId) === buyers.get(userId) &&
      ids.every((id) => meaning(ordersNow.get(id)) === meaning(orders.get(id))),
  ).length;
}

function warningsOf({ process }: Snapshot): WarningCode[] {
  const warnings: WarningCode[] = [];
  if (process.evictionPolicy !== 'noeviction') warnings.push('redis_evicts');
  if (!process.keepsAof) warnings.push('redis_keeps_no_aof');
  return warnings;
}
