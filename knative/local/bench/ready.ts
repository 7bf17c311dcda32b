// Cold starts: from the start of the process until it says that it is ready, the stores being up.
// Compared with Hono alone, bundled the same way.

import { get } from 'node:http';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { FunctionName } from '../build.ts';
import { lastLines } from '../last-lines.ts';
import { startProcess } from '../process.ts';
import type { Service } from '../service.ts';
import type { Measure } from './bench.ts';
import { timesRow } from './row.ts';

const starts = 7;
const pollMs = 3;
const deadlineMs = 30_000;

/** Measures the function's cold start, in turn with the bare one's. */
export function ready(name: FunctionName): Measure {
  return async ({ system }) => {
    const timesMs: number[] = [];
    const referencesMs: number[] = [];
    for (let start = 0; start < starts; start += 1) {
      referencesMs.push(await readyMs(await system.oneMore('bare')));
      timesMs.push(await readyMs(await system.oneMore(name)));
    }
    return timesRow(`ready-${name}`, timesMs, { referencesMs });
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
