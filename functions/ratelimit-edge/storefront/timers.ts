// Time and chance as arguments, and how long to wait before asking again.

export interface Timers {
  /** Monotonic milliseconds. */
  nowMs(): number;
  /** Runs once after `waitMs`; the result cancels it. */
  after(waitMs: number, run: () => void): () => void;
  /** From 0 up to, not including, 1. */
  random(): number;
}

export const browserTimers: Timers = {
  nowMs: () => performance.now(),
  after(waitMs, run) {
    const timer = setTimeout(run, waitMs);
    return () => {
      clearTimeout(timer);
    };
  },
  random: () => Math.random(),
};

const backOffFirstMs = 500;
const backOffMaxMs = 15_000;

/** Doubles with each attempt from half a second to 15 s; the lower half of it is chance. */
export function backOffMs(attempt: number, chance: Pick<Timers, 'random'>): number {
  const fullMs = Math.min(backOffMaxMs, backOffFirstMs * 2 ** Math.max(0, attempt - 1));
  return fullMs / 2 + (chance.random() * fullMs) / 2;
}
