import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { fakeKey, startFakeEdge } from './fake-edge.ts';
import { startKit } from './kube/test-kit.ts';

const launcher = resolve(import.meta.dirname, 'kn-seckill');
const root = resolve(import.meta.dirname, '../..');

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'seckill launcher '));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

interface Ran {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

function environment(more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, SECKILL_JWT_KEY: fakeKey, SECKILL_STATE_DIR: folder, ...more };
}

function run(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = environment(),
  cwd: string = folder,
): Promise<Ran> {
  return new Promise((done) => {
    const child: ChildProcess = execFile(program, args, { env, cwd }, (_, out, err) => {
      done({ status: child.exitCode, out, err });
    });
  });
}

const token = ['token', '--user', 'ann'];

test('it runs from anywhere, by its path and through links', async () => {
  mkdirSync(join(folder, 'bin'));
  symlinkSync(launcher, join(folder, 'absolute'));
  symlinkSync('../absolute', join(folder, 'bin/kn-seckill'));
  for (const program of [launcher, join(folder, 'absolute'), join(folder, 'bin/kn-seckill')]) {
    const { status, out, err } = await run(program, token);
    expect({ status, err }).toEqual({ status: 0, err: '' });
    expect(out.split('.')).toHaveLength(3);
  }
}, 30_000);

test('it is found on the path, and by npx in the checkout', async () => {
  symlinkSync(launcher, join(folder, 'kn-seckill'));
  const onPath = environment({ PATH: `${folder}:${process.env.PATH ?? ''}` });
  expect(await run('kn-seckill', token, onPath)).toMatchObject({ status: 0 });
  const home = environment({ HOME: folder });
  expect(await run('npx', ['--no', 'kn-seckill', ...token], home, root)).toMatchObject({
    status: 0,
  });
}, 30_000);

test('the exit status and both outputs are the program’s own', async () => {
  expect(await run(launcher, ['sale', 'lst'])).toMatchObject({ status: 64, out: '' });
  const nobody = environment({ SECKILL_URL: 'http://127.0.0.1:9' });
  const { status, out, err } = await run(launcher, ['verify', 'phone', '-o', 'json'], nobody);
  expect(status).toBe(2);
  expect(JSON.parse(out)).toMatchObject({ ok: false });
  expect(err).toMatch(/^kn-seckill: [^\n]+\n$/);
}, 30_000);

test('Ctrl-C reaches the program, which leaves cleanly', async () => {
  const edge = await startFakeEdge();
  edge.on('GET /operator/sales', new Promise(() => undefined));
  const env = environment({ SECKILL_URL: edge.url });
  const child = spawn(launcher, ['sale', 'list'], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  let err = '';
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  await expect.poll(() => edge.asked.length, { timeout: 10_000 }).toBe(1);
  child.kill('SIGINT');
  expect(await once(child, 'close')).toEqual([130, null]);
  expect(err).toMatch(/^kn-seckill: ended by you.+\n$/);
  await edge.close();
}, 15_000);

test('a reader that has read enough is no error', async () => {
  const script = '"$0" token --count 20000 --prefix b- | head -n 1; exit "${PIPESTATUS[0]}"';
  const { status, out, err } = await run('bash', ['--norc', '-c', script, launcher]);
  expect({ status, err }).toEqual({ status: 0, err: '' });
  expect(out.split('\n')).toHaveLength(2);
}, 15_000);

/**
 * What kn does with a plugin (`pkg/plugin/manager.go` of kn 1.23): the executable of that name on
 * the path, what follows the plugin's name as its arguments, kn's own environment and streams.
 * Where it fails, kn says so itself and ends with 1.
 */
const kn = `#!/bin/sh
plugin=$1
shift
"kn-$plugin" "$@" || { echo "Error: exit status $?" >&2; exit 1; }
`;

test('kn finds it as a plugin, with a cluster of its environment', async () => {
  const kit = await startKit();
  symlinkSync(launcher, join(folder, 'kn-seckill'));
  writeFileSync(join(folder, 'kn'), kn);
  chmodSync(join(folder, 'kn'), 0o755);
  const env = environment({
    PATH: `${folder}:${process.env.PATH ?? ''}`,
    KUBECONFIG: kit.kubeconfig,
  });
  const call = (...args: readonly string[]) => run(join(folder, 'kn'), ['seckill', ...args], env);
  const cooled = await call('-n', 'seckill', 'scale', 'cool', '--all', '-o', 'json');
  expect(cooled).toEqual({ status: 0, out: '[]\n', err: '' });
  const refused = await call('scale', 'cool', '-n', 'seckill');
  expect(refused).toMatchObject({ status: 1, out: '' });
  expect(refused.err).toMatch(/^kn-seckill: name services, or --all\nError: exit status 64\n$/);
  await kit.close();
}, 30_000);

/** A checkout with the launcher, in which other files are put. */
function checkout(files: Readonly<Record<string, string>>): string {
  const plugin = join(folder, 'knative/plugin');
  mkdirSync(plugin, { recursive: true });
  copyFileSync(launcher, join(plugin, 'kn-seckill'));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), text);
    chmodSync(join(folder, name), 0o755);
  }
  return join(plugin, 'kn-seckill');
}

test('without the packages it says how to get them', async () => {
  const { status, out, err } = await run(checkout({}), ['--help']);
  expect({ status, out }).toEqual({ status: 1, out: '' });
  expect(err).toContain('npm ci');
  expect(err).toContain(folder);
});

test('a Node on the path will do if it is new enough', async () => {
  const say = (version: number) =>
    `#!/bin/sh\nif [ "$1" = -p ]; then echo ${version}; else echo "ran $*"; fi\n`;
  const program = checkout({
    'node_modules/commander/package.json': '{}',
    'new/node': say(24),
    'old/node': say(20),
  });
  const withNode = (name: string) => environment({ PATH: `${join(folder, name)}:/usr/bin:/bin` });
  const fitting = await run(program, ['sale', 'list'], withNode('new'));
  expect(fitting).toMatchObject({ status: 0, err: '' });
  expect(fitting.out).toMatch(/^ran .+\/knative\/plugin\/main\.ts sale list\n$/);
  const old = await run(program, ['sale', 'list'], withNode('old'));
  expect(old).toMatchObject({ status: 1, out: '' });
  expect(old.err).toContain('Node 24');
});
