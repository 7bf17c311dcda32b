// Watches of the simulated etcd: each gets its events in order, somewhat later, from the revision on
// that it asked for; one that breaks says so once.

import type { WatchListener, WatchRequest } from '#lib/etcd/etcd.ts';
import type { Network } from './network.ts';
import type { Random } from './random.ts';
import type { Process, VirtualTime } from './virtual-time.ts';

interface Happened {
  readonly key: string;
  readonly createRevision: number;
  readonly revision: number;
  readonly kind: 'put' | 'delete';
}

export interface Watchers {
  readonly happened: (event: Happened) => void;
  readonly watch: (process: Process, request: WatchRequest, listener: WatchListener) => () => void;
  readonly breakAll: () => void;
}

interface Watcher {
  readonly process: Process;
  readonly request: WatchRequest;
  readonly listener: WatchListener;
  lastAtMs: number;
  isOver: boolean;
}

const latencyMaxMs = 20;

export function createWatchers(time: VirtualTime, network: Network, random: Random): Watchers {
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

  /** A stream that the network has lost brings nothing more, and is found broken at some time. */
  function deliver(watcher: Watcher, run: () => void): void {
    const { process } = watcher;
    const fate = network.fortune.fateOf({ process, store: 'etcd', step: 'watch' });
    if (fate.requestMs === undefined || fate.answerMs === undefined) {
      breakAfter(watcher, fate.breaksAfterMs);
      return;
    }
    const atMs = Math.max(watcher.lastAtMs, time.nowMs + random.between(0, latencyMaxMs));
    watcher.lastAtMs = atMs;
    const runUnlessOver = () => {
      if (!watcher.isOver) run();
    };
    time.after(atMs - time.nowMs, runUnlessOver, watcher.process, 'answer');
  }

  function breakAfter(watcher: Watcher, delayMs: number | undefined): void {
    watchers.delete(watcher);
    if (delayMs === undefined) return;
    const tell = () => {
      if (watcher.isOver) return;
      watcher.isOver = true;
      watcher.listener.onBroken();
    };
    time.after(delayMs, tell, watcher.process, 'answer');
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
        const fate = network.fortune.fateOf({
          ...{ process: watcher.process, store: 'etcd', step: 'watch' },
        });
        const isSilent = fate.requestMs === undefined && fate.breaksAfterMs === undefined;
        breakAfter(watcher, isSilent ? undefined : random.between(0, latencyMaxMs));
      }
    },
  };
}
