// One crash on the running system, from the first buyer to the verdict: the sale is sold to the
// last unit around it, closed and settled, and must be what its buyers were told.

import { setTimeout } from 'node:timers/promises';
import { crashPoints } from '#lib/crash-point.ts';
import { saleKeys } from '#lib/names.ts';
import { until } from '#lib/testing/runtime.ts';
import { uniqueProductId } from '#lib/testing/unique.ts';
import { type CrashCase, nobodySells } from './crash-cases.ts';
import { type Crowd, startCrowd } from './crowd.ts';
import type { Fleet } from './fleet.ts';
import { judge } from './judge.ts';
import type { Member } from './member.ts';
import { createOperator, type Operator } from './operator.ts';

/** The shortest that etcd grants. */
export const lockTtlMs = 2_000;

const stock = 150;
const soldBefore = 20;
const restocked = 10;
const hitDeadlineMs = 20_000;
const recoveryDeadlineMs = 60_000;
const longLockTtlMs = 20_000;

interface Stage {
  readonly fleet: Fleet;
  readonly crashCase: CrashCase;
  readonly productId: string;
  readonly operator: Operator;
  readonly crowd: Crowd;
  /** Whose process has the point. */
  readonly target: Member;
}

/** Crashes once and proves that nothing came of it; resolves with how it went, in words. */
export async function crash(fleet: Fleet, crashCase: CrashCase): Promise<string> {
  const productId = uniqueProductId();
  const operator = createOperator(fleet);
  const crowd = startCrowd(fleet, { productId, buyers: 8 });
  const stage = {
    fleet,
    crashCase,
    productId,
    operator,
    crowd,
    target: targetOf(fleet, crashCase),
  };
  const startedAtMs = performance.now();
  try {
    routeToOthers(stage);
    await operator.open(productId, stock);
    await sell(crowd, soldBefore);
    await (crashCase.scene === 'end' ? crashAtTheEnd(stage) : crashWhileSelling(stage));
  } finally {
    await clear(stage);
  }
  await judge(fleet, operator, productId, crowd);
  const tookS = ((performance.now() - startedAtMs) / 1_000).toFixed(1);
  return `${crowd.accepted.size} sold, ${crowd.unknownAtMs.length} times no answer, ${tookS} s`;
}

async function crashWhileSelling(stage: Stage): Promise<void> {
  const { fleet, crashCase, productId, operator, crowd, target } = stage;
  if (crashCase.scene === 'loss-of-rows') {
    fleet.persistOrder.freeze();
    await sell(crowd, 10);
  }
  await arm(stage);
  if (isPurchase(stage)) fleet.gateway.route([target.url]);
  if (crashCase.scene.startsWith('loss')) await fleet.redis.del(Object.values(saleKeys(productId)));
  else if (isPurchase(stage)) routeToAll(stage);
  crowd.allow(60);
  const change = changeBy(target, stage);
  change.catch(() => undefined);
  await target.untilHit(crashCase.how, hitDeadlineMs);
  fleet.persistOrder.thaw();
  await recover(stage);
  await change;
  if (crashCase.scene === 'pause') await operator.change(productId, 'open');
  await sell(crowd, unitsOf(stage) - crowd.accepted.size);
}

/** What is sold in all: a unit that was given back is sold twice. */
function unitsOf({ crashCase, crowd }: Stage): number {
  return stock + (crashCase.scene === 'restock' ? restocked : 0) + crowd.cancelled.size;
}

/** Sold out, then closed: nobody buys any more. */
async function crashAtTheEnd(stage: Stage): Promise<void> {
  const { fleet, crashCase, productId, operator, crowd, target } = stage;
  await sell(crowd, unitsOf(stage) - soldBefore);
  await arm(stage);
  fleet.gateway.routeOperators(target.url);
  const settled = operator.settle(productId);
  settled.catch(() => undefined);
  await target.untilHit(crashCase.how, hitDeadlineMs);
  await recover(stage);
  await settled;
}

