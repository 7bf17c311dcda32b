// `npm run test:nodes`: a sale on three nodes of one machine, and while it goes on one process after
// the other is killed with -9. Exits 0 where nothing was lost and no loss kept anybody from buying
// for longer than it may; 1 where that is not so, 2 where it could not begin.

import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDoor } from '#knative/e2e/door.ts';
import { servedOf } from '#knative/e2e/judge.ts';
import { startCrowd, startStream } from '#knative/e2e/load.ts';
import { openShop } from '#knative/e2e/shop.ts';
import { createSale, type Sale } from '#knative/e2e/stage.ts';
import {
  abandonTestRuntimes,
  startTestRuntime,
  type TestRuntime,
  until,
} from '#lib/testing/runtime.ts';
import { readOutcomes } from '../bench/outcomes.ts';
import { onEnding } from '../ending.ts';
import { sayOnStderr, secondsSince } from '../say.ts';
import { messageOf } from '../stores/healthy.ts';
import { interruptedMaxMs, type Lost, lose } from './lose.ts';
import { allLosses } from './losses.ts';
import { type Options, readOptions, usage } from './options.ts';
import { ofKind } from './roles.ts';
import { tableOf } from './table.ts';

const stock = 1_000_000;
/** Longer than all losses take together. */
const secondsMax = 1_800;
const exits = { ok: 0, failed: 1, unable: 2, interrupted: 130 } as const;
const say = sayOnStderr;

async function main(options: Options): Promise<number> {
  // Said now where it cannot be written, not after minutes.
  if (options.out !== undefined) writeFileSync(options.out, '');
  const folders: string[] = [];
  const forget = () => {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  };
  const leave = () => {
    abandonTestRuntimes();
    forget();
    process.exit(exits.interrupted);
  };
  onEnding({ leave, kill: leave });
  const system = await startSystem();
  const folder = mkdtempSync(join(tmpdir(), 'seckill-nodes-'));
  folders.push(folder);
  const report = await sellAndLose(system, options, folder).finally(() => stop(system, folder));
  if (options.out !== undefined) writeFileSync(options.out, `${JSON.stringify(report)}\n`);
  console.log(options.json ? JSON.stringify(report) : textOf(report));
  if (report.ok) forget();
  else say('logs', `of all processes, and what the clients were told: ${folder}`);
  return report.ok ? exits.ok : exits.failed;
}

/** The logs are kept: whether they are needed is not known yet. */
async function stop(system: TestRuntime, folder: string): Promise<void> {
  for (const { name, folder: own } of system.processes) {
    copyFileSync(join(own, 'log'), join(folder, `${name}.log`));
  }
  await system.stop();
}

async function startSystem(): Promise<TestRuntime> {
  const startedAtMs = performance.now();
  const system = await startTestRuntime({}, { nodes: 3, say });
  say('three nodes', `ready after ${secondsSince(startedAtMs)}`);
  return system;
}

interface Report {
  readonly ok: boolean;
  readonly lost: readonly Lost[];
  /** How purchases were answered, and what became of them. */
  readonly figures: Readonly<Record<string, unknown>>;
  /** What is not as it should be. */
  readonly problems: readonly string[];
}

async function sellAndLose(system: TestRuntime, options: Options, folder: string): Promise<Report> {
  const door = openDoor({ route: system.url, gateways: [] });
  try {
    const run = `nodes-${process.pid}`;
    const shop = await openShop({ env: system.env, args: [], run, onTold: () => undefined });
    const interrupted = new AbortController().signal;
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
    const figures = { purchases, unserved, medianMs, p99Ms, ...settled.figures };
    return { ok: problems.length === 0, lost, figures, problems };
  } finally {
    await door.close();
  }
}

function textOf({ lost, figures, problems }: Report): string {
  const lines = problems.map((problem) => `✗ ${problem}`);
  return [tableOf(lost), '', JSON.stringify(figures), ...lines].join('\n');
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
    if (!options.isMeant(loss.what)) continue;
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

let options: Options | undefined;
try {
  options = readOptions(process.argv.slice(2));
} catch (error) {
  console.error(`${messageOf(error)}\n\n${usage}`);
  process.exit(exits.unable);
}
if (options === undefined) console.log(usage);
else {
  process.exitCode = await main(options).catch((error: unknown) => {
    console.error(messageOf(error));
    return exits.unable;
  });
}
