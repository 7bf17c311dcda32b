// Whether a figure stays where it is: the line that fits its last part best, by least squares.

export interface Point {
  readonly seconds: number;
  /** In MB. */
  readonly value: number;
}

/** What comes before is how it fills up: caches, the heap, the compiler's work. */
const lastPart = 0.6;
/**
 * So much may the line rise from one end to the other, of its mean and at least. A hundred bytes
 * kept for each of a million users would be 100 MB.
 */
const riseMax = { ofMean: 0.05, atLeast: 5 };

export interface Trend {
  readonly mean: number;
  readonly perMinute: number;
  readonly isFlat: boolean;
}

/** The trend of the last 60 % of the time. NaN of less than two points. */
export function trendOf(points: readonly Point[]): Trend {
  const end = points.at(-1)?.seconds ?? 0;
  const last = points.filter(({ seconds }) => seconds >= end * (1 - lastPart));
  const mean = meanOf(last.map(({ value }) => value));
  const middle = meanOf(last.map(({ seconds }) => seconds));
  const sum = (of: (point: Point) => number) => last.reduce((total, one) => total + of(one), 0);
  const perSecond =
    sum(({ seconds, value }) => (seconds - middle) * (value - mean)) /
    sum(({ seconds }) => (seconds - middle) ** 2);
  const isFlat = perSecond * end * lastPart <= Math.max(riseMax.atLeast, riseMax.ofMean * mean);
  return { mean, perMinute: perSecond * 60, isFlat };
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
