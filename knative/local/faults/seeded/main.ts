// `npm run faults`: seeded faults while buyers buy, one run after the other on a running system,
// each a line of the log. Exits 0 where every promise was kept, 1 where one was broken.

import { execFileSync } from 'node:child_process';
import { cpSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { abandonTestRuntimes } from '#lib/testing/runtime.ts';
import { onEnding } from '../../ending.ts';
import { killAllProcesses } from '../../process.ts';
import { sayOnStderr, secondsSince } from '../../say.ts';
import { messageOf } from '../../stores/healthy.ts';
import { folderOf } from '../../topology.ts';
import { type FaultKind, factsOf } from './kinds.ts';
import { type Line, type Result, readLines, writeLine } from './log.ts';
import { enterNamespaces } from './namespaces.ts';
import { commandOf, type Options, readOptions, usage } from './options.ts';
import { planOf } from './plan.ts';
import { perform } from './run.ts';
import { type FaultSystem, startFaultSystem } from './system.ts';
import { tableOf } from './table.ts';

const root = resolve(import.meta.dirname, '../../../..');
/** The one that is running, for who interrupts it. */
let system: FaultSystem | undefined;
const interruption = new AbortController();
const interrupted = interruption.signal;
const installLog = join(root, '.seckill/faults-install.log');

/** Resolves with how many runs have broken a promise. */
async function runAll(options: Options): Promise<number> {
  let left = 0;
  let broken = 0;
  try {
    for (const [at, seed] of options.seeds.entries()) {
      if (left === 0) {
        await stopSystem();
        system = await startSystem(options);
        left = options.renew;
      }
      if (system === undefined) throw new Error('there is no system');
      const result = await perform(system, planOf(seed, options), interrupted);
      const line = lineOf(result, options);
      writeLine(options.log, line);
      if (options.json) console.log(JSON.stringify(line));
      sayOnStderr(`${at + 1}/${options.seeds.length}`, summaryOf(line));
      left -= 1;
      if (result.problems.length > 0) {
        broken += 1;
        left = 0;
        sayBroken(line, keepEvidence(system, line));
      }
    }
    return broken;
  } finally {
    await stopSystem();
  }
}

async function stopSystem(): Promise<void> {
  const stopped = system;
  system = undefined;
  await stopped?.stop();
}

async function startSystem({ nodes }: Options): Promise<FaultSystem> {
  const startedAtMs = performance.now();
  // What is killed and starts again is what this is about: only what failed is shown.
  const system = await startFaultSystem({ nodes, say: () => undefined });
  sayOnStderr(
    'system',
    `${nodes === 1 ? 'one node' : `${nodes} nodes`}, ready after ${secondsSince(startedAtMs)}`,
  );
  return system;
}

function lineOf(result: Result, options: Options): Line {
  const commit = execFileSync('git', ['rev-parse', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim();
  const command = commandOf(result.seed, options);
  return { ...result, command, commit, at: new Date().toISOString() };
}

const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;

function summaryOf(line: Line): string {
  const faults = line.faults.map(({ fault, process, notDone }) =>
    notDone === undefined ? `${fault} (${process})` : `${fault}: not done, ${notDone}`,
  );
  return [
    `seed ${line.seed}: ${faults.join(' + ')}`,
    `${line.accepted} sold, ${line.refused} refused`,
    `nobody told for ${seconds(line.nobodyToldMs)}, worst buyer ${seconds(line.worstMs)}`,
    `well after ${seconds(line.healthyAfterMs)}`,
    line.problems.length === 0 ? `kept (${seconds(line.tookMs)})` : 'BROKEN',
  ].join('; ');
}

/** Logs of all processes and what they stored, but for what is large and tells nothing. */
function keepEvidence(system: FaultSystem, { seed, at }: Line): string {
  const kept = join(root, '.seckill', `faults-${seed}-${at.replaceAll(/[:.]/g, '-')}`);
  const filter = (file: string) => !/\/dist$|\/member$|\/ib[^/]*$|index$|\.ibd$/.test(file);
  cpSync(folderOf(system.folder, system.nodes), kept, { recursive: true, filter });
  return kept;
}

function sayBroken({ problems, command }: Line, evidence: string): void {
  for (const problem of problems) console.error(`  ✗ ${problem}`);
  console.error(`    once more:  ${command}\n    logs, data: ${evidence}`);
}

/** Resolves where all that can be done here can be done: in namespaces of our own, if possible. */
async function withinReach(options: Options): Promise<Options> {
  const say = (text: string) => {
    sayOnStderr('namespaces', text);
  };
  const why = await enterNamespaces(process.argv.slice(1), installLog, say);
  if (why === undefined) return options;
  const [kinds, skipped] = [true, false].map((isPossible) =>
    options.kinds.filter((kind) => (factsOf(kind).needs === 'nothing') === isPossible),
  ) as [FaultKind[], FaultKind[]];
  if (kinds.length === 0) throw new Error(`${skipped.join(', ')}: not possible here, ${why}`);
  if (skipped.length > 0) say(`without ${skipped.join(', ')}: ${why}`);
  return { ...options, kinds };
}

async function main(): Promise<number> {
  const asked = readOptions(process.argv.slice(2));
  if (asked === undefined) {
    process.stdout.write(usage);
    return 0;
  }
  if (asked.table !== undefined) {
    console.log(tableOf(readLines(asked.table)));
    return 0;
  }
  const options = await withinReach(asked);
  const broken = await runAll(options);
  console.error(`${options.seeds.length} runs, ${broken} broke a promise; ${options.log}`);
  return broken === 0 ? 0 : 1;
}

/** With what it came of. */
function fullMessageOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return [messageOf(error), ...(cause === undefined ? [] : [fullMessageOf(cause)])].join('\n');
}

onEnding({
  leave() {
    interruption.abort(new Error('interrupted'));
    // Nothing of it is kept.
    killAllProcesses();
    void Promise.resolve(system?.disks?.remove()).finally(() => {
      abandonTestRuntimes();
      process.exit(130);
    });
  },
  kill() {
    killAllProcesses();
    process.exit(130);
  },
});
try {
  process.exitCode = await main();
} catch (error) {
  if (!interrupted.aborted) console.error(fullMessageOf(error));
  process.exitCode = interrupted.aborted ? 130 : 2;
}
