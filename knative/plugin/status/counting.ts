// Adds up what instances have counted since the watch began, across restarts and scale-downs: what
// an instance has counted stays counted when it goes, and one that starts anew starts from zero.
// What it counted after the last look at it is not known to anybody.

import type { Series } from './exposition.ts';
import type { FunctionName, Instance, Look } from './look.ts';

/** What has been counted between two moments. */
export interface Span {
  readonly seconds: number;
  /** How much a counter rose, of all functions or one, of the series with these labels. */
  increase(name: string, where?: Where): number;
  /** The same by the values of one label. */
  increaseBy(name: string, label: string, where?: Where): ReadonlyMap<string, number>;
}

export interface Where {
  readonly function?: FunctionName | undefined;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface Counting {
  take(look: Pick<Look, 'atMs' | 'instances'>): void;
  /** The last so many milliseconds, or as many as there are, but at least one interval. */
  last(ms: number): Span;
  /** Since the first look. */
  whole(): Span;
  /** One span for each interval of the last so many, the newest last. */
  intervals(count: number): readonly Span[];
}

interface Total extends Series {
  readonly function: FunctionName;
}

interface Moment {
  readonly atMs: number;
  readonly totals: ReadonlyMap<string, Total>;
}

interface Seen {
  readonly startedAt: number | undefined;
  readonly values: ReadonlyMap<string, number>;
}

/** More are of no use: the longest span but the whole is a minute. */
const momentsMax = 64;
const startMetric = 'process_start_time_seconds';

export function createCounting(): Counting {
  let first: Moment | undefined;
  let moments: Moment[] = [];
  let seen = new Map<string, Seen>();
  /** Those of the first look that have not answered yet: what they counted before is not ours. */
  const unread = new Set<string>();

  function take({ atMs, instances }: Pick<Look, 'atMs' | 'instances'>): void {
    const totals = new Map(moments.at(-1)?.totals);
    const now = new Map<string, Seen>();
    for (const instance of instances) {
      const { id, series } = instance;
      const before = seen.get(id);
      if (series === undefined) {
        if (before) now.set(id, before);
        else if (first === undefined) unread.add(id);
        continue;
      }
      const isOld = first === undefined || unread.delete(id);
      const counted = countersIn(series);
      const startedAt = series.find(({ name }) => name === startMetric)?.value;
      const isAgain = before !== undefined && before.startedAt !== startedAt;
      for (const one of counted) {
        const key = keyOf(instance, one);
        const base =
          isOld && before === undefined ? one.value : isAgain ? 0 : before?.values.get(key);
        const rise = one.value >= (base ?? 0) ? one.value - (base ?? 0) : one.value;
        const value = (totals.get(key)?.value ?? 0) + rise;
        totals.set(key, { ...one, function: instance.function, value });
      }
      const values = new Map(counted.map((one) => [keyOf(instance, one), one.value]));
      now.set(id, { startedAt, values });
    }
    seen = now;
    const moment = { atMs, totals };
    first ??= moment;
    moments = [...moments, moment].slice(-momentsMax);
  }

  const newest = () => moments.at(-1) ?? nothing;
  return {
    take,
    whole: () => spanOf(first ?? nothing, newest()),
    last(ms) {
      const end = newest();
      const earlier = moments.slice(0, -1);
      const start = earlier.find(({ atMs }) => atMs >= end.atMs - ms) ?? earlier.at(-1);
      return spanOf(start ?? end, end);
    },
    intervals(count) {
      const some = moments.slice(-count - 1);
      return some.slice(1).map((end, at) => spanOf(some[at] ?? end, end));
    },
  };
}

const nothing: Moment = { atMs: 0, totals: new Map() };

function spanOf(start: Moment, end: Moment): Span {
  const rises = (name: string, { function: of, labels = {} }: Where) =>
    [...end.totals].flatMap(([key, total]) => {
      if (total.name !== name || (of !== undefined && total.function !== of)) return [];
      const isMeant = Object.entries(labels).every(([label, is]) => total.labels[label] === is);
      return isMeant ? [{ total, rise: total.value - (start.totals.get(key)?.value ?? 0) }] : [];
    });
  return {
    seconds: (end.atMs - start.atMs) / 1_000,
    increase: (name, where = {}) => rises(name, where).reduce((sum, { rise }) => sum + rise, 0),
    increaseBy(name, label, where = {}) {
      const sums = new Map<string, number>();
      for (const { total, rise } of rises(name, where)) {
        const value = total.labels[label] ?? '';
        sums.set(value, (sums.get(value) ?? 0) + rise);
      }
      return sums;
    },
  };
}

/** Counters and the parts of histograms, which are counters, too. */
function countersIn(series: readonly Series[]): readonly Series[] {
  return series.filter(({ name, value }) => counterPattern.test(name) && Number.isFinite(value));
}
const counterPattern = /^(seckill_.*_(total|bucket|sum|count)|process_cpu_seconds_total)$/;

function keyOf({ function: of }: Instance, { name, labels }: Series): string {
  const sorted = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([of, name, sorted]);
}
