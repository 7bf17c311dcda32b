// One soak: sales, faults and looks side by side, until the time is over and every sale is settled;
// then what came of it.

import { appendFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { openDoor } from '#knative/e2e/door.ts';
import { openShop } from '#knative/e2e/shop.ts';
import type { TestRuntime } from '#lib/testing/runtime.ts';
import type { Say } from '../say.ts';
import { messageOf } from '../stores/healthy.ts';
import { type Accounts, createAccounts, type Minute } from './accounts.ts';
import { type Cost, faultsOf, inRandomOrder, suffer } from './faults.ts';
import { type Forgotten, forgetAll } from './forget.ts';
import type { Options } from './options.ts';
import { minuteLine } from './report.ts';
import { type Chain, createChain, type SoldSale } from './sales.ts';
import { type Sample, takeSample } from './sample.ts';
import { readStores } from './store-figures.ts';
import { growing, type Held, heldOf } from './verdict.ts';

export interface Soaked {
  readonly ok: boolean;
  /** What is not as it should be. */
  readonly problems: readonly string[];
  readonly options: Pick<Options, 'minutes' | 'rate' | 'nodes' | 'faultEverySeconds' | 'seed'>;
  readonly machine: { readonly cpus: number; readonly model: string };
  readonly minutes: readonly Minute[];
  readonly faults: readonly Cost[];
  readonly sales: readonly SoldSale[];
  readonly held: readonly Held[];
  /** The first look and the last calm one. */
  readonly looks: readonly Sample[];
  readonly forgotten: Forgotten;
}

export interface Deps {
  readonly system: TestRuntime;
  /** For the clients' logs. */
  readonly folder: string;
  /** Where the probes note what they see. */
  readonly probes: string;
  readonly interrupted: AbortSignal;
  readonly say: Say;
}

interface Stage extends Deps {
  readonly options: Options;
  readonly chain: Chain;
  readonly accounts: Accounts;
  /** By performance.now(). */
  readonly startedAtMs: number;
  readonly isCalm: () => boolean;
  /** Aborted when the last sale has been sold. */
  readonly over: AbortSignal;
}

/** Sales are long enough to be worth the name, and enough of them to see one after the other. */
const saleSeconds = { atLeast: 60, atMost: 180 };
const salesMin = 3;
const sampleEveryMs = 5_000;
/** After a fault, until what it has piled up is gone. */
const unrestMs = 10_000;
/** No fault begins so late that nothing could be seen of what comes after it. */
const lastFaultBeforeEndMs = 25_000;
const settleTries = 10;
const minuteMs = 60_000;

export async function soak(options: Options, deps: Deps): Promise<Soaked> {
  const { system, folder, interrupted, say } = deps;
  const run = `soak-${options.seed}`;
  const door = openDoor({ route: system.url, gateways: [] });
  try {
    const { redis: before } = await readStores(system);
    const shop = await openShop({ env: system.env, args: [], run, onTold: () => undefined });
    const accounts = createAccounts({ nowMs: Date.now, unclean: () => chain.unclean() });
    const chain = createChain(
      {
        ...{ shop, door, interrupted, run, folder, settleTries },
        atTheEnd: () => undefined,
        onTold: (purchase) => {
          accounts.told(purchase);
        },
      },
      planOf(options),
      (text) => {
        say('sale', text);
      },
    );
    await chain.ready;
    const found = await goOn({ ...deps, options, chain, accounts });
    const forgotten = await forgetAll(
      system,
      found.sales.map(({ productId }) => productId),
      before,
    );
    return judged(options, {
      ...found,
      forgotten,
      minutes: accounts.minutes().slice(0, options.minutes),
    });
  } finally {
    await door.close();
  }
}

function planOf({ minutes, rate }: Options) {
  const seconds = minutes * 60;
  const { atLeast, atMost } = saleSeconds;
  const each = Math.min(atMost, Math.max(atLeast, seconds / salesMin));
  const sales = Math.max(1, Math.round(seconds / each));
  return { sales, secondsEach: seconds / sales, perSecond: rate };
}

/** Everything side by side; resolves when all is sold and settled. */
async function goOn(given: Omit<Stage, 'startedAtMs' | 'isCalm' | 'over'>) {
  const over = new AbortController();
  const calm = { sinceMs: 0 };
  const stage: Stage = {
    ...{ ...given, over: over.signal, startedAtMs: performance.now() },
    isCalm: () => performance.now() >= calm.sinceMs,
  };
  const { options, chain } = stage;
  const endless = Number.POSITIVE_INFINITY;
  const breaking = breakThings(stage, (isOver) => {
    calm.sinceMs = isOver ? performance.now() + unrestMs : endless;
  });
  const looking = lookAtAll(stage);
  const telling = tellMinutes(stage);
  let sales: SoldSale[];
  try {
    sales = await chain.sell();
  } finally {
    over.abort();
  }
  const [{ costs, problems }, samples] = await Promise.all([breaking, looking, telling]);
  return { sales, faults: costs, faultProblems: problems, samples, seconds: options.minutes * 60 };
}

async function breakThings(around: Stage, during: (isOver: boolean) => void) {
  const { options, system, chain, accounts, startedAtMs, say } = around;
  const costs: Cost[] = [];
  const problems: string[] = [];
  const everyMs = options.faultEverySeconds * 1_000;
  if (everyMs === 0) return { costs, problems };
  const drawn = inRandomOrder(faultsOf(system.processes, chain.current), options.seed);
  const endsAtMs = startedAtMs + options.minutes * minuteMs - lastFaultBeforeEndMs;
  for (let at = startedAtMs + everyMs / 2; at < endsAtMs; at += everyMs) {
    if (!(await waitUntil(at, around))) break;
    const fault = drawn.next().value;
    during(false);
    try {
      const { askingSinceMs } = chain;
      const stage = { system, accounts, askingSinceMs, perSecond: options.rate };
      const suffered = await suffer(stage, fault);
      costs.push({ at: Math.round((at - startedAtMs) / 1_000), ...suffered });
      say('fault', costLine(suffered));
    } catch (error) {
      problems.push(`${fault.what} ${fault.how}: ${messageOf(error)}`);
    }
    during(true);
  }
  return { costs, problems };
}

function costLine({ name, how, interruptedMs, recoveredMs }: Omit<Cost, 'at'>): string {
  const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;
  const worst = `nobody bought for ${seconds(interruptedMs)}`;
  return `${name} ${how}: ${worst}, all as before after ${seconds(recoveredMs)}`;
}

async function lookAtAll(stage: Stage): Promise<Sample[]> {
  const { system, probes, accounts, options, startedAtMs, isCalm } = stage;
  const samples: Sample[] = [];
  for (let at = startedAtMs; await waitUntil(at, stage); at += sampleEveryMs) {
    const wasCalm = isCalm();
    const seconds = Math.round((performance.now() - startedAtMs) / 100) / 10;
    const taken = await takeSample(system, probes);
    const acceptedSoFar = accounts.accepted();
    const sample = { seconds, isCalm: wasCalm && isCalm(), acceptedSoFar, ...taken };
    samples.push(sample);
    if (options.samples !== undefined) {
      appendFileSync(options.samples, `${JSON.stringify(sample)}\n`);
    }
  }
  return samples;
}

async function tellMinutes(stage: Stage): Promise<void> {
  const { accounts, startedAtMs, say } = stage;
  for (let minute = 1; await waitUntil(startedAtMs + minute * minuteMs, stage); minute += 1) {
    const figures = accounts.minutes()[minute - 1];
    if (figures !== undefined) say(`minute ${minute}`, minuteLine(figures));
  }
}

/** False where it was over before. */
async function waitUntil(atMs: number, { over, interrupted }: Stage): Promise<boolean> {
  const signal = AbortSignal.any([over, interrupted]);
  if (signal.aborted) return false;
  const waitMs = Math.max(0, atMs - performance.now());
  return pause(waitMs, true, { signal }).catch(() => false);
}

type Found = Awaited<ReturnType<typeof goOn>> & Pick<Soaked, 'forgotten' | 'minutes'>;

function judged(options: Options, found: Found): Soaked {
  const { sales, faults, faultProblems, samples, forgotten, minutes } = found;
  const held = heldOf(samples);
  const problems = [
    ...sales.flatMap(({ productId, problems: of }) => of.map((one) => `${productId}: ${one}`)),
    ...faultProblems,
    ...growing(held),
    ...forgotten.problems,
  ];
  const looks = [samples[0], samples.findLast(({ isCalm }) => isCalm)];
  const { minutes: length, rate, nodes, faultEverySeconds, seed } = options;
  return {
    ...{ ok: problems.length === 0, problems },
    options: { minutes: length, rate, nodes, faultEverySeconds, seed },
    machine: { cpus: availableParallelism(), model: cpus()[0]?.model ?? '' },
    ...{ minutes, faults, sales, held, forgotten },
    looks: looks.filter((look) => look !== undefined),
  };
}
