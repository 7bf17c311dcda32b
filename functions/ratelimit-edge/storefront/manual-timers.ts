// For tests: time that only moves when told to.

import type { Timers } from './timers.ts';

export interface ManualTimers extends Timers {
  /** Moves time on and runs what falls due, letting promises settle in between. */
  advance(ms: number): Promise<void>;
  /** Nothing that was asked for so far runs any more: the page is gone. */
  dropAll(): void;
  readonly pending: number;
}

export function createManualTimers(random: () => number = () => 0.5): ManualTimers {
  let nowMs = 1_000;
  let timers: { readonly atMs: number; readonly run: () => void }[] = [];
  return {
    nowMs: () => nowMs,
    random,
    after(waitMs, run) {
      const timer = { atMs: nowMs + waitMs, run };
      timers.push(timer);
      return () => {
        timers = timers.filter((other) => other !== timer);
      };
    },
    async advance(ms) {
      const endMs = nowMs + ms;
      await settle();
      for (;;) {
        const next = timers.toSorted((a, b) => a.atMs - b.atMs)[0];
        if (next === undefined || next.atMs > endMs) break;
        timers = timers.filter((other) => other !== next);
        nowMs = Math.max(nowMs, next.atMs);
        next.run();
        await settle();
      }
      nowMs = endMs;
    },
    dropAll() {
      timers = [];
    },
    get pending() {
      return timers.length;
    },
  };
}

/** Until every promise that can go on has gone on. */
export function settle(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, 0);
  });
}
