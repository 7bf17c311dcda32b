// What the buyers were told, minute by minute, and while something was broken. Only the figures are
// kept: a soak sells more than memory should hold.

import type { Purchase, Unclean } from '#knative/e2e/buyers.ts';
import { countsOf, quantile } from '#knative/e2e/judge.ts';
import { longestGap } from '../nodes/lose.ts';

export interface Minute {
  readonly accepted: number;
  readonly refused: number;
  /** Buyers whose patience ended before anybody told them. */
  readonly unserved: number;
  /** From a buyer's first sending until they were told. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly worstMs: number;
}

/** What buyers saw in some time. */
export interface Seen {
  /** The longest in which nobody at all was sold anything. */
  readonly interruptedMs: number;
  /** The longest that one buyer asked until it was known. */
  readonly worstMs: number;
  /** Answers that no buyer should get, by what they were. */
  readonly unclean: Readonly<Record<string, number>>;
}

export interface Accounts {
  told(purchase: Purchase): void;
  /** What comes from now on, until the returned function is called. */
  watch(): () => Seen;
  /** Acceptances told in the last so many ms; not more than ten seconds. */
  acceptedWithin(lastMs: number): number;
  /** All so far. */
  accepted(): number;
  /** Those that are over, and the one under way. */
  minutes(): Minute[];
}

const keptMs = 10_000;
const minuteMs = 60_000;

interface Deps {
  readonly nowMs: () => number;
  /** Of every sale that is being sold. */
  readonly unclean: () => readonly Unclean[];
}

/** The first minute begins with the first that is told. */
export function createAccounts({ nowMs, unclean }: Deps): Accounts {
  const over: Minute[] = [];
  let startedAtMs: number | undefined;
  let minute = emptyMinute();
  let recent: number[] = [];
  let accepted = 0;
  const watching = new Set<Purchase[]>();

  function endMinutesBefore(atMs: number): void {
    startedAtMs ??= atMs;
    while (atMs >= startedAtMs + (over.length + 1) * minuteMs) {
      over.push(figuresOf(minute));
      minute = emptyMinute();
    }
  }

  return {
    told(purchase) {
      const { told, tookMs, toldAtMs } = purchase;
      endMinutesBefore(toldAtMs);
      minute[told.kind] += 1;
      minute.timesMs.push(tookMs);
      for (const seen of watching) seen.push(purchase);
      if (told.kind === 'accepted') {
        recent.push(toldAtMs);
        accepted += 1;
      }
      if ((recent[0] ?? toldAtMs) < toldAtMs - 2 * keptMs) {
        recent = recent.filter((at) => at >= toldAtMs - keptMs);
      }
    },
    watch() {
      const sinceMs = nowMs();
      const seen: Purchase[] = [];
      watching.add(seen);
      return () => {
        watching.delete(seen);
        const accepted = seen.filter(({ told }) => told.kind === 'accepted');
        const end = { toldAtMs: nowMs() };
        return {
          interruptedMs: longestGap([...accepted, end], sinceMs),
          worstMs: seen.reduce((worst, { tookMs }) => Math.max(worst, tookMs), 0),
          unclean: countsOf(unclean().filter(({ atMs }) => atMs >= sinceMs)),
        };
      };
    },
    acceptedWithin(lastMs) {
      const sinceMs = nowMs() - lastMs;
      return recent.filter((at) => at >= sinceMs).length;
    },
    accepted: () => accepted,
    minutes: () => [...over, figuresOf(minute)],
  };
}

function emptyMinute() {
  return { accepted: 0, refused: 0, unserved: 0, timesMs: [] as number[] };
}

function figuresOf({ timesMs, ...counts }: ReturnType<typeof emptyMinute>): Minute {
  return {
    ...counts,
    p50Ms: quantile(timesMs, 0.5),
    p99Ms: quantile(timesMs, 0.99),
    worstMs: quantile(timesMs, 1),
  };
}
