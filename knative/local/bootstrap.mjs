// The first thing every npm script runs, on whatever Node the machine has: installs the packages
// where they are missing or not those of package-lock.json, then runs the program that was asked
// for under Node 24, with its signals and its exit status passed on. No packages, no TypeScript.

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const node24 = join(root, 'node_modules/node/bin/node');

/** Names of npm scripts; anything else is a file of the repository, run as it is. */
const programs = {
  start: ['knative/local/start.ts'],
  stop: ['knative/local/stop.ts'],
  env: ['knative/local/env.ts'],
  bench: ['knative/local/bench/main.ts'],
  check: ['knative/local/check.ts'],
  test: ['knative/local/check.ts', 'tests'],
  'test:crash': [
    'node_modules/vitest/vitest.mjs',
    'run',
    '--config',
    'knative/local/faults/vitest.config.ts',
  ],
  'test:nodes': ['knative/local/nodes/main.ts'],
  soak: ['knative/local/soak/main.ts'],
  'test:knative': ['knative/e2e/main.ts'],
};

// kafkajs sets a timer into the past once (its request queue); Node 24 would say so each time.
const nodeOptions = ['--disable-warning=TimeoutNegativeWarning'];

const [asked, ...rest] = process.argv.slice(2);
if (asked === undefined) {
  fail(`Usage: node knative/local/bootstrap.mjs ${Object.keys(programs).join('|')}|FILE [ARGS]`);
}
if (!isInstalled()) install();
const [file, ...first] = programs[asked] ?? [asked];
run([...nodeOptions, resolve(root, file), ...first, ...rest]);

/** Whether node_modules holds what package-lock.json asks for, and Node 24 with it. */
function isInstalled() {
  const wanted = packagesIn('package-lock.json');
  const found = packagesIn('node_modules/.package-lock.json');
  if (wanted === undefined || found === undefined || !existsSync(node24)) return false;
  return Object.entries(wanted).every(([path, { version, optional, link }]) => {
    // '' is the project itself; optional ones are only there on the platform they are for.
    return path === '' || optional || link || found[path]?.version === version;
  });
}

function packagesIn(lockFile) {
  try {
    return JSON.parse(readFileSync(join(root, lockFile), 'utf8')).packages;
  } catch {
    return undefined;
  }
}

function install() {
  const startedAtMs = Date.now();
  process.stderr.write('Installing packages (npm ci) …\n');
  // Its output goes to standard error: standard output belongs to the program that was asked for.
  // Warnings would only be that this Node is older than the one that will be used.
  const { status, error } = spawnSync(
    'npm',
    ['ci', '--no-fund', '--no-audit', '--loglevel=error'],
    {
      cwd: root,
      stdio: ['ignore', 2, 2],
    },
  );
  if (status !== 0) {
    fail(`npm ci failed (${error ? error.message : `status ${status}`}); its output is above.`);
  }
  if (!existsSync(node24)) fail(`npm ci ran, but there is no Node 24 in ${node24}.`);
  process.stderr.write(
    `Packages are installed (${Math.round((Date.now() - startedAtMs) / 1000)} s)\n`,
  );
}

function run(args) {
  const bin = join(root, 'node_modules/.bin');
  const child = spawn(node24, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH ?? ''}` },
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => child.kill(signal));
  }
  child.once('error', (error) => fail(`Node 24 could not be run: ${error.message}`));
  child.once('exit', (status, signal) => {
    process.exit(signal === null ? status : 128 + constants.signals[signal]);
  });
  // npm killed with -9 takes nobody with it; whoever it ran for is gone, so this ends too.
  if (process.env.npm_lifecycle_event !== undefined) {
    const parent = process.ppid;
    setInterval(() => {
      if (process.ppid !== parent) child.kill('SIGTERM');
    }, 1000).unref();
  }
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
