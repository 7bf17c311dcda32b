// A whole running system for one test: its own stores, the bundled functions, the source runner,
// in a folder of its own, as `npm start` would run it.

import { execFile } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { killAllProcesses } from '#knative/local/process.ts';
import { createRuntime, type RuntimeOptions } from '#knative/local/runtime.ts';
import type { Say } from '#knative/local/say.ts';
import { type ProcessEntry, pidOf, readState } from '#knative/local/state.ts';
import type { Nodes } from '#knative/local/topology.ts';
import { uniqueName } from './unique.ts';

export interface TestRuntime {
  /** As `npm run env` prints it. */
  readonly env: Readonly<Record<string, string>>;
  /** The edge, without a slash at the end. */
  readonly url: string;
  /** Of a function, and `<name>:metrics`, on 127.0.0.1. */
  readonly ports: Readonly<Record<string, number>>;
  /** Runs `kn-seckill` against this system. */
  cli(...args: readonly string[]): Promise<CliResult>;
  /** All that is kept running. */
  readonly processes: readonly ProcessEntry[];
  /** Kills a process with -9 and keeps it down until `bringUp`. */
  takeDown(name: string): void;
  bringUp(name: string): void;
  stop(): Promise<void>;
}

export interface CliResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

const root = resolve(import.meta.dirname, '../..');
const program = join(root, 'knative/plugin/kn-seckill');

export interface TestRuntimeOptions {
  readonly nodes?: Nodes;
  /** Told of progress as it is made. */
  readonly say?: Say;
  /** Its own, removed at the end; one with a new name where not said. */
  readonly folder?: string;
  readonly groupOf?: RuntimeOptions['groupOf'];
  readonly asPrograms?: boolean;
  /** When all of it has ended, before its folder is removed. */
  readonly beforeRemoval?: () => Promise<void>;
}

/** A folder that no other runtime has. */
export function testRuntimeFolder(): string {
  return join(root, '.seckill', uniqueName('runtime-'));
}

const folders = new Set<string>();

/** For who is interrupted: ends all that runs at once, and leaves none of the folders. */
export function abandonTestRuntimes(): void {
  killAllProcesses();
  // Who was killed in the middle of a write may still end it.
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
}

/**
 * Starts everything, with these variables besides its own; what was said on the way is in the
 * rejection where something failed.
 */
export async function startTestRuntime(
  given: Readonly<Record<string, string>> = {},
  options: TestRuntimeOptions = {},
): Promise<TestRuntime> {
  const { nodes = 1, say, groupOf, asPrograms } = options;
  const folder = options.folder ?? testRuntimeFolder();
  folders.add(folder);
  const said: string[] = [];
  const runtime = createRuntime({
    ...{ folder, nodes, groupOf, asPrograms },
    state: readState(folder),
    // Nothing is given: neither the stores of the other tests nor their keys.
    given: { PATH: process.env.PATH, PORT: '0', ...given },
    say(part, text) {
      said.push(`${part} ${text}`);
      say?.(part, text);
    },
  });
  const stop = async () => {
    await runtime.stop();
    await options.beforeRemoval?.();
    rmSync(folder, { recursive: true, force: true });
    folders.delete(folder);
  };
  const running = await runtime.start().catch(async (error: unknown) => {
    await stop();
    throw new Error(`the runtime did not start:\n${said.join('\n')}`, { cause: error });
  });
  const entryOf = (name: string): ProcessEntry => {
    const found = running.processes.find((one) => one.name === name);
    if (found === undefined) throw new Error(`there is no process ${name}`);
    return found;
  };
  return {
    env: running.env,
    url: String(running.env.SECKILL_URL),
    ...{ ports: running.ports, processes: running.processes },
    stop,
    cli: (...args) => runCli(args, running.env),
    takeDown(name) {
      const entry = entryOf(name);
      writeFileSync(join(entry.folder, 'down'), '');
      const pid = pidOf(entry);
      if (pid !== undefined) process.kill(pid, 'SIGKILL');
    },
    bringUp(name) {
      rmSync(join(entryOf(name).folder, 'down'));
    },
  };
}

function runCli(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<CliResult> {
  return new Promise((done) => {
    execFile(
      program,
      args,
      { env: { PATH: process.env.PATH, ...env }, maxBuffer: 64 * 1_024 * 1_024 },
      (error, stdout, stderr) => {
        const status = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
        done({ status, stdout, stderr });
      },
    );
  });
}

/** Resolves with what `look` finds, as soon as it finds something; rejects at the deadline. */
export async function until<T>(
  what: string,
  deadlineMs: number,
  look: () => Promise<T | undefined>,
): Promise<T> {
  const deadline = performance.now() + deadlineMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await setTimeout(25);
  }
}
