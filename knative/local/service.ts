// A program of ours that answers HTTP: a function or the source runner. Run by this Node, it is
// waited for until it is ready, and kept running from then on.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { nodeOptions } from './node-options.ts';
import { endLeftover, type RunningProcess, startProcess } from './process.ts';
import { untilReady } from './ready.ts';
import { type Say, secondsSince } from './say.ts';
import { type Supervised, supervise } from './supervise.ts';

export interface Service {
  readonly name: string;
  /** Its own, for its log, its pid and what it writes. */
  readonly folder: string;
  /** What Node runs, with its arguments. */
  readonly args: readonly string[];
  /** Its whole environment, but for `PORT` and the host. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** On 127.0.0.1. */
  readonly port: number;
}

const readyDeadlineMs = 30_000;
/** Longer than a function takes to drain. */
const graceMs = 20_000;

/** Starts it and resolves when it is ready; rejects with the end of its log when it doesn't get so. */
export async function startService(service: Service, say: Say): Promise<Supervised> {
  const startedAtMs = performance.now();
  const running = await run(service);
  await untilReady(running, `http://127.0.0.1:${service.port}/readyz`, readyDeadlineMs);
  say(service.name, `ready on 127.0.0.1:${service.port} in ${secondsSince(startedAtMs)}`);
  return supervise(running, () => run(service), say);
}

async function run({ name, folder, args, env, port }: Service): Promise<RunningProcess> {
  mkdirSync(folder, { recursive: true });
  const pidFile = join(folder, 'pid');
  await endLeftover(pidFile, graceMs);
  return startProcess({
    name,
    command: process.execPath,
    args: [...nodeOptions, ...args],
    env: { ...env, PORT: String(port), SECKILL_HOST: '127.0.0.1' },
    logFile: join(folder, 'log'),
    pidFile,
    graceMs,
  });
}
