// `npm run check`: format, types, lint; `npm test` runs the tests after them. Stops at the first
// that fails. Further arguments go to vitest: `npm test -- lib/lock`.

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import {
  countFileVariable,
  countLine,
  countOfBoth,
  filesToRepeat,
  type TestCount,
} from '#lib/testing/test-count.ts';
import { sayOnStderr, secondsSince } from './say.ts';

const root = resolve(import.meta.dirname, '../..');
const checks: readonly (readonly [name: string, command: string, ...args: string[]])[] = [
  ['format', 'biome', 'check', '.'],
  ['types', 'tsc', '--noEmit', '--project', '.'],
  ['page types', 'tsc', '--noEmit', '--project', 'functions/ratelimit-edge/storefront'],
  ['k6 types', 'tsc', '--noEmit', '--project', 'grafana/k6/scenarios'],
  ['lint', 'eslint', '.'],
  ['manifests', 'node', 'knative/checks/main.ts'],
];

/** Runs a program of node_modules/.bin, which the bootstrap has put on the path; its exit status. */
async function run(command: string, args: readonly string[], env = process.env): Promise<number> {
  const child = spawn(command, args, { cwd: root, stdio: 'inherit', env });
  const passOn = (signal: NodeJS.Signals) => child.kill(signal);
  process.on('SIGINT', passOn).on('SIGTERM', passOn);
  try {
    return await new Promise<number>((done, fail) => {
      child.once('error', fail);
      child.once('exit', (code, signal) => {
        done(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
      });
    });
  } finally {
    process.off('SIGINT', passOn).off('SIGTERM', passOn);
  }
}

interface TestRun {
  readonly status: number;
  /** Undefined where they were broken off. */
  readonly count: TestCount | undefined;
}

async function runTests(args: readonly string[]): Promise<TestRun> {
  const folder = mkdtempSync(join(tmpdir(), 'seckill-tests-'));
  try {
    const file = join(folder, 'count.json');
    const env = { ...process.env, [countFileVariable]: file };
    const status = await run('vitest', ['run', ...args], env);
    return { status, count: readCount(file) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function readCount(file: string): TestCount | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as TestCount;
  } catch {
    return undefined;
  }
}

/**
 * Real servers on a busy machine stall now and then, and a test that has begun cannot always be
 * repeated among what it left behind: a few files that failed are run once more, by themselves and
 * with servers of their own. What fails then, too, is broken. The last line stays the count.
 */
async function test(args: readonly string[]): Promise<number> {
  const first = await runTests(args);
  if (first.status === 0 || first.count === undefined) return first.status;
  // An option may have chosen among the tests of a file: whoever gives one is looking for something.
  const isWhole = args.every((argument) => !argument.startsWith('-'));
  const files = isWhole ? filesToRepeat(first.count) : [];
  if (files.length === 0) return first.status;
  sayOnStderr('tests', `once more, by themselves: ${files.join(', ')}`);
  const again = await runTests(files);
  if (again.count === undefined) return again.status;
  if (again.status === 0) {
    for (const file of files) process.stdout.write(`passed when it was run again: ${file}\n`);
  }
  process.stdout.write(`\n${countLine(countOfBoth(first.count, again.count))}\n`);
  return again.status;
}

function failed(name: string, status: number): never {
  sayOnStderr(name, `failed (status ${status})`);
  process.exit(status);
}

for (const [name, command, ...args] of checks) {
  const startedAtMs = performance.now();
  const status = await run(command, args);
  if (status !== 0) failed(name, status);
  sayOnStderr(name, `ok in ${secondsSince(startedAtMs)}`);
}
const [tests, ...rest] = process.argv.slice(2);
if (tests === 'tests') {
  const status = await test(rest);
  if (status !== 0) failed('tests', status);
}
