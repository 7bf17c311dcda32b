// Whether what the processes hold stays where it is, by what flat.ts calls flat. Pure: a test shows
// what each kind of growth looks like.

import { type Point, trendOf } from '../bench/flat.ts';
import { totalOf } from './process-figures.ts';
import type { ProcessSample, Sample } from './sample.ts';

/** One figure over one life of one process. */
export interface Held {
  readonly name: string;
  readonly figure: FigureName;
  /** Seconds since the load began: a process that was restarted counts from then. */
  readonly from: number;
  readonly to: number;
  readonly mean: number;
  readonly perMinute: number;
  readonly isFlat: boolean;
}

type FigureName = (typeof figures)[number]['name'];

/** What a process may not gather, in MB or by number. */
const figures = [
  { name: 'memory', of: ({ residentMb }: ProcessSample) => residentMb },
  { name: 'heap', of: ({ node }: ProcessSample) => node?.heapKeptMb ?? undefined },
  { name: 'handles', of: ({ handles }: ProcessSample) => totalOf(handles) },
  { name: 'threads', of: ({ threads }: ProcessSample) => threads },
  { name: 'resources', of: ({ node }: ProcessSample) => sumOf(node?.resources) },
  { name: 'series', of: ({ series }: ProcessSample) => series },
] as const;

/**
 * A life is judged when it was at least so long, or half of the run: what has just been started
 * still fills its caches.
 */
const lifeSecondsMin = 240;
const partOfRunMin = 0.5;
const pointsMin = 5;

/**
 * What stores are configured to keep in memory, MB: they fill it, and what they hold below that is
 * no growth. A JVM of 512 MB of heap and its own needs; InnoDB's default pool and its own. Redis
 * holds whatever was sold for a week: forget.ts judges what is left then.
 */
const fillsUpToMb: Readonly<Record<string, number>> = {
  kafka: 1_000,
  mysql: 500,
  redis: Number.POSITIVE_INFINITY,
};

/** Each figure of each process that was there for long enough; only calm samples count. */
export function heldOf(samples: readonly Sample[]): Held[] {
  const end = samples.at(-1)?.seconds ?? 0;
  const needed = Math.min(lifeSecondsMin, end * partOfRunMin);
  return livesOf(samples).flatMap(({ name, looks }) => {
    const from = looks[0]?.seconds ?? 0;
    const to = looks.at(-1)?.seconds ?? 0;
    if (to - from < needed) return [];
    return figures.flatMap(({ name: figure, of }): Held[] => {
      const points = looks.flatMap(({ seconds, isCalm, one }): Point[] => {
        const value = of(one);
        return isCalm && value !== undefined ? [{ seconds: seconds - from, value }] : [];
      });
      if (points.length < pointsMin) return [];
      const trend = trendOf(points);
      const isFilling = figure === 'memory' && trend.mean < fillsUpTo(name);
      return [{ name, figure, from, to, ...trend, isFlat: trend.isFlat || isFilling }];
    });
  });
}

/** Zero of what is to be flat from the start. */
function fillsUpTo(name: string): number {
  return fillsUpToMb[name.replace(/-\d+$/, '')] ?? 0;
}

/** What is not flat, a line each. */
export function growing(held: readonly Held[]): string[] {
  return held
    .filter(({ isFlat }) => !isFlat)
    .map(({ name, figure, perMinute, mean, from, to }) => {
      const life = `from second ${Math.round(from)} to ${Math.round(to)}`;
      return `${name}: ${figure} grew by ${perMinute.toFixed(2)} a minute (${mean.toFixed(1)}), ${life}`;
    });
}

interface Look {
  readonly seconds: number;
  readonly isCalm: boolean;
  readonly one: ProcessSample;
}

/** The looks at each process, from its start to its end. */
function livesOf(samples: readonly Sample[]): { name: string; looks: Look[] }[] {
  const lives = new Map<number, { name: string; looks: Look[] }>();
  for (const { seconds, isCalm, processes } of samples) {
    for (const one of processes) {
      const life = lives.get(one.pid) ?? { name: one.name, looks: [] };
      life.looks.push({ seconds, isCalm, one });
      lives.set(one.pid, life);
    }
  }
  return [...lives.values()].toSorted((a, b) => a.name.localeCompare(b.name));
}

function sumOf(counts: Readonly<Record<string, number>> | undefined): number | undefined {
  return counts && Object.values(counts).reduce((sum, count) => sum + count, 0);
}
