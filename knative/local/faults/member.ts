// One process of the system under test, which a test may arm, kill, freeze and start again where
// it was: on the same port, with the same state.

import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { CrashHow, CrashPoint } from '#lib/crash-point.ts';
import { until } from '#lib/testing/runtime.ts';
import { lastLines } from '../last-lines.ts';
import { type RunningProcess, startProcess } from '../process.ts';
import { untilReady } from '../ready.ts';
import type { Service } from '../service.ts';

/** A crash point that acts at the pass after `passes` others. */
export interface Armed {
  readonly point: CrashPoint;
  readonly how: CrashHow;
  readonly passes: number;
}

export interface Member {
  readonly name: string;
  readonly url: string;
  /** Starts it, armed or not; resolves when it is ready. It must not be running. */
  start(armed?: Armed): Promise<void>;
  /** As `start`, but resolves as soon as it runs; its locks may have a TTL of their own. */
  launch(armed?: Armed, lockTtlMs?: number): Promise<void>;
  untilReady(): Promise<void>;
  /** Resolves when the point it was armed with has acted: it is dead, or frozen. */
  untilHit(how: CrashHow, deadlineMs: number): Promise<void>;
  /** Kills it with -9, if it runs; resolves when it has gone. */
  kill(): Promise<void>;
  freeze(): void;
  thaw(): void;
  isRunning(): boolean;
  /** What it kept of its locks for its next start is gone. */
  forget(): void;
}

const readyDeadlineMs = 60_000;
/** Exit status of who was ended by SIGKILL. */
const killed = 137;

export function createMember(service: Service): Member {
  const { name, folder, port } = service;
  const url = `http://127.0.0.1:${port}`;
  const logFile = join(folder, 'log');
  let running: RunningProcess | undefined;
  let ended: number | undefined;

  const signal = (how: NodeJS.Signals) => {
    if (running !== undefined && ended === undefined) process.kill(running.pid, how);
  };

  async function launch(armed?: Armed, lockTtlMs?: number): Promise<void> {
    mkdirSync(folder, { recursive: true });
    ended = undefined;
    const started = await startProcess({
      name,
      command: process.execPath,
      args: ['--enable-source-maps', ...service.args],
      env: environmentOf(service, armed, lockTtlMs),
      logFile,
      graceMs: 0,
    });
    running = started;
    void started.exited.then((status) => {
      if (running === started) ended = status;
    });
  }

  async function isReady(): Promise<void> {
    if (running === undefined) throw new Error(`${name} does not run`);
    await untilReady(running, `${url}/readyz`, readyDeadlineMs);
  }

  return {
    name,
    url,
    launch,
    untilReady: isReady,
    async start(armed) {
      await launch(armed);
      await isReady();
    },
    async untilHit(how, deadlineMs) {
      const hasActed = () => (how === 'kill' ? ended === killed : stateOf(running?.pid) === 'T');
      const look = () => Promise.resolve(hasActed() || undefined);
      await until(`${name} to be ${how === 'kill' ? 'killed' : 'frozen'}`, deadlineMs, look).catch(
        (error: unknown) => {
          throw new Error(`the end of its log:\n${lastLines(logFile)}`, { cause: error });
        },
      );
    },
    async kill() {
      signal('SIGKILL');
      await running?.exited;
    },
    freeze: () => {
      signal('SIGSTOP');
    },
    thaw: () => {
      signal('SIGCONT');
    },
    isRunning: () => running !== undefined && ended === undefined,
    forget: () => {
      rmSync(join(folder, 'lock.record'), { force: true });
    },
  };
}

function environmentOf({ env, port }: Service, armed?: Armed, lockTtlMs?: number) {
  return {
    ...env,
    ...(armed && { SECKILL_CRASH_POINT: `${armed.point}:${armed.how}:${armed.passes}` }),
    ...(lockTtlMs && { SECKILL_CRASH_LOCK_TTL_MS: String(lockTtlMs) }),
    PORT: String(port),
    SECKILL_HOST: '127.0.0.1',
  };
}

/** The state of a process as Linux tells it: `T` is one that SIGSTOP has frozen. */
function stateOf(pid: number | undefined): string | undefined {
  if (pid === undefined) return undefined;
  try {
    // The name in parentheses may hold anything.
    return readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '')[0];
  } catch {
    return undefined;
  }
}
