// The figures, and how they are made of several measurements.

/** One line of the result; null where a figure makes no sense. Only `name` says what it is. */
export interface Row {
  readonly name: string;
  readonly perSecond: number | null;
  /** The same figure of what this is compared with, in the same minute. */
  readonly reference: number | null;
  readonly ratio: number | null;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  /** CPU milliseconds for a thousand of what is counted, of all processes and of each kind. */
  readonly cpuMsPerThousand?: Readonly<Record<string, number>>;
  /** Of instances that share the work: the least one's part of an even share; 1 = even. */
  readonly leastShare?: number;
  /** Of a cold start: what the stores took to answer, and what the whole should take at most. */
  readonly connectMs?: number;
  readonly wantedMs?: number;
  /** Of each function after a sale, in MB of 10^6 bytes. */
  readonly residentMb?: Readonly<Record<string, number>>;
  /** Of the edge, in MB of 10^6 bytes. */
  readonly memory?: MemoryFigures;
}

export interface MemoryFigures {
  /** Resident, at first, at most and at last. */
  readonly residentBefore: number;
  readonly residentMax: number;
  readonly residentAfter: number;
  /** By the line that fits the last part best, of the edge and of Redis. */
  readonly residentPerMinute?: number;
  readonly heapUsedPerMinute?: number;
  readonly redisPerMinute?: number;
  readonly redisKeysMax?: number;
}

/** One measurement of a rate. */
export interface Rate {
  readonly perSecond: number;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  readonly cpuMsPerThousand?: Readonly<Record<string, number>>;
}

/** The middle one; between the two middle ones where their number is even. NaN of nothing. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** Linear between the two nearest values; `q` from 0 to 1. NaN of nothing. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * q;
  const below = sorted[Math.floor(at)] ?? Number.NaN;
  const above = sorted[Math.ceil(at)] ?? Number.NaN;
  return below + (above - below) * (at - Math.floor(at));
}

/** A rate against its reference, each the median of its measurements. */
export function rateRow(name: string, rates: readonly Rate[], references: readonly number[]): Row {
  const perSecond = median(rates.map((rate) => rate.perSecond));
  const reference = median(references);
  const cpu = medianOfEach(
    rates.map((rate) => rate.cpuMsPerThousand).filter((figures) => figures !== undefined),
  );
  return {
    name,
    perSecond: Math.round(perSecond),
    reference: Math.round(reference),
    ratio: round(perSecond / reference, 3),
    p50Ms: medianOf(rates.map(({ p50Ms }) => p50Ms)),
    p99Ms: medianOf(rates.map(({ p99Ms }) => p99Ms)),
    ...(cpu === undefined ? {} : { cpuMsPerThousand: cpu }),
  };
}

/** Times of something, against those of something else where there is such a thing. */
export function timesRow(
  name: string,
  timesMs: readonly number[],
  { perSecond = null, referencesMs }: { perSecond?: number | null; referencesMs?: number[] } = {},
): Row {
  const p50Ms = quantile(timesMs, 0.5);
  const reference = referencesMs === undefined ? null : median(referencesMs);
  return {
    name,
    perSecond: perSecond === null ? null : Math.round(perSecond),
    reference: reference === null ? null : round(reference, 2),
    ratio: reference === null ? null : round(p50Ms / reference, 3),
    p50Ms: round(p50Ms, 2),
    p99Ms: round(quantile(timesMs, 0.99), 2),
  };
}

/** The least part of what would be even: 1 where all are the same. NaN of nothing. */
export function leastShareOf(parts: readonly number[]): number {
  const even = parts.reduce((sum, part) => sum + part, 0) / parts.length;
  return round(Math.min(...parts) / even, 3);
}

/** For people. */
export function tableOf(rows: readonly Row[]): string {
  const head = ['name', 'per second', 'reference', 'ratio', 'p50 ms', 'p99 ms'];
  const lines = rows.map((row) =>
    [row.name, row.perSecond, row.reference, row.ratio, row.p50Ms, row.p99Ms].map((cell) =>
      typeof cell === 'number' ? cell.toLocaleString('en') : (cell ?? '-'),
    ),
  );
  const widths = head.map((title, column) =>
    Math.max(title.length, ...lines.map((line) => line[column]?.length ?? 0)),
  );
  return [head, ...lines]
    .map((line) =>
      line
        .map((cell, column) =>
          column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
        )
        .join('  '),
    )
    .join('\n');
}

function medianOf(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : round(median(known), 2);
}

/** What one of them lacks was zero there. */
function medianOfEach(
  figures: readonly Readonly<Record<string, number>>[],
): Record<string, number> | undefined {
  const [first] = figures;
  if (first === undefined) return undefined;
  const names = new Set(figures.flatMap(Object.keys));
  return Object.fromEntries(
    [...names].map((name) => [name, round(median(figures.map((one) => one[name] ?? 0)), 1)]),
  );
}

export function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