/** Starts the process anew, armed. */
async function arm({ crashCase, target }: Stage): Promise<void> {
  const { point, how, scene, passes } = crashCase;
  await target.kill();
  if (scene === 'first-start') target.forget();
  if (scene === 'restart') {
    // Its lease has to be alive when its successor comes, however slow the machine is.
    target.forget();
    await target.launch(undefined, longLockTtlMs);
    await target.untilReady();
    await target.kill();
  }
  await target.launch({ point, how, passes });
  // It does not come so far where the point is on the way.
  if (scene !== 'first-start' && scene !== 'restart') await target.untilReady();
}

/** What the scene has an operator do, at this process; it may take until the crash is over. */
async function changeBy(target: Member, stage: Stage): Promise<void> {
  const { fleet, crashCase, operator, productId, crowd } = stage;
  const [orderId = ''] = crowd.accepted.keys();
  switch (crashCase.scene) {
    case 'pause':
      fleet.gateway.routeOperators(target.url);
      return operator.change(productId, 'pause');
    case 'restock':
      fleet.gateway.routeOperators(target.url);
      return operator.change(productId, 'restock', { units: restocked });
    case 'cancel':
      fleet.gateway.routeOperators(target.url);
      crowd.cancelled.add(orderId);
      return operator.cancel(orderId);
    default:
      return undefined;
  }
}

/** The others go on meanwhile; then who was crashed is back, or goes on where it was frozen. */
async function recover(stage: Stage): Promise<void> {
  const { crashCase, target } = stage;
  routeToOthers(stage);
  if (crashCase.how === 'kill') await target.start();
  else if (crashCase.twin) await outlive(stage);
  else await outlast(stage);
  routeToAll(stage);
}

/** Others sell while the frozen one's lock runs out, and it goes on only then. */
async function outlast(stage: Stage): Promise<void> {
  const { crashCase, crowd, target } = stage;
  const frozenAtMs = performance.now();
  if (isPurchase(stage) && !nobodySells(crashCase)) await sell(crowd, 20);
  await setTimeout(Math.max(0, frozenAtMs + lockTtlMs - performance.now()));
  target.thaw();
}

/** Another process on the same state takes over the frozen one's lock, and sells. */
async function outlive({ fleet, crowd, target }: Stage): Promise<void> {
  const twin = await fleet.twin();
  await twin.start();
  fleet.gateway.route([twin.url]);
  await sell(crowd, 20);
  target.thaw();
  await sell(crowd, 20);
  await twin.kill();
}

/** Lets so many more buy, and waits until as many more have been accepted. */
async function sell(crowd: Crowd, purchases: number): Promise<void> {
  const wanted = crowd.accepted.size + purchases;
  crowd.allow(purchases);
  await until(`${wanted} purchases to be accepted`, recoveryDeadlineMs, () =>
    Promise.resolve(crowd.accepted.size >= wanted || undefined),
  );
}

function routeToOthers({ fleet, target }: Stage): void {
  fleet.gateway.route(fleet.purchases.filter((one) => one !== target).map(({ url }) => url));
  fleet.gateway.routeOperators(undefined);
}

function routeToAll({ fleet }: Stage): void {
  fleet.gateway.route(fleet.purchases.map(({ url }) => url));
}

/** Everybody runs again, whatever became of the case, and every buyer knows. */
async function clear({ fleet, crowd }: Stage): Promise<void> {
  for (const member of fleet.all) {
    member.thaw();
    if (!member.isRunning()) await member.start();
  }
  fleet.gateway.routeOperators(undefined);
  fleet.gateway.route(fleet.purchases.map(({ url }) => url));
  await crowd.finish();
}

const isPurchase = ({ fleet, target }: Stage) => fleet.purchases.includes(target);

function targetOf({ purchases, edge, persistOrder, updateRank }: Fleet, { point }: CrashCase) {
  const isIn = (name: keyof typeof crashPoints) => crashPoints[name].some((one) => one === point);
  if (isIn('ratelimit-edge')) return edge;
  if (isIn('persist-order')) return persistOrder;
  return isIn('update-rank') ? updateRank : purchases[0];
}
