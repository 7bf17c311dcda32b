// `npm start`, `npm stop` and `npm run env` as somebody types them, in a state folder of the
// test's own: whatever ends the runtime, nothing of it is left running.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { identityOf } from './process-identity.ts';

const bootstrap = join(import.meta.dirname, 'bootstrap.mjs');
const startDeadlineMs = 120_000;

let folder: string;
let given: NodeJS.ProcessEnv;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'seckill-start-'));
  given = {
    PATH: process.env.PATH,
    HOME: process.env.HOME,
    XDG_CACHE_HOME: process.env.XDG_CACHE_HOME,
    SECKILL_STATE_DIR: folder,
    PORT: '0',
  };
});
afterAll(async () => {
  await run('stop');
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

interface Ended {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one of the programs to its end. */
async function run(program: string): Promise<Ended> {
  return new Promise((done) => {
    execFile(process.execPath, [bootstrap, program], { env: given }, (error, stdout, stderr) => {
      done({ status: Number(error?.code ?? 0), stdout, stderr });
    });
  });
}

/** Starts the runtime and resolves when it has said this. */
async function startUntil(text: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [bootstrap, 'start'], {
    env: given,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stdout.on('data', (chunk) => (said += String(chunk)));
  child.stderr.on('data', (chunk) => (said += String(chunk)));
  await vi.waitFor(
    () => {
      expect(child.exitCode, said).toBeNull();
      expect(said).toContain(text);
    },
    { timeout: startDeadlineMs, interval: 100 },
  );
  return child;
}
const start = () => startUntil('Idempotency-Key');

/** The pids of all that runs in the folder, by name. */
function pids(): Record<string, number> {
  const names = readdirSync(folder).filter((name) => existsSync(join(folder, name, 'pid')));
  return Object.fromEntries(
    names.map((name) => [name, Number.parseInt(readFileSync(join(folder, name, 'pid'), 'utf8'))]),
  );
}

const alive = (all: readonly number[]) => all.filter((pid) => identityOf(pid) !== undefined);

function runtimePid(): number {
  const lock = JSON.parse(readFileSync(join(folder, 'lock'), 'utf8')) as { pid: number };
  return lock.pid;
}

test(
  'starts all, tells how to reach it, and is the only one in its folder',
  async () => {
    await start();
    const running = pids();
    expect(Object.keys(running).sort()).toEqual([
      'etcd',
      'kafka',
      'mysql',
      'persist-order',
      'purchase',
      'ratelimit-edge',
      'redis',
      'source-runner',
      'update-rank',
    ]);
    expect(alive(Object.values(running))).toHaveLength(9);

    const { stdout, stderr, status } = await run('env');
    expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
    const lines = stdout.trim().split('\n');
    expect(lines.filter((line) => !/^SECKILL_[A-Z_]+=\S+$/.test(line))).toEqual([]);
    const edge = lines
      .find((line) => line.startsWith('SECKILL_URL='))
      ?.slice('SECKILL_URL='.length);
    expect((await fetch(`${String(edge)}/readyz`)).status).toBe(200);

    const second = await run('start');
    expect(second.status).toBe(1);
    expect(second.stderr).toMatch(/already at work in .* Stop it with: npm stop/);
  },
  startDeadlineMs,
);

test('killed with -9, it leaves nothing running, and says so', async () => {
  const all = Object.values(pids());
  process.kill(runtimePid(), 'SIGKILL');
  await vi.waitFor(
    () => {
      expect(alive(all)).toEqual([]);
    },
    { timeout: 30_000, interval: 100 },
  );
  const { stdout, stderr, status } = await run('env');
  expect({ stdout, status }).toEqual({ stdout: '', status: 1 });
  expect(stderr).toContain('No runtime is at work');
}, 60_000);

test(
  'starts again with the same keys and ports; stop waits until all has ended',
  async () => {
    const before = readFileSync(join(folder, 'state.json'), 'utf8');
    await start();
    expect(JSON.parse(readFileSync(join(folder, 'state.json'), 'utf8'))).toMatchObject({
      secrets: (JSON.parse(before) as { secrets: object }).secrets,
      ports: (JSON.parse(before) as { ports: object }).ports,
    });
    const all = [runtimePid(), ...Object.values(pids())];
    expect(await run('stop')).toMatchObject({ status: 0, stdout: 'Stopped\n' });
    expect(alive(all)).toEqual([]);
    expect((await run('stop')).stdout).toContain('No runtime is at work');
  },
  startDeadlineMs,
);

test(
  'Ctrl-C while it is still starting ends what has started',
  async () => {
    const child = await startUntil('ready on');
    const all = Object.values(pids());
    expect(all).not.toEqual([]);
    child.kill('SIGINT');
    const [status] = (await once(child, 'exit')) as [number];
    expect(status).toBe(0);
    expect(alive(all)).toEqual([]);
    expect(pids()).toEqual({});
  },
  startDeadlineMs,
);
