// Cold starts: from the start of the process until it says that it is ready, the stores being up.
// Compared with Hono alone, bundled the same way. Wanted: no more than twice as long, besides what
// the stores take to answer once the program listens.

import { readFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { FunctionName } from '../build.ts';
import { lastLines } from '../last-lines.ts';
import { startProcess } from '../process.ts';
import type { Service } from '../service.ts';
import type { Measure } from './bench.ts';
import { median, round, timesRow } from './row.ts';

const starts = 7;
const pollMs = 3;
const deadlineMs = 30_000;

/** Measures the function's cold start, in turn with the bare one's. */
export function ready(name: FunctionName): Measure {
  return async ({ system }) => {
    const timesMs: number[] = [];
    const referencesMs: number[] = [];
    const connectsMs: number[] = [];
    for (let start = 0; start < starts; start += 1) {
      referencesMs.push(await readyMs(await system.oneMore('bare')));
      const service = await system.oneMore(name);
      timesMs.push(await readyMs(service));
      connectsMs.push(connectMs(join(service.folder, 'log')));
    }
    const connect = median(connectsMs);
    return {
      ...timesRow(`ready-${name}`, timesMs, { referencesMs }),
      connectMs: round(connect, 2),
      wantedMs: round(2 * median(referencesMs) + connect, 2),
    };
  };
}

async function readyMs({ name, folder, args, env, port }: Service): Promise<number> {
  const logFile = join(folder, 'log');
  const startedAtMs = performance.now();
  const running = await startProcess({
    ...{ name, logFile, args, command: process.execPath },
    env: { ...env, PORT: String(port), SECKILL_HOST: '127.0.0.1' },
  });
  while (!(await isReady(port))) {
    if (performance.now() - startedAtMs > deadlineMs) {
      throw new Error(`${name} does not get ready. The end of its log:\n${lastLines(logFile)}`);
    }
    await setTimeout(pollMs);
  }
  const tookMs = performance.now() - startedAtMs;
  await running.stop();
  return tookMs;
}

/** By its own log: from when it listened, its code being loaded, until its stores had answered. */
function connectMs(logFile: string): number {
  const lines = readFileSync(logFile, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('{'));
  const records = lines.map((line) => JSON.parse(line) as { msg: string; time: string });
  const [listening, ready] = ['listening', 'ready'].map((said) =>
    Date.parse(records.find(({ msg }) => msg === said)?.time ?? ''),
  );
  return (ready ?? Number.NaN) - (listening ?? Number.NaN);
}

function isReady(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    get({ host: '127.0.0.1', port, path: '/readyz', agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    }).once('error', () => {
      resolve(false);
    });
  });
}
