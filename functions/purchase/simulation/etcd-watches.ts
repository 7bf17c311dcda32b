// Watches of the simulated etcd: each gets its events in order, somewhat later, from the revision on
// that it asked for; one that breaks says so once.

import type { WatchListener, WatchRequest } from '#lib/etcd/etcd.ts';
import type { Random } from './random.ts';
import type { Process, VirtualTime } from './virtual-time.ts';

interface Happened {
  readonly key: string;
  readonly createRevision: number;
  readonly revision: number;
  readonly kind: 'put' | 'delete';
}

export interface Watchers {
  happened(event: Happened): void;
  watch(process: Process, request: WatchRequest, listener: WatchListener): () => void;
  breakAll(): void;
}

interface Watcher {
  readonly process: Process;
  readonly request: WatchRequest;
  readonly listener: WatchListener;
  lastAtMs: number;
  isOver: boolean;
}

const latencyMaxMs = 20;

export function createWatchers(time: VirtualTime, random: Random): Watchers {
  const history: Happened[] = [];
  const watchers = new Set<Watcher>();

  function tell(watcher: Watcher, event: Happened): void {
    const { key, prefix = false, fromRevision, only = event.kind } = watcher.request;
    const concerns = prefix ? event.key.startsWith(key) : event.key === key;
    if (!concerns || event.revision < fromRevision || only !== event.kind) return;
    deliver(watcher, () => {
      watcher.listener.onEvent(event);
    });
  }

  function deliver(watcher: Watcher, run: () => void): void {
    const atMs = Math.max(watcher.lastAtMs, time.nowMs + random.between(0, latencyMaxMs));
    watcher.lastAtMs = atMs;
    const runUnlessOver = () => {
      if (!watcher.isOver) run();
    };
    time.after(atMs - time.nowMs, runUnlessOver, watcher.process, 'answer');
  }

  return {
    happened(event) {
      history.push(event);
      for (const watcher of watchers) tell(watcher, event);
    },
    watch(process, request, listener) {
      const watcher = { process, request, listener, lastAtMs: 0, isOver: false };
      const begin = () => {
        if (watcher.isOver) return;
        watchers.add(watcher);
        for (const event of history) tell(watcher, event);
      };
      time.after(random.between(0, latencyMaxMs), begin);
      return () => {
        watcher.isOver = true;
        watchers.delete(watcher);
      };
    },
    breakAll() {
      for (const watcher of watchers) {
        deliver(watcher, () => {
          watcher.isOver = true;
          watcher.listener.onBroken();
        });
      }
      watchers.clear();
    },
  };
}
