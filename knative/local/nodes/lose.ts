// One process is lost under a steady load: what the buyers saw of it, and whether it came back.

import { setTimeout as pause } from 'node:timers/promises';
import { type Buyers, type Purchase } from '#knative/e2e/buyers.ts';
import { countsOf } from '#knative/e2e/judge.ts';
import { type TestRuntime, until } from '#lib/testing/runtime.ts';
import { type ProcessEntry, pidOf } from '../state.ts';
import { belongsAgain } from './roles.ts';

export interface Loss {
  /** What is lost, in words for people. */
  readonly what: string;
  /** Who has that part just now. */
  readonly who: () => ProcessEntry | Promise<ProcessEntry>;
  /** How long it is kept away; 0: it is started again as soon as it is missed. */
  readonly awayMs: number;
}

export interface Lost {
  readonly what: string;
  readonly name: string;
  /** The longest in which nobody at all was sold anything. */
  readonly interruptedMs: number;
  /** The longest that one buyer asked until it was known. */
  readonly worstMs: number;
  /** Answers that no buyer should get, by what they were. */
  readonly unclean: Readonly<Record<string, number>>;
  /** From when it was allowed to come back until it belonged to the others. */
  readonly backAfterMs: number;
}

/** No loss of one process may keep everybody from buying for longer. */
export const interruptedMaxMs = 15_000;

const backWithinMs = 90_000;
const servedWithinMs = 90_000;
/** So much is sold again before the next loss. */
const soldAgain = 60;

/** Kills it with -9; resolves when it belongs to the others again, and selling goes on. */
export async function lose(
  system: TestRuntime,
  { tally, askingSinceMs }: Pick<Buyers, 'tally' | 'askingSinceMs'>,
  { what, who, awayMs }: Loss,
): Promise<Lost> {
  const one = await who();
  const before = pidOf(one);
  const uncleanBefore = tally.unclean.length;
  const killedAtMs = Date.now();
  system.takeDown(one.name);
  await pause(awayMs);
  system.bringUp(one.name);
  const backAtMs = Date.now();
  await until(`${one.name} to belong to the others again`, backWithinMs, async () => {
    const pid = pidOf(one);
    if (pid === undefined || pid === before) return undefined;
    return (await belongsAgain(one, system.processes).catch(() => false)) || undefined;
  });
  const backAfterMs = Date.now() - backAtMs;
  const sold = accepted(tally.purchases).length;
  await until('selling to go on', servedWithinMs, () =>
    Promise.resolve(accepted(tally.purchases).length >= sold + soldAgain || undefined),
  );
  const againMs = Date.now();
  await until('those who began before to be served', servedWithinMs, () =>
    Promise.resolve(askingSinceMs() >= againMs || undefined),
  );
  const seen = tally.purchases.filter(({ toldAtMs }) => toldAtMs >= killedAtMs);
  return {
    ...{ what, name: one.name, backAfterMs },
    interruptedMs: longestGap(accepted(seen), killedAtMs),
    worstMs: Math.max(...seen.map(({ tookMs }) => tookMs)),
    unclean: countsOf(tally.unclean.slice(uncleanBefore)),
  };
}

function accepted(purchases: readonly Purchase[]): Purchase[] {
  return purchases.filter(({ told }) => told.kind === 'accepted');
}

/** The longest time since then in which none was told, ms. */
export function longestGap(
  told: readonly { readonly toldAtMs: number }[],
  sinceMs: number,
): number {
  const times = told.map(({ toldAtMs }) => toldAtMs).sort((a, b) => a - b);
  const gaps = times.map((at, index) => at - (times[index - 1] ?? sinceMs));
  return Math.max(0, ...gaps);
}
