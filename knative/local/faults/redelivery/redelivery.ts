// Every event three times, in any order, through two source runners, while the functions and the
// runners are killed: what MySQL and Redis hold in the end is what one clean delivery leaves.

import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { type Say, secondsSince } from '../../say.ts';
import { countDeadLetters, isAllCommitted } from '../deliveries.ts';
import { randomOf } from '../random.ts';
import { differencesBetween } from './compare.ts';
import { shuffled, startKilling } from './kill.ts';
import { type Expected, planSale } from './plan.ts';
import { type Pods, startPods } from './pods.ts';
import { produce } from './produce.ts';
import { type Progress, watchProgress } from './progress.ts';
import { openSpool, type Spool } from './spool.ts';
import { openWorld, type World } from './world.ts';

export interface RedeliveryOptions {
  /** The same events, order and moments of kills for the same seed. */
  readonly seed: number;
  readonly orders: number;
  /** Of persist-order and update-rank, together. */
  readonly functionKills: number;
  readonly runnerKills: number;
  /** For the deliveries with the kills. */
  readonly deadlineMs: number;
  /** How often is told how far it is. */
  readonly sayEveryMs: number;
  readonly say: Say;
}

export interface Redelivery {
  readonly kills: number;
  readonly expected: Expected;
  /** What is wrong, in words; nothing, if all is well. */
  readonly problems: readonly string[];
}

const lookMs = 250;
/** Of the first generation's events, so many come once more after the second one has begun. */
const comesAgainShare = 0.1;

/** What there is to do it with. */
interface Stage {
  readonly pods: Pods;
  /** What the processes write. */
  readonly given: World;
  readonly clean: World;
  readonly spool: Spool;
  readonly progress: Progress;
}

