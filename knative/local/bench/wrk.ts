// The load generator: Debian's wrk, one thread, a closed loop of connections. It costs least of
// the cores that it shares with what it measures.

import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { startProcess } from '../process.ts';
import { messageOf } from '../stores/healthy.ts';
import { ensurePrograms } from '../stores/programs.ts';

export interface Load {
  /** Without a path. */
  readonly url: string;
  /** A file of this folder, with its arguments. */
  readonly script: string;
  readonly args: readonly string[];
  readonly connections: number;
  readonly seconds: number;
}

/** What wrk has seen. */
export interface LoadResult {
  /** Requests answered, whatever the answer. */
  readonly requests: number;
  /** How long that took. */
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Answers other than 2xx and 3xx. */
  readonly refused: number;
  /** Connections that failed, and requests without an answer in time. */
  readonly socketErrors: number;
}

/** Longer than the edge takes to give up: a slow answer is an answer. */
const answerTimeoutSeconds = 12;

/** Installs wrk where it is missing and we may; rejects with what to install by hand. */
export async function ensureWrk(folder: string, say: (text: string) => void): Promise<void> {
  const programs = [{ program: 'wrk', debianPackage: 'wrk' }];
  await ensurePrograms(programs, join(folder, 'install.log'), say).catch((error: unknown) => {
    throw new Error(
      'The benchmark needs the load generator wrk, which is not installed and could not be:\n' +
        `${messageOf(error)}\nWhat to do: sudo apt-get install wrk (or your system's package).`,
      { cause: error },
    );
  });
}

let runs = 0;

/** Puts load on `url` and resolves with what came of it; rejects where wrk fails. */
export async function runWrk(folder: string, load: Load): Promise<LoadResult> {
  runs += 1;
  const logFile = join(folder, 'wrk', `${runs}.log`);
  const running = await startProcess({
    name: 'wrk',
    command: 'wrk',
    args: [
      ...['--threads', '1', '--connections', String(load.connections)],
      ...['--duration', `${load.seconds}s`, '--timeout', `${answerTimeoutSeconds}s`, '--latency'],
      ...['--script', resolve(import.meta.dirname, load.script), load.url, '--', ...load.args],
    ],
    logFile,
    graceMs: 0,
  });
  const status = await running.exited;
  const text = readFileSync(logFile, 'utf8');
  if (status !== 0) throw new Error(`wrk failed (status ${status}):\n${text}`);
  return parseWrk(text);
}

const unitMs: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1_000, m: 60_000 };

/** Reads what `wrk --latency` prints; throws where it is something else. */
export function parseWrk(text: string): LoadResult {
  const requests = /^\s*(\d+) requests in ([\d.]+)(us|ms|s|m),/m.exec(text);
  const percentile = (percent: number) => {
    const found = new RegExp(`^\\s+${percent}%\\s+([\\d.]+)(us|ms|s|m)\\s*$`, 'm').exec(text);
    return inMs(found?.[1], found?.[2]);
  };
  const socket = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(text);
  const result = {
    requests: Number(requests?.[1]),
    seconds: inMs(requests?.[2], requests?.[3]) / 1_000,
    p50Ms: percentile(50),
    p99Ms: percentile(99),
    refused: Number(/Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? 0),
    socketErrors: (socket?.slice(1) ?? []).reduce((sum, errors) => sum + Number(errors), 0),
  };
  if (Object.values(result).some(Number.isNaN)) {
    throw new Error(`wrk has printed something unexpected:\n${text}`);
  }
  return result;
}

function inMs(figure: string | undefined, unit: string | undefined): number {
  return Number(figure) * (unitMs[unit ?? ''] ?? Number.NaN);
}
