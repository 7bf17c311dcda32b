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
  readonly groupId?: number | undefined;
}

const readyDeadlineMs = 60_000;
/** Longer than a function takes to drain. */
const graceMs = 20_000;

/** Starts it and resolves when it is ready; rejects with the end of its log when it doesn't get so. */
export async function startService(service: Service, say: Say): Promise<Supervised> {
  return startServices(service.name, [service], say);
}

/** The same with several side by side, which are one thing to who watches: what they are called. */
export async function startServices(
  name: string,
  services: readonly Service[],
  say: Say,
): Promise<Supervised> {
  const startedAtMs = performance.now();
  const starts = services.map(async (service) => {
    const running = await run(service);
    await untilReady(running, `http://127.0.0.1:${service.port}/readyz`, readyDeadlineMs);
    return supervise(running, () => run(service), say);
  });
  const stop = async () => {
    const settled = await Promise.allSettled(starts);
    const started = settled.filter((one) => one.status === 'fulfilled').map(({ value }) => value);
    await Promise.all(started.map((one) => one.stop()));
  };
  await Promise.all(starts).catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  const ports = services.map(({ port }) => port).join(', ');
  say(name, `ready on 127.0.0.1:${ports} in ${secondsSince(startedAtMs)}`);
  return { stop };
}

async function run({ name, folder, args, env, port, groupId }: Service): Promise<RunningProcess> {
  mkdirSync(folder, { recursive: true });
  const pidFile = join(folder, 'pid');
  await endLeftover(pidFile, graceMs);
  return startProcess({
    name,
    command: process.execPath,
    args: [...nodeOptions, ...args],
    env: { ...env, PORT: String(port), SECKILL_HOST: '127.0.0.1' },
    logFile: join(folder, 'log'),
    ...{ pidFile, graceMs, groupId },
  });
}
