// Starts a program so that it dies with us, even when we are killed with -9: a small `sh` waits
// beside it on a pipe whose other end only we hold, and ends the program when that pipe closes.

import { spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import { identityOf } from './process-identity.ts';

export interface ProcessOptions {
  /** For messages only. */
  readonly name: string;
  readonly command: string;
  readonly args?: readonly string[];
  /** The whole environment of the program; ours where it is left out. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** Of the group that it runs as, which only root may choose; ours where it is left out. */
  readonly groupId?: number | undefined;
  /** Its output goes to the end of this file. */
  readonly logFile: string;
  /**
   * Where its pid is noted, followed by what tells it from any other process that has that pid
   * one day, so that a later run finds what an earlier one may have left.
   */
  readonly pidFile?: string;
  /** How long it may take from SIGTERM until it is killed; 0 kills it at once. */
  readonly graceMs?: number;
}

export interface RunningProcess {
  readonly name: string;
  /** Of the program itself, not of the `sh` beside it. */
  readonly pid: number;
  readonly logFile: string;
  /** Its exit status when it has ended; 128 + n after signal n, 127 if it could not be run. */
  readonly exited: Promise<number>;
  /** Ends it: SIGTERM, and SIGKILL after the grace. Resolves when it has ended. */
  stop(): Promise<void>;
}

const defaultGraceMs = 10_000;

const allRunning = new Set<RunningProcess>();

/** Everything that was started here and still runs. */
export function allProcesses(): readonly RunningProcess[] {
  return [...allRunning];
}

/** Ends everything that was started here and still runs. */
export async function stopAllProcesses(): Promise<void> {
  await Promise.all([...allRunning].map((running) => running.stop()));
}

/** Kills everything that was started here and still runs; returns at once. */
export function killAllProcesses(): void {
  for (const { pid } of allRunning) kill(pid);
}

// $1: seconds between SIGTERM and SIGKILL (0: SIGKILL at once); the rest: the program.
// The program gets none of our pipes, or it would keep them open itself.
const guardScript = `
grace=$1; shift
exec 4<&0 </dev/null
"$@" 3>&- 4<&- &
program=$!
echo "$program" >&3
exec 3>&-
(
  read -r _ <&4
  if [ "$grace" != 0 ]; then
    kill -TERM "$program"
    trap '[ -z "$nap" ] || kill "$nap"; exit 0' TERM
    sleep "$grace" & nap=$!
    wait "$nap"
  fi
  kill -KILL "$program"
) >/dev/null 2>&1 &
watcher=$!
exec 4<&-
wait "$program"
status=$?
kill -TERM "$watcher" 2>/dev/null
exit "$status"
`;

/**
 * Starts a program and resolves once its pid is known; that it could not be run shows as status
 * 127. It doesn't see a Ctrl-C of the terminal: whoever starts it stops it.
 */
export async function startProcess(options: ProcessOptions): Promise<RunningProcess> {
  const { name, command, args = [], logFile, pidFile, graceMs = defaultGraceMs } = options;
  mkdirSync(dirname(logFile), { recursive: true });
  const log = openSync(logFile, 'a');
  const graceSeconds = String(Math.ceil(graceMs / 1_000));
  const guard = spawn('sh', ['-c', guardScript, 'sh', graceSeconds, command, ...args], {
    cwd: options.cwd,
    gid: options.groupId,
    env: options.env ?? process.env,
    stdio: ['pipe', log, log, 'pipe'],
    detached: true,
  });
  closeSync(log);
  // The pipe ends with the guard: a write error on it says nothing new.
  guard.stdin?.on('error', () => undefined);
  let failure: Error | undefined;
  const exited = new Promise<number>((resolve) => {
    guard.once('error', (error) => {
      failure = error;
      resolve(127);
    });
    guard.once('exit', (status) => {
      if (pidFile !== undefined) rmSync(pidFile, { force: true });
      resolve(status ?? 137);
    });
  });
  const pid = await readPid(guard.stdio[3] as Readable);
  if (pid === undefined) {
    const status = await exited;
    throw new Error(`${name} could not be started: ${failure?.message ?? `status ${status}`}`);
  }
  const identity = identityOf(pid);
  const stop = async () => {
    // What the guard does when we die, it also does when we say so.
    guard.stdin?.end();
    await exited;
    await untilGone({ pid, identity }, graceMs);
  };
  const running = { name, pid, logFile, exited, stop };
  allRunning.add(running);
  void exited.then(() => allRunning.delete(running));
  try {
    if (pidFile !== undefined) notePid(pidFile, { pid, identity });
  } catch (error) {
    // Nobody would find it again: the disk is full.
    await stop();
    throw error;
  }
  return running;
}

async function readPid(pipe: Readable): Promise<number | undefined> {
  let text = '';
  for await (const chunk of pipe) text += String(chunk);
  return text === '' ? undefined : Number(text);
}

interface KnownProcess {
  readonly pid: number;
  readonly identity: string | undefined;
}

function notePid(pidFile: string, known: KnownProcess): void {
  mkdirSync(dirname(pidFile), { recursive: true });
  writeFileSync(pidFile, `${known.pid} ${known.identity ?? ''}\n`);
}

/**
 * Ends the process that an earlier run noted in `pidFile`, if it still runs: waits while its own
 * guard may be ending it, then kills it. Does nothing where there is no such process.
 */
export async function endLeftover(pidFile: string, waitMs: number = defaultGraceMs): Promise<void> {
  if (!existsSync(pidFile)) return;
  const [, pid, identity] = /^(\d+) (.+)$/m.exec(readFileSync(pidFile, 'utf8')) ?? [];
  await untilGone({ pid: Number(pid), identity }, waitMs);
  rmSync(pidFile, { force: true });
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended just now.
  }
}

/** Resolves when the process is gone; kills it when it hasn't gone by itself after `waitMs`. */
async function untilGone(known: KnownProcess, waitMs: number): Promise<void> {
  const { pid, identity } = known;
  const isAlive = () => identity !== undefined && identityOf(pid) === identity;
  const deadline = Date.now() + waitMs;
  while (isAlive()) {
    if (Date.now() > deadline) kill(pid);
    await setTimeout(20);
  }
}
