// What ordinary buyers notice of hostile clients: the same steady purchases, undisturbed and then
// while all that is hostile happens at once.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { Pool } from 'undici';
import { lastLines } from '../last-lines.ts';
import { type RunningProcess, startProcess } from '../process.ts';
import { type Bench, type Measure, warmUpSeconds } from './bench.ts';
import { readMemory, sampleWhile } from './memory.ts';
import { openSale, tokenOf, verify } from './operate.ts';
import { median, quantile, type Row } from './row.ts';
import { buyOne, steadily } from './steady.ts';
import type { Running } from './system.ts';

const name = 'hostile-clients';
const perSecond = 300;
const crowdSize = { idle: 10_000, staying: 150, passingPerSecond: 20 };
/** A hundredth of the purchases of less time would be a handful. */
const secondsMin = 10;
/** Of the buyers' p99: above it the line is a failure. */
const slowdownMax = 2;
const gatherDeadlineMs = 60_000;

interface Figures {
  readonly timesMs: number[];
  readonly perSecond: number;
}

export const hostileClients: Measure = async (bench) => {
  const { system, options, say } = bench;
  const seconds = Math.max(options.seconds, secondsMin);
  await openSale(system, name);
  const edge = await system.addInstance('ratelimit-edge');
  const buyers = createBuyers(bench, edge);
  await buyers(warmUpSeconds);
  const usual: Figures[] = [];
  const attacked: Figures[] = [];
  const memory: number[] = [];
  const residentBefore = (await readMemory(edge.metricsUrl)).residentMb;
  for (let round = 0; round < options.rounds; round += 1) {
    usual.push(await buyers(seconds));
    const { figures, residentMaxMb, seen } = await underAttack(bench, edge, () => buyers(seconds));
    attacked.push(figures);
    memory.push(residentMaxMb);
    say(name, seen);
    usual.push(await buyers(seconds));
  }
  const residentAfter = (await readMemory(edge.metricsUrl)).residentMb;
  await edge.stop();
  await system.withSinks(() => verify(system, name));
  const residentMax = Math.max(...memory, residentBefore);
  return rowOf(usual, attacked, { residentBefore, residentMax, residentAfter });
};

type Buyers = (seconds: number) => Promise<Figures>;

/** Every other buyer comes on a connection of their own, the others on kept ones. */
function createBuyers({ system }: Bench, edge: Running): Buyers {
  let runs = 0;
  return async (seconds) => {
    runs += 1;
    const count = seconds * perSecond;
    const prefix = `${name}-${runs}`;
    const tokens = Array.from({ length: count }, (_, n) => tokenOf(system, `${prefix}-${n}`));
    const pool = new Pool(edge.url, { connections: 64 });
    const timesMs: number[] = [];
    const reached = await steadily({ perSecond, count }, async (n) => {
      const startedAtMs = performance.now();
      await buyOne(pool, name, tokens[n] ?? '', { isLast: n % 2 === 0 });
      timesMs.push(performance.now() - startedAtMs);
    });
    await pool.close();
    return { timesMs, perSecond: reached };
  };
}

async function underAttack(bench: Bench, edge: Running, buy: () => Promise<Figures>) {
  const crowd = await startCrowd(bench, edge);
  try {
    await untilGathered(crowd);
    const { result: figures, samples } = await sampleWhile(buy(), () =>
      readMemory(edge.metricsUrl),
    );
    const residentMaxMb = Math.max(...samples.map(({ residentMb }) => residentMb));
    const seen = readFileSync(crowd.logFile, 'utf8').trimEnd().split('\n').at(-1) ?? '';
    return { figures, residentMaxMb, seen };
  } finally {
    await crowd.stop();
  }
}

function startCrowd({ system, options }: Bench, { url }: Running): Promise<RunningProcess> {
  const { idle, staying, passingPerSecond } = crowdSize;
  // It ends by itself, should nobody end it.
  const seconds = gatherDeadlineMs / 1_000 + 2 * Math.max(options.seconds, secondsMin);
  const numbers = [new URL(url).port, seconds, idle, staying, passingPerSecond].map(String);
  return startProcess({
    name,
    command: process.execPath,
    args: [join(import.meta.dirname, 'hostile', 'main.ts'), ...numbers],
    env: {
      PATH: process.env.PATH,
      SECKILL_HOSTILE_TOKEN: tokenOf(system, `${name}-hostile`),
    },
    logFile: join(system.folder, name, `log-${performance.now()}`),
    graceMs: 0,
  });
}

/** Rejects where the clients end, or have not gathered in time. */
async function untilGathered({ logFile, exited }: RunningProcess): Promise<void> {
  const ended = exited.then(() => 'ended' as const);
  const deadline = performance.now() + gatherDeadlineMs;
  while (!readFileSync(logFile, 'utf8').startsWith('{"connected"')) {
    const hasEnded = (await Promise.race([ended, setTimeout(100)])) === 'ended';
    if (hasEnded || performance.now() > deadline) {
      throw new Error(`the hostile clients did not gather:\n${lastLines(logFile)}`);
    }
  }
}

function rowOf(
  usual: readonly Figures[],
  attacked: readonly Figures[],
  memory: NonNullable<Row['memory']>,
): Row {
  const quantilesOf = (all: readonly Figures[], q: number) =>
    median(all.map(({ timesMs }) => quantile(timesMs, q)));
  const reference = quantilesOf(usual, 0.99);
  const p99Ms = quantilesOf(attacked, 0.99);
  const ratio = p99Ms / reference;
  const round = (value: number, digits = 2) => Number(value.toFixed(digits));
  if (ratio > slowdownMax) {
    throw new Error(
      `under attack p99 is ${round(p99Ms)} ms, ${round(ratio)} times the usual ${round(reference)} ms`,
    );
  }
  return {
    name,
    perSecond: Math.round(median(attacked.map((figures) => figures.perSecond))),
    reference: round(reference),
    ratio: round(ratio, 3),
    p50Ms: round(quantilesOf(attacked, 0.5)),
    p99Ms: round(p99Ms),
    memory: {
      residentBefore: Math.round(memory.residentBefore),
      residentMax: Math.round(memory.residentMax),
      residentAfter: Math.round(memory.residentAfter),
    },
  };
}
