// A store of one test's own, which it may stop, freeze and start again while others use theirs.

import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { choosePort } from '#knative/local/ports.ts';
import type { RunningProcess } from '#knative/local/process.ts';
import { startStore } from '#knative/local/stores/native.ts';
import { type OwnStores, type Store, soleSite } from '#knative/local/stores/store.ts';

export interface OwnStore {
  readonly address: string;
  /** Kills it; what it has made durable stays. */
  stop(): Promise<void>;
  /** Starts it again where it was. */
  start(): Promise<void>;
  /** It keeps its connections and answers nothing, until thawed. */
  freeze(): void;
  thaw(): void;
  /** Stops it for good and removes what it stored. */
  remove(): Promise<void>;
}

/** Starts a store on a port of its own; resolves when it answers. */
export async function startOwnStore(store: Store): Promise<OwnStore> {
  const folder = mkdtempSync(join(tmpdir(), 'seckill-own-store-'));
  const port = await choosePort();
  const place = { folder: join(folder, store.name), port, password: 'of-a-test', syncs: false };
  const sites = [await soleSite(store.name, place)];
  let running: RunningProcess | undefined;
  const own: OwnStores = {
    folder,
    say: () => undefined,
    throwaway: true,
    sitesOf: () => Promise.resolve(sites),
    keep: (_name, started) => {
      running = started;
      return Promise.resolve();
    },
  };
  const address = await startStore(store, own);
  const signal = (name: NodeJS.Signals) => {
    if (running !== undefined) process.kill(running.pid, name);
  };
  const stop = async () => {
    await running?.stop();
    running = undefined;
  };
  return {
    address,
    stop,
    start: async () => {
      await startStore(store, own);
    },
    freeze: () => {
      signal('SIGSTOP');
      // Each of its threads stops by itself, a moment later.
      while (running !== undefined && !isStopped(running.pid)) continue;
    },
    thaw: () => {
      signal('SIGCONT');
    },
    remove: async () => {
      signal('SIGCONT');
      await stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Whether all threads of a process are stopped, or it is no more. */
function isStopped(pid: number): boolean {
  const tasks = `/proc/${pid}/task`;
  try {
    return readdirSync(tasks).every((task) =>
      / [TtZX] \d/.test(readFileSync(join(tasks, task, 'stat'), 'utf8')),
    );
  } catch {
    return true;
  }
}
