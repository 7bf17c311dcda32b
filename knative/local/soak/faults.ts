// What is broken while it sells, drawn by a seed, and what each of it cost: a process is killed, or
// stopped for a while as a machine is that pauses.

import { setTimeout as pause } from 'node:timers/promises';
import { type TestRuntime, until } from '#lib/testing/runtime.ts';
import { randomOf } from '../faults/random.ts';
import type { Loss } from '../nodes/lose.ts';
import { allLosses } from '../nodes/losses.ts';
import { belongsAgain, ofKind } from '../nodes/roles.ts';
import { type ProcessEntry, pidOf } from '../state.ts';
import type { Kind } from '../topology.ts';
import type { Accounts, Seen } from './accounts.ts';

export interface Fault extends Loss {
  readonly how: 'killed' | 'frozen';
}

/** What a fault cost. */
export interface Cost extends Seen {
  /** Seconds since the load began. */
  readonly at: number;
  readonly what: string;
  readonly name: string;
  readonly how: Fault['how'];
  readonly awayMs: number;
  /** From when it was allowed to go on until it did all it does. */
  readonly backAfterMs: number;
  /** From the fault until as many bought as before. */
  readonly recoveredMs: number;
}

/** Within the time that a lock is held by who does not answer; a request waits that long, too. */
const frozenMs = 8_000;
const kinds: readonly Kind[] = [
  ...(['ratelimit-edge', 'purchase', 'persist-order', 'update-rank', 'source-runner'] as const),
  ...(['redis', 'etcd', 'kafka', 'mysql'] as const),
];

/** All that can be broken: of one node one of each kind; of three, what nodes/losses.ts names. */
export function faultsOf(processes: readonly ProcessEntry[], productId: () => string): Fault[] {
  const isOne = ofKind(processes, 'redis').length === 1;
  const losses = isOne ? kinds.map((kind) => soleLoss(processes, kind)) : [];
  const all = isOne ? losses : lossesNow(processes, productId);
  return all.flatMap((loss) => [
    { ...loss, how: 'killed' as const },
    { ...loss, how: 'frozen' as const, awayMs: frozenMs },
  ]);
}

function soleLoss(processes: readonly ProcessEntry[], kind: Kind): Loss {
  const who = () => {
    const [one] = ofKind(processes, kind);
    if (one === undefined) throw new Error(`there is no ${kind}`);
    return one;
  };
  return { what: kind, who, awayMs: 0 };
}

/** Who is the master of a sale is asked of the sale that is sold when it happens. */
function lossesNow(processes: readonly ProcessEntry[], productId: () => string): Loss[] {
  return allLosses(processes, productId()).map(({ what, awayMs }, at) => ({
    ...{ what, awayMs },
    who: () => {
      const loss = allLosses(processes, productId())[at];
      if (loss === undefined) throw new Error(`nothing is called ${what} any more`);
      return loss.who();
    },
  }));
}

/** Each of them once, in random order, before any comes again; the same for the same seed. */
export function* inRandomOrder<T>(all: readonly T[], seed: number): Generator<T, never> {
  if (all.length === 0) throw new Error('there is nothing to draw from');
  const random = randomOf(seed);
  for (;;) {
    const left = [...all];
    while (left.length > 0) yield* left.splice(Math.floor(random() * left.length), 1);
  }
}

const backWithinMs = 120_000;
const recoveredWithinMs = 120_000;
/** As many as before: so much of the rate, over so long. */
const recovered = { part: 0.9, overMs: 2_000 };

interface Stage {
  readonly system: TestRuntime;
  readonly accounts: Accounts;
  /** Since when the one who has asked longest is asking; Date.now() where nobody is. */
  readonly askingSinceMs: () => number;
  readonly perSecond: number;
}

/** Does it; resolves when everything is as before. Rejects where that takes too long. */
export async function suffer(
  { system, accounts, askingSinceMs, perSecond }: Stage,
  { what, how, who, awayMs }: Fault,
): Promise<Omit<Cost, 'at'>> {
  const one = await who();
  const before = pidOf(one);
  const endWatch = accounts.watch();
  const startedAtMs = performance.now();
  if (how === 'killed') await kill(system, one, awayMs);
  else await freeze(one, awayMs);
  const backAtMs = performance.now();
  await until(`${one.name} to do its part again`, backWithinMs, async () => {
    const pid = pidOf(one);
    if (pid === undefined || (how === 'killed' && pid === before)) return undefined;
    return (await belongsAgain(one, system.processes).catch(() => false)) || undefined;
  });
  const backAfterMs = performance.now() - backAtMs;
  const enough = perSecond * recovered.part * (recovered.overMs / 1_000);
  // What was sold before the fault is not what is looked for.
  await pause(Math.max(0, startedAtMs + recovered.overMs - performance.now()));
  await until('as many to buy as before', recoveredWithinMs, () =>
    Promise.resolve(accounts.acceptedWithin(recovered.overMs) >= enough || undefined),
  );
  const recoveredMs = performance.now() - startedAtMs;
  const againMs = Date.now();
  await until('those who began before to be served', recoveredWithinMs, () =>
    Promise.resolve(askingSinceMs() >= againMs || undefined),
  );
  return { ...{ what, name: one.name, how, awayMs, backAfterMs, recoveredMs }, ...endWatch() };
}

async function kill(system: TestRuntime, one: ProcessEntry, awayMs: number): Promise<void> {
  system.takeDown(one.name);
  await pause(awayMs);
  system.bringUp(one.name);
}

async function freeze(one: ProcessEntry, awayMs: number): Promise<void> {
  const pid = pidOf(one);
  if (pid === undefined) throw new Error(`${one.name} does not run`);
  process.kill(pid, 'SIGSTOP');
  try {
    await pause(awayMs);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
}
