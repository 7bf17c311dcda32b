// Kills processes at random, spread over the whole delivery, whatever its speed: each kill comes
// when so much has been delivered, and a random moment later.

import { setTimeout } from 'node:timers/promises';
import type { Member } from '../member.ts';

export interface KillOptions {
  readonly functions: readonly Member[];
  readonly runners: readonly Member[];
  readonly functionKills: number;
  readonly runnerKills: number;
  readonly random: () => number;
  /** How much of the whole has been delivered: 0 to 1. */
  readonly share: () => number;
}

export interface Killing {
  /** So far. */
  kills(): number;
  /**
   * Resolves when so much of the whole may be there to be delivered, so that no kill comes when
   * everything is done.
   */
  mayGoOn(share: number): Promise<void>;
  /** Rejects when a process ends that nobody has killed. */
  readonly failed: Promise<never>;
  /** No more kills; resolves when everybody runs. */
  stop(): Promise<void>;
}

const lookMs = 10;
/** There is always so much to deliver when somebody is killed. */
const aheadShare = 0.06;
/** What a killed runner has delivered and not told is not waited for. */
const patienceMs = 15_000;
const momentMaxMs = 150;
const downMaxMs = 500;
/** By then the last one is killed: what is in flight has still to come again. */
const lastAt = 0.9;

export function startKilling(options: KillOptions): Killing {
  const { functions, runners, random, share } = options;
  const all = [...functions, ...runners];
  const victims = shuffled(random, [
    ...inTurn(functions, options.functionKills),
    ...inTurn(runners, options.runnerKills),
  ]);
  const moments = victims.map(() => random() * lastAt).sort((a, b) => a - b);
  const over = new AbortController();
  const isOver = () => over.signal.aborted;
  let kills = 0;

  async function strike(victim: Member): Promise<void> {
    await setTimeout(random() * momentMaxMs);
    const fallen = all.find((member) => !member.isRunning());
    if (fallen) throw new Error(`${fallen.name} has ended, and nobody has killed it`);
    await victim.kill();
    kills += 1;
    await setTimeout(random() * downMaxMs);
    await victim.launch();
    // The next kill may befall a process that has not come far.
    if (random() < 0.6) await victim.untilReady();
  }

  async function strikeAll(): Promise<void> {
    for (const [at, victim] of victims.entries()) {
      while (!isOver() && share() < (moments[at] ?? 1)) await setTimeout(lookMs);
      if (isOver()) break;
      await strike(victim);
    }
    await Promise.all(all.map((member) => member.untilReady()));
  }
  const killing = strikeAll();
  killing.catch(() => undefined);
  return {
    kills: () => kills,
    failed: killing.then(() => new Promise<never>(() => undefined)),
    async mayGoOn(wanted) {
      const due = moments.filter((moment) => moment < wanted - aheadShare).length;
      const deadline = performance.now() + patienceMs;
      while (kills < due && performance.now() < deadline) await setTimeout(lookMs);
    },
    async stop() {
      over.abort();
      await killing;
    },
  };
}

function inTurn<T>(items: readonly T[], count: number): T[] {
  return Array.from({ length: Math.ceil(count / items.length) }, () => items)
    .flat()
    .slice(0, count);
}

/** In any order (Fisher and Yates). */
export function shuffled<T>(random: () => number, items: readonly T[]): T[] {
  const all = [...items];
  for (let at = all.length - 1; at > 0; at -= 1) {
    const other = Math.floor(random() * (at + 1));
    [all[at], all[other]] = [all[other] as T, all[at] as T];
  }
  return all;
}
