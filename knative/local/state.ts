// What the local runtime remembers between starts, in one ignored folder: ports, keys, and which
// process runs. Only the user who started it may read it.

import { randomBytes } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { identityOf } from './process-identity.ts';
import type { Kind } from './topology.ts';

export interface State {
  readonly ports: Readonly<Record<string, number>>;
  readonly secrets: Secrets;
  /** Of the run that is going on; left behind by one that was killed. */
  readonly running?: Running;
}

/** Made at random once; the functions refuse to start without keys. */
export interface Secrets {
  readonly mysqlPassword: string;
  readonly jwtKey: string;
  readonly signingKey: string;
  readonly pseudonymKey: string;
}

export interface ProcessNote {
  readonly pid: number;
  readonly identity: string | undefined;
}

export interface Running extends ProcessNote {
  /** How programs beside the functions reach what runs. */
  readonly env: Readonly<Record<string, string>>;
  /** All that is kept running, in the order in which it was started. */
  readonly processes: readonly ProcessEntry[];
}

/** Its pid is in the file `pid` of its folder: another one after each restart, none meanwhile. */
export interface ProcessEntry {
  /** `kafka`, or `kafka-2` where there are several. */
  readonly name: string;
  readonly kind: Kind;
  /** From 1. */
  readonly index: number;
  readonly folder: string;
  /** On 127.0.0.1. */
  readonly port: number;
  /** Of an instance of a function. */
  readonly metricsPort?: number;
}

/** The pid of one that runs; undefined while it does not. */
export function pidOf({ folder }: Pick<ProcessEntry, 'folder'>): number | undefined {
  try {
    const [, pid = '', identity] =
      /^(\d+) (.+)$/m.exec(readFileSync(join(folder, 'pid'), 'utf8')) ?? [];
    return isAlive({ pid: Number(pid), identity }) ? Number(pid) : undefined;
  } catch {
    return undefined;
  }
}

const root = resolve(import.meta.dirname, '../..');

/** `.seckill` in the checkout, or where `SECKILL_STATE_DIR` says. */
export function stateFolder(given: string | undefined = process.env.SECKILL_STATE_DIR): string {
  return resolve(given === undefined || given === '' ? join(root, '.seckill') : given);
}

/** The state as it was left; a fresh one with keys of its own where there is none. */
export function readState(folder: string): State {
  return (
    (readJson(join(folder, 'state.json')) as State | undefined) ?? {
      ports: {},
      secrets: makeSecrets(),
    }
  );
}

/** Replaces the state as a whole: a reader sees the old or the new one. */
export function writeState(folder: string, state: State): void {
  mkdirSync(folder, { recursive: true });
  const temporary = join(folder, `state.json.${process.pid}`);
  writeFileSync(temporary, `${JSON.stringify(state, undefined, 2)}\n`, { mode: 0o600 });
  renameSync(temporary, join(folder, 'state.json'));
}

/** The runtime that is at work in this folder; undefined when none is, or only a dead one's note. */
export function runningIn(folder: string): ProcessNote | undefined {
  const note = readJson(join(folder, 'lock')) as ProcessNote | undefined;
  return note !== undefined && isAlive(note) ? note : undefined;
}

/** Whether it still is the same process: pids are reused. */
export function isAlive({ pid, identity }: ProcessNote): boolean {
  return identity !== undefined && identityOf(pid) === identity;
}

/**
 * Makes this process the one runtime of the folder until `release`. Throws where another one is
 * at work; takes over from a dead one.
 */
export function takeLock(folder: string): { release: () => void } {
  mkdirSync(folder, { recursive: true });
  const lock = join(folder, 'lock');
  const own = join(folder, `lock.${process.pid}`);
  const note = { pid: process.pid, identity: identityOf(process.pid) };
  writeFileSync(own, JSON.stringify(note), { mode: 0o600 });
  try {
    // A link is made whole or not at all, and never over another.
    linkSync(own, lock);
  } catch {
    const other = runningIn(folder);
    if (other !== undefined) {
      throw new Error(
        `A runtime is already at work in ${folder} (pid ${other.pid}). ` + 'Stop it with: npm stop',
      );
    }
    renameSync(own, lock);
  } finally {
    rmSync(own, { force: true });
  }
  return {
    release() {
      rmSync(lock, { force: true });
    },
  };
}

function makeSecrets(): Secrets {
  const secret = () => randomBytes(32).toString('base64url');
  return {
    mysqlPassword: secret(),
    jwtKey: secret(),
    signingKey: secret(),
    pseudonymKey: secret(),
  };
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}
