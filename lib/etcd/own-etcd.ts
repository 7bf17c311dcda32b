// An etcd of a test's own, that may be killed, frozen and replaced without disturbing others.

import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { choosePort } from '#knative/local/ports.ts';
import { type RunningProcess, startProcess } from '#knative/local/process.ts';
import { etcd } from '#knative/local/stores/etcd.ts';
import { soleSite } from '#knative/local/stores/store.ts';

export interface OwnEtcd {
  readonly endpoint: string;
  /** A folder that is removed at the end. */
  readonly folder: string;
  pid(): number;
  /** SIGKILL. */
  kill(): Promise<void>;
  /**
   * On the same port; with what it stored, or with nothing. Resolves when it is healthy; does
   * nothing where it runs.
   */
  start(data: 'kept' | 'empty'): Promise<void>;
  remove(): Promise<void>;
}

const startTimeoutMs = 15_000;

/** Starts an etcd on a free port. */
export async function startOwnEtcd(): Promise<OwnEtcd> {
  const folder = await mkdtemp(join(tmpdir(), 'seckill-etcd-'));
  const port = await choosePort();
  const place = { folder: join(folder, 'etcd'), port, password: '', syncs: false };
  const site = await soleSite('etcd', place);
  const endpoint = etcd.address(site);
  let running: RunningProcess | undefined;

  const own: OwnEtcd = {
    endpoint,
    folder,
    pid: () => running?.pid ?? 0,
    async kill() {
      if (running === undefined) return;
      process.kill(running.pid, 'SIGKILL');
      await running.exited;
      running = undefined;
    },
    async start(kept) {
      if (running !== undefined) return;
      if (kept === 'empty') await rm(site.folder, { recursive: true, force: true });
      await mkdir(site.folder, { recursive: true });
      running = await startProcess({
        name: 'etcd',
        ...etcd.command(site),
        logFile: join(folder, 'etcd.log'),
        graceMs: 0,
      });
      await untilHealthy(endpoint);
    },
    async remove() {
      await own.kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
  await own.start('empty');
  return own;
}

async function untilHealthy(endpoint: string): Promise<void> {
  const deadline = Date.now() + startTimeoutMs;
  for (;;) {
    try {
      await etcd.check(endpoint);
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await pause(20);
    }
  }
}
