// `npm run soak`: the whole system sells for half an hour while something breaks every minute.
// Exits 0 where every promise was kept and nothing grows; 1 where that is not so; 2 where it could
// not begin.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { abandonTestRuntimes, startTestRuntime } from '#lib/testing/runtime.ts';
import { onEnding } from '../ending.ts';
import { sayOnStderr, secondsSince } from '../say.ts';
import { stateFolder, takeLock } from '../state.ts';
import { messageOf } from '../stores/healthy.ts';
import { type Options, readOptions, usage } from './options.ts';
import { soak } from './perform.ts';
import { assertHasProc } from './process-figures.ts';
import { reportOf } from './report.ts';

const exits = { ok: 0, failed: 1, unable: 2, interrupted: 130 } as const;
const say = sayOnStderr;
const folder = join(stateFolder(), 'soak');

async function main(options: Options): Promise<number> {
  assertHasProc();
  for (const file of [options.out, options.samples]) {
    // Better now than after half an hour.
    if (file !== undefined) writeFileSync(file, '');
  }
  const [probes, clients] = [newFolder('probes'), newFolder('clients')];
  const startedAtMs = performance.now();
  const system = await startTestRuntime(
    {
      NODE_OPTIONS: `--import=${resolve(import.meta.dirname, 'probe.mjs')}`,
      SECKILL_SOAK_FOLDER: probes,
    },
    { nodes: options.nodes, say },
  );
  say('soak', `everything runs after ${secondsSince(startedAtMs)}`);
  try {
    const soaked = await soak(options, {
      ...{ system, folder: clients, probes, interrupted: ending.signal, say },
    });
    if (options.out !== undefined) writeFileSync(options.out, JSON.stringify(soaked, undefined, 1));
    console.log(options.json ? JSON.stringify(soaked) : reportOf(soaked));
    return soaked.ok ? exits.ok : exits.failed;
  } finally {
    if (!ending.signal.aborted) await system.stop();
  }
}

/** Empty: a soak that was killed left its own. */
function newFolder(name: string): string {
  const path = join(folder, name);
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path, { recursive: true });
  return path;
}

function readArguments(): Options {
  try {
    const options = readOptions(process.argv.slice(2));
    if (options !== undefined) return options;
    console.log(usage);
    return process.exit(exits.ok);
  } catch (error) {
    console.error(`${messageOf(error)}\n\n${usage}`);
    return process.exit(exits.unable);
  }
}

const options = readArguments();
const ending = new AbortController();
const lock = takeLock(folder);

/** Nothing of a run is kept. */
function leave(status: number): never {
  abandonTestRuntimes();
  rmSync(folder, { recursive: true, force: true });
  lock.release();
  process.exit(status);
}

onEnding({
  leave() {
    ending.abort();
    leave(exits.interrupted);
  },
  kill() {
    process.exit(exits.interrupted);
  },
});
try {
  const status = await main(options);
  if (!ending.signal.aborted) leave(status);
} catch (error) {
  if (!ending.signal.aborted) {
    console.error(messageOf(error));
    leave(exits.unable);
  }
}
