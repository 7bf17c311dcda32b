// `npm run test:nodes`: a sale on three nodes of one machine, and while it goes on one process after
// the other is killed with -9. Exits 0 where nothing was lost and no loss kept anybody from buying
// for longer than it may; 1 where that is not so, 2 where it could not begin.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openDoor } from '#knative/e2e/door.ts';
import { servedOf } from '#knative/e2e/judge.ts';
import { startCrowd, startStream } from '#knative/e2e/load.ts';
import { openShop } from '#knative/e2e/shop.ts';
import { createSale, type Sale } from '#knative/e2e/stage.ts';
import { startTestRuntime, type TestRuntime, until } from '#lib/testing/runtime.ts';
import { readOutcomes } from '../bench/outcomes.ts';
import { onEnding } from '../ending.ts';
import { killAllProcesses } from '../process.ts';
import { sayOnStderr, secondsSince } from '../say.ts';
import { messageOf } from '../stores/healthy.ts';
import { type Lost, lose } from './lose.ts';
import { allLosses } from './losses.ts';
import { ofKind } from './roles.ts';
import { tableOf } from './table.ts';

const usage = `npm run test:nodes -- [--only TEXT,…] [--rate N] [--buyers N]

A sale on three nodes of this machine. First a crowd buys (--buyers, 300); then, while --rate (30)
purchases begin in every second, one process after the other is killed with -9: those whose line of
the table contains one of the texts of --only, else all.
`;

/** No loss of one process may keep everybody from buying for longer. */
const interruptedMaxMs = 15_000;
const stock = 1_000_000;
/** Longer than all losses take together. */
const secondsMax = 1_800;
const say = sayOnStderr;

interface Options {
  readonly only: readonly string[];
  readonly rate: number;
  readonly buyers: number;
}

async function main(options: Options): Promise<number> {
  const startedAtMs = performance.now();
  const system = await startTestRuntime({}, { nodes: 3, say });
  say('three nodes', `ready after ${secondsSince(startedAtMs)}`);
  const folder = mkdtempSync(join(tmpdir(), 'seckill-nodes-'));
  const door = openDoor({ route: system.url, gateways: [] });
  const interrupted = new AbortController().signal;
  try {
    const run = `nodes-${process.pid}`;
    const shop = await openShop({ env: system.env, args: [], run, onTold: () => undefined });
    const deps = { shop, door, interrupted, run, folder, atTheEnd: () => undefined };
    const sale = await createSale(deps, { name: 'losses', stock });
    const problems = await sellToCrowd(system, sale, options.buyers);
    const lost = await loseAll(system, sale, options, problems);
    const { purchases, unserved, medianMs, p99Ms } = servedOf(sale.buyers.tally);
    const settled = await sale.settle();
    problems.push(...settled.problems);
    if (unserved > 0) problems.push(`${unserved} buyers were not served in the end`);
    for (const { what, interruptedMs } of lost) {
      if (interruptedMs > interruptedMaxMs) problems.push(`${what}: nobody could buy for too long`);
    }
    console.log(tableOf(lost));
    console.log(JSON.stringify({ purchases, unserved, medianMs, p99Ms, ...settled.figures }));
    for (const problem of problems) console.log(`✗ ${problem}`);
    return problems.length === 0 ? 0 : 1;
  } finally {
    await door.close();
    await system.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Everybody at once; resolves with what is wrong: an instance that has had no part in it. */
async function sellToCrowd(system: TestRuntime, sale: Sale, count: number): Promise<string[]> {
  const startedAtMs = performance.now();
  await startCrowd(sale.buyers, await sale.people(count), count).done;
  say('crowd', `${count} have bought in ${secondsSince(startedAtMs)}`);
  const problems: string[] = [];
  for (const [kind, counter] of [
    ['ratelimit-edge', 'seckill_requests_total'],
    ['purchase', 'seckill_purchases_total'],
  ] as const) {
    const parts = await Promise.all(
      ofKind(system.processes, kind).map(async ({ name, metricsPort = 0 }) => {
        const outcomes = await readOutcomes(`http://127.0.0.1:${metricsPort}/metrics`, counter);
        const accepted = outcomes.get('accepted') ?? 0;
        if (accepted === 0) problems.push(`${name} has had no part in it`);
        return accepted;
      }),
    );
    say(kind, `accepted by each instance: ${parts.join(', ')}`);
  }
  return problems;
}

async function loseAll(
  system: TestRuntime,
  sale: Sale,
  options: Options,
  problems: string[],
): Promise<Lost[]> {
  const people = await sale.people(options.rate * secondsMax);
  const load = startStream(sale.buyers, people, options.rate);
  const { tally } = sale.buyers;
  const lost: Lost[] = [];
  for (const loss of allLosses(system.processes, sale.productId)) {
    const isAsked =
      options.only.length === 0 || options.only.some((one) => loss.what.includes(one));
    if (!isAsked) continue;
    const served = tally.purchases.length + options.rate;
    await until('selling to go on', 60_000, () =>
      Promise.resolve(tally.purchases.length > served || undefined),
    );
    try {
      const found = await lose(system, sale.buyers, loss);
      say(found.name, `was lost (${loss.what}): ${(found.interruptedMs / 1_000).toFixed(1)} s`);
      lost.push(found);
    } catch (error) {
      problems.push(`${loss.what}: ${messageOf(error)}`);
    }
  }
  await load.stop();
  return lost;
}

function readArguments(): Options {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', default: '' },
      rate: { type: 'string', default: '30' },
      buyers: { type: 'string', default: '300' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    process.exit(0);
  }
  const only = values.only.split(',').filter((text) => text !== '');
  return { only, rate: Number(values.rate), buyers: Number(values.buyers) };
}

onEnding({
  leave() {
    // Nothing of it is kept.
    killAllProcesses();
    process.exit(130);
  },
  kill() {
    process.exit(130);
  },
});
try {
  process.exitCode = await main(readArguments());
} catch (error) {
  console.error(messageOf(error));
  process.exitCode = 2;
}
