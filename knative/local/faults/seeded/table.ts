// What a log tells, as a table for people: what was done to whom, what buyers saw of it, for how
// long, and what was lost.

import type { Line } from './log.ts';
import type { PlannedFault } from './plan.ts';

const heading = [
  '| fault | runs | nobody was told for | the worst buyer waited | well again after | answers besides | oversold, lost |',
  '|---|--:|--:|--:|--:|---|--:|',
];

/** A row for what was done to each kind of process; runs with two faults are a row of their own. */
export function tableOf(lines: readonly Line[]): string {
  const groups = Map.groupBy(lines, groupOf);
  const rows = [...groups.entries()].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(rowOf);
  const broken = lines.filter(({ problems }) => problems.length > 0);
  const plans = new Set(lines.map(({ command }) => command)).size;
  const took = lines.reduce((sum, { tookMs }) => sum + tookMs, 0) / 60_000;
  const summary = [
    `${lines.length} runs of ${plans} plans in ${took.toFixed(0)} minutes;`,
    `${broken.length} broke a promise${broken.length === 0 ? '' : ':'}`,
    ...broken.map(({ seed, nodes }) => `${seed} (nodes ${nodes})`),
  ];
  return [...heading, ...rows, '', `${summary.join(' ')}.`].join('\n');
}

/** Of runs in which nothing could be done, nothing is told. */
function groupOf({ plan, faults }: Line): string {
  const done = plan.faults.filter((_, at) => faults[at]?.notDone === undefined);
  const [first, second] = done;
  if (first === undefined) return 'no fault: nobody had the part';
  return second === undefined ? `\`${first.kind}\` ${whoIn(first)}` : 'two of them at a time';
}

/** Which instance it was makes no difference. */
function whoIn({ target }: PlannedFault): string {
  return 'role' in target ? target.role : target.kind;
}

function rowOf([name, lines]: [string, readonly Line[]]): string {
  const worst = (of: (line: Line) => number) => seconds(Math.max(...lines.map(of)));
  const sum = (of: (line: Line) => number | null) =>
    lines.reduce((total, line) => total + (of(line) ?? Number.NaN), 0);
  const cells = [
    name,
    lines.length,
    worst(({ nobodyToldMs }) => nobodyToldMs),
    worst(({ worstMs }) => worstMs),
    worst(({ healthyAfterMs }) => healthyAfterMs),
    answersIn(lines),
    `${sum(({ oversold }) => oversold)}, ${sum(({ lost }) => lost)}`,
  ];
  return `| ${cells.join(' | ')} |`;
}

function answersIn(lines: readonly Line[]): string {
  const counts = new Map<string, number>();
  for (const [answer, count] of lines.flatMap(({ unclean }) => Object.entries(unclean))) {
    counts.set(answer, (counts.get(answer) ?? 0) + count);
  }
  return [...counts].map(([answer, count]) => `${count} × ${answer}`).join(', ') || 'none';
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
