// What many schedules had in them, for a person to see that the faults did happen.

import type { ScheduleResult } from './schedule.ts';

export interface Summary {
  schedules: number;
  virtualMs: number;
  readonly counts: Record<string, number>;
  readonly failures: { readonly seed: string; readonly problems: readonly string[] }[];
}

export function emptySummary(): Summary {
  return { schedules: 0, virtualMs: 0, counts: {}, failures: [] };
}

export function addResult(summary: Summary, result: ScheduleResult): void {
  const { seed, problems, virtualMs, counts } = result;
  summary.schedules += 1;
  summary.virtualMs += virtualMs;
  if (problems.length > 0) summary.failures.push({ seed, problems });
  for (const [name, count] of counts) summary.counts[name] = (summary.counts[name] ?? 0) + count;
}

export function addSummary(summary: Summary, other: Summary): void {
  summary.schedules += other.schedules;
  summary.virtualMs += other.virtualMs;
  summary.failures.push(...other.failures);
  for (const [name, count] of Object.entries(other.counts)) {
    summary.counts[name] = (summary.counts[name] ?? 0) + count;
  }
}

/** `names` that begin so, as `name count`, the most frequent first. */
export function tellCounts({ counts }: Summary, names: RegExp): string {
  return Object.entries(counts)
    .filter(([name]) => names.test(name))
    .sort(([, one], [, other]) => other - one)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');
}
