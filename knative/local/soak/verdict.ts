// Whether what the processes hold stays where it is, by what flat.ts calls flat. Pure: a test shows
// what each kind of growth looks like.

import { type Point, trendOf } from '../bench/flat.ts';
import { sinkConnectionsMax } from '../source-runner/constants.ts';
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
  /** `too short`: a life that tells nothing yet. */
  readonly verdict: 'flat' | 'grows' | 'too short';
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

/** What has just been started still fills its caches, and says nothing yet. */
const lifeSecondsMin = 240;
const pointsMin = 5;

/** Of a process that nobody is connected to. */
const idleHandles = 60;

/**
 * What may be filled, and is no growth below that. Memory, MB: a JVM of 512 MB of heap and its own
 * needs; InnoDB's default pool and its own; Redis holds whatever was sold for a week, and forget.ts
 * judges what is left then. Handles and resources: the source runner keeps as many connections to
 * each sink as it once needed, so each new peak of a backlog is a step, up to their limit.
 */
const fillsUpTo: Readonly<Record<string, Partial<Record<FigureName, number>>>> = {
  kafka: { memory: 1_000 },
  mysql: { memory: 500 },
  redis: { memory: Number.POSITIVE_INFINITY },
  'source-runner': connections(2 * sinkConnectionsMax),
  'persist-order': connections(2 * sinkConnectionsMax),
  'update-rank': connections(2 * sinkConnectionsMax),
};
function connections(count: number): Partial<Record<FigureName, number>> {
  return { handles: count + idleHandles, resources: count + idleHandles };
}

/** Each figure of each life of each process; only calm samples count. */
export function heldOf(samples: readonly Sample[]): Held[] {
  return livesOf(samples).flatMap(({ name, looks }) => {
    const from = looks[0]?.seconds ?? 0;
    const to = looks.at(-1)?.seconds ?? 0;
    return figures.flatMap(({ name: figure, of }): Held[] => {
      const points = looks.flatMap(({ seconds, isCalm, one }): Point[] => {
        const value = of(one);
        return isCalm && value !== undefined ? [{ seconds: seconds - from, value }] : [];
      });
      if (points.length < pointsMin) return [];
      const { mean, perMinute, isFlat } = trendOf(isCounted.has(figure) ? lowsOf(points) : points);
      const isFilling = mean < (fillsUpTo[name.replace(/-\d+$/, '')]?.[figure] ?? 0);
      const isLong = to - from >= lifeSecondsMin;
      const verdict = !isLong ? 'too short' : isFlat || isFilling ? 'flat' : 'grows';
      return [{ name, figure, from, to, mean, perMinute, verdict }];
    });
  });
}

/** Connections come and go with the clients: what is held is what is there when fewest are. */
const isCounted: ReadonlySet<FigureName> = new Set(['handles', 'resources']);
const lowsOfSeconds = 30;

function lowsOf(points: readonly Point[]): Point[] {
  const parts = Map.groupBy(points, ({ seconds }) => Math.floor(seconds / lowsOfSeconds));
  return [...parts.values()].map((part) => part.reduce((a, b) => (b.value < a.value ? b : a)));
}

/** What is not flat, a line each. */
export function growing(held: readonly Held[]): string[] {
  return held
    .filter(({ verdict }) => verdict === 'grows')
    .map(({ name, figure, perMinute, mean, from, to }) => {
      const life = `from second ${Math.round(from)} to ${Math.round(to)}`;
      const rise = `${perMinute.toFixed(2)} a minute (${mean.toFixed(1)})`;
      return `${name}: ${figure} grew by ${rise}, ${life}`;
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