/** Does it all, on stores of its own, and removes them. Rejects where it does not end in time. */
export async function redeliver(options: RedeliveryOptions): Promise<Redelivery> {
  const stops: (() => Promise<void>)[] = [];
  try {
    return await new Run(options, await setStage(stops)).do();
  } catch (error) {
    const { seed, orders } = options;
    throw new Error(`SEED=${seed} ORDERS=${orders}: ${String(error)}`, { cause: error });
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
}

async function setStage(stops: (() => Promise<void>)[]): Promise<Stage> {
  const pods = await startPods();
  stops.push(() => pods.stop());
  const { redisUrl, signingKeys } = pods;
  const openOne = async (mysqlUrl: string, redisDatabase: number) => {
    const world = await openWorld({
      ...{ mysqlUrl, signingKeys, redisUrl: `${redisUrl}/${redisDatabase}` },
    });
    stops.push(() => world.stop());
    return world;
  };
  const given = await openOne(pods.mysqlUrl, 0);
  const clean = await openOne(`${pods.mysqlUrl}_clean`, 1);
  const spool = await openSpool(join(pods.folder, 'events'), signingKeys);
  const progress = watchProgress(pods);
  stops.push(
    () => spool.close(),
    () => progress.stop(),
  );
  return { pods, given, clean, spool, progress };
}

class Run {
  readonly #options: RedeliveryOptions;
  readonly #stage: Stage;
  readonly #random: () => number;

  constructor(options: RedeliveryOptions, stage: Stage) {
    this.#options = options;
    this.#stage = stage;
    this.#random = randomOf(options.seed + 1);
  }

  async do(): Promise<Redelivery> {
    const { given, clean, spool } = this.#stage;
    const plan = planSale(this.#options);
    const { productIds, stock, expected } = plan;
    const opened = await spool.add(plan.opening());
    for (const world of [given, clean]) {
      await world.putOnSale(productIds, stock);
      await world.deliver(spool, 0, opened);
    }
    const middle = await spool.add(plan.first());
    const afterFirst = { ...expected };
    const end = await spool.add(plan.second());
    this.#say(`${rowsOf(expected)} orders in ${end} events of ${productIds.length} products`);
    const thrice = this.#deliverThrice(productIds, middle, end, afterFirst);
    const once = this.#deliverOnce(productIds, opened, middle, end);
    // Nothing is taken away while either is at work.
    await Promise.allSettled([thrice, once]);
    const [kills] = await Promise.all([thrice, once]);
    return { kills, expected, problems: await this.#judge(productIds, expected) };
  }

  /** Of another database, so beside the other. */
  async #deliverOnce(productIds: readonly string[], opened: number, middle: number, end: number) {
    const { clean, spool } = this.#stage;
    const startedAtMs = performance.now();
    await clean.deliver(spool, opened, middle);
    for (const productId of productIds) await clean.raiseGeneration(productId);
    await clean.deliver(spool, middle, end);
    this.#say(`delivered once, in order, in ${secondsSince(startedAtMs)}`);
  }

  /** Resolves with how often anybody was killed. */
  async #deliverThrice(
    productIds: readonly string[],
    middle: number,
    end: number,
    afterFirst: Expected,
  ): Promise<number> {
    const { pods, given } = this.#stage;
    const random = this.#random;
    const first = shuffled(random, threeTimes(numbers(0, middle)));
    const again = numbers(0, middle).filter(() => random() < comesAgainShare);
    const second = shuffled(random, [...threeTimes(numbers(middle, end)), ...again]);
    await pods.start();
    const delivering = this.#deliver(first.length + second.length);
    try {
      const isWritten = async () =>
        (await given.countUnits()) === afterFirst.units &&
        (await given.countOrders()) === rowsOf(afterFirst);
      await delivering.send(first, isWritten);
      for (const productId of productIds) await given.raiseGeneration(productId);
      await delivering.send(second, () => isAllCommitted(pods.kafka));
    } finally {
      await delivering.stop();
    }
    return delivering.killing.kills();
  }

  /** Lets the processes be killed while so many events are sent to them. */
  #deliver(events: number) {
    const { deadlineMs, functionKills, runnerKills, seed } = this.#options;
    const { pods, spool, progress } = this.#stage;
    const deadline = performance.now() + deadlineMs;
    // Two groups.
    const deliveries = 2 * events;
    const killing = startKilling({
      ...{ ...pods, functionKills, runnerKills, random: randomOf(seed + 2) },
      share: () => progress.delivered() / deliveries,
    });
    let sentBefore = 0;
    const soFar = () =>
      `${progress.delivered()} of ${deliveries} deliveries, ${killing.kills()} kills`;
    const say = this.#sayNowAndThen(soFar);
    return {
      killing,
      /** Sends these events and resolves when all are there and `isDone` says so. */
      send: async (indexes: readonly number[], isDone: () => Promise<boolean>) => {
        const sent = produce({
          ...{ kafka: pods.kafka, spool, indexes, random: this.#random },
          mayGoOn: (count) => killing.mayGoOn((sentBefore + count) / events),
        }).then(() => true);
        for (;;) {
          const isSent = await Promise.race([killing.failed, sent, setTimeout(lookMs, false)]);
          await say();
          if (isSent && (await isDone())) break;
          if (isSent) await setTimeout(lookMs);
          if (performance.now() > deadline) throw new Error(`it does not end: ${soFar()}`);
        }
        sentBefore += indexes.length;
      },
      stop: () => killing.stop(),
    };
  }

  /** Tells how far it is, no oftener than is wanted. */
  #sayNowAndThen(soFar: () => string): () => Promise<void> {
    let said = { rows: 0, atMs: performance.now() };
    return async () => {
      const atMs = performance.now();
      if (atMs < said.atMs + this.#options.sayEveryMs) return;
      const rows = await this.#stage.given.countOrders();
      const perSecond = Math.round(((rows - said.rows) * 1_000) / (atMs - said.atMs));
      said = { rows, atMs };
      this.#say(`${soFar()}, ${rows} rows (${perSecond}/s)`);
    };
  }

  async #judge(productIds: readonly string[], expected: Expected): Promise<string[]> {
    const { pods, given, clean, progress } = this.#stage;
    const startedAtMs = performance.now();
    const problems = await differencesBetween(given, clean, productIds);
    const [dead, givenUp] = [await countDeadLetters(pods.kafka), progress.givenUp()];
    if (dead > 0) problems.push(`${dead} events are in the dead letters`);
    if (givenUp > 0) problems.push(`${givenUp} events were given up`);
    const found = `${await given.countOrders()} orders, ${await given.countUnits()} units sold`;
    const should = `${rowsOf(expected)} orders, ${expected.units} units sold`;
    if (found !== should) problems.push(`${found} instead of ${should}`);
    this.#say(`compared in ${secondsSince(startedAtMs)}: ${problems.length} problems`);
    return problems;
  }

  #say(text: string): void {
    this.#options.say('redelivery', text);
  }
}

const rowsOf = ({ confirmed, noStock, unitTaken }: Expected) => confirmed + noStock + unitTaken;

const numbers = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, at) => from + at);

const threeTimes = (all: readonly number[]): number[] => [...all, ...all, ...all];
