// One run: a sale, its buyers, the faults of the plan, and the verdict when all is well again.

import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { type Buyer, createBuyers, type Tally } from '#knative/e2e/buyers.ts';
import { type Door, openDoor } from '#knative/e2e/door.ts';
import { compare, problemsOf, servedOf } from '#knative/e2e/judge.ts';
import { startStream } from '#knative/e2e/load.ts';
import type { Verdict } from '#lib/checker/facts.ts';
import { until } from '#lib/testing/runtime.ts';
import { longestGap } from '../../nodes/lose.ts';
import { messageOf } from '../../stores/healthy.ts';
import { tokenOf } from '../crowd.ts';
import { createOperator, type Operator, rowsOf } from '../operator.ts';
import { inject } from './inject.ts';
import type { Result } from './log.ts';
import { nameOf, type Plan, type PlannedFault } from './plan.ts';
import { type FaultSystem, untilHealthy } from './system.ts';

/** Longer than anything here keeps the system from answering. */
const patienceMs = 120_000;
const healthyDeadlineMs = 120_000;
const servedDeadlineMs = 60_000;
const soldBeforeFaults = 10;
/** So many of those who bought ask once more in the end. */
const askedAgainMax = 40;

/** Whatever is broken is in the result; rejects when interrupted. */
export async function perform(
  system: FaultSystem,
  plan: Plan,
  interrupted: AbortSignal,
): Promise<Result> {
  const startedAtMs = performance.now();
  const { url } = system.runtime;
  const productId = `f${plan.seed}-${randomUUID().slice(0, 8)}`;
  const operator = createOperator(system.runtime);
  const door = openDoor({ route: url, gateways: [] });
  const buyers = createBuyers({ door, productId, patienceMs, interrupted });
  const { tally } = buyers;
  const problems: string[] = [];
  let sinceMs = Date.now();
  let faults: Result['faults'] = [];
  let healthyAfterMs = 0;
  let verdict: Pick<Verdict, 'oversold' | 'lost'> | undefined;
  try {
    await operator.open(productId, plan.stock);
    system.setProductId(productId);
    const load = startStream(buyers, people(system, productId), plan.perSecond);
    await untilTold(tally, soldBeforeFaults);
    sinceMs = Date.now();
    ({ faults, healthyAfterMs } = await doFaults(system, plan, interrupted));
    await untilTold(tally, plan.perSecond);
    await load.stop();
    verdict = await judge({ system, operator, door, productId, tally, problems });
  } catch (error) {
    interrupted.throwIfAborted();
    problems.push(messageOf(error));
  } finally {
    await door.close();
  }
  const seen = tally.purchases.filter(({ toldAtMs }) => toldAtMs >= sinceMs);
  const { accepted, refused, unserved, unclean } = servedOf(tally);
  return {
    ...{ seed: plan.seed, nodes: system.nodes, plan, productId, faults, healthyAfterMs },
    ...{ accepted, refused, unserved, unclean },
    nobodyToldMs: longestGap(seen, sinceMs),
    worstMs: Math.round(Math.max(0, ...seen.map(({ tookMs }) => tookMs))),
    oversold: verdict?.oversold ?? null,
    lost: verdict?.lost ?? null,
    problems,
    tookMs: Math.round(performance.now() - startedAtMs),
  };
}

/** Resolves when so many more have been told what became of it. */
async function untilTold({ purchases }: Tally, count: number): Promise<void> {
  const wanted = purchases.length + count;
  await until('buyers to be told something', servedDeadlineMs, () =>
    Promise.resolve(purchases.length >= wanted || undefined),
  );
}

/** Does them, undoes them, and waits until everything is well and buyers have come long enough. */
async function doFaults(
  system: FaultSystem,
  { faults, loadMs }: Plan,
  interrupted: AbortSignal,
): Promise<Pick<Result, 'faults' | 'healthyAfterMs'>> {
  const sinceMs = performance.now();
  const done = await Promise.all(faults.map((fault) => doFault(system, fault, interrupted)));
  interrupted.throwIfAborted();
  const healthyAfterMs = Math.round(await untilHealthy(system, healthyDeadlineMs));
  const restMs = loadMs - (performance.now() - sinceMs);
  if (restMs > 0) await pause(restMs, undefined, { signal: interrupted });
  return { faults: done, healthyAfterMs };
}

async function doFault(
  system: FaultSystem,
  fault: PlannedFault,
  interrupted: AbortSignal,
): Promise<Result['faults'][number]> {
  const fullName = nameOf(fault);
  await pause(fault.atMs, undefined, { signal: interrupted });
  try {
    const { name, heal } = await inject(system, fault);
    // Whoever interrupts it ends the system, too, with all that was done to it.
    await pause(fault.forMs, undefined, { signal: interrupted });
    await heal();
    return { fault: fullName, process: name };
  } catch (error) {
    interrupted.throwIfAborted();
    return { fault: fullName, process: '', notDone: messageOf(error) };
  }
}

interface Judged {
  readonly system: FaultSystem;
  readonly operator: Operator;
  readonly door: Door;
  readonly productId: string;
  readonly tally: Tally;
  /** What is wrong is added here. */
  readonly problems: string[];
}

/** By `verify`, by MySQL's rows, and by what buyers were told and are told once more. */
async function judge(judged: Judged): Promise<Verdict> {
  const { system, operator, productId, tally, problems } = judged;
  const { unserved } = servedOf(tally);
  if (unserved > 0) problems.push(`${unserved} buyers were never told what became of it`);
  await operator.settle(productId);
  await askAgain(judged);
  const verdict = await operator.verify(productId);
  problems.push(...verdict.problems);
  problems.push(...verdict.waiting.map((what) => `verify still waits: ${what}`));
  if (!verdict.ok && problems.length === 0) problems.push('verify is not content');
  const { rows, units } = await rowsOf(system.runtime, productId);
  problems.push(...problemsOf(compare(tally.purchases, rows)));
  if (new Set(units).size !== rows.length) {
    problems.push(`${rows.length} rows have ${new Set(units).size} different units`);
  }
  return verdict;
}

/** The same acceptance, for the same key, also of a sale that has ended. */
async function askAgain({ system, door, productId, tally, problems }: Judged): Promise<void> {
  const accepted = tally.purchases.filter(({ told }) => told.kind === 'accepted');
  const step = Math.max(1, Math.floor(accepted.length / askedAgainMax));
  const some = accepted.filter((_, at) => at % step === 0);
  await Promise.all(
    some.map(async ({ userId, key, told }) => {
      if (told.kind !== 'accepted') return;
      const token = tokenOf(system.runtime, userId);
      const { status, orderId } = await door.purchase(productId, { token, key });
      if (status === 200 && orderId === told.orderId) return;
      problems.push(`${told.orderId} is not repeated: ${status} ${orderId}`);
    }),
  );
}

/** As many as are asked for; nobody comes twice. */
function* people(system: FaultSystem, productId: string): Generator<Buyer> {
  for (let count = 1; ; count += 1) {
    const userId = `${productId}-${count}`;
    yield { userId, token: tokenOf(system.runtime, userId) };
  }
}
