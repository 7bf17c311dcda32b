// `npm run check`: format, types, lint; `npm test` runs the tests after them. Stops at the first
// that fails. Further arguments go to vitest: `npm test -- lib/lock`.

import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { resolve } from 'node:path';
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

/** Runs a program of node_modules/.bin, which the bootstrap has put on the path. */
async function runStep(name: string, command: string, args: readonly string[]): Promise<void> {
  const startedAtMs = performance.now();
  const child = spawn(command, args, { cwd: root, stdio: 'inherit' });
  const passOn = (signal: NodeJS.Signals) => child.kill(signal);
  process.on('SIGINT', passOn).on('SIGTERM', passOn);
  const status = await new Promise<number>((done, fail) => {
    child.once('error', fail);
    child.once('exit', (code, signal) => {
      done(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
  process.off('SIGINT', passOn).off('SIGTERM', passOn);
  if (status !== 0) {
    sayOnStderr(name, `failed (status ${status})`);
    process.exit(status);
  }
  // The tests' own last line stays the last.
  if (name !== 'tests') sayOnStderr(name, `ok in ${secondsSince(startedAtMs)}`);
}

for (const [name, command, ...args] of checks) await runStep(name, command, args);
const [tests, ...rest] = process.argv.slice(2);
if (tests === 'tests') await runStep('tests', 'vitest', ['run', ...rest]);
