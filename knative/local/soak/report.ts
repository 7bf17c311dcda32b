// A soak as people read it: Markdown, and a line for each minute while it goes on.

import { round } from '../bench/row.ts';
import type { Minute } from './accounts.ts';
import type { Cost } from './faults.ts';
import type { Soaked } from './perform.ts';
import { totalOf } from './process-figures.ts';
import type { Sample } from './sample.ts';
import type { Held } from './verdict.ts';

export function minuteLine({ accepted, refused, unserved, p50Ms, p99Ms, worstMs }: Minute): string {
  const others = `${refused} refused, ${unserved} unserved`;
  return `${accepted} accepted, ${others}; p50 ${p50Ms} ms, p99 ${p99Ms} ms, worst ${worstMs} ms`;
}

export function reportOf(soaked: Soaked): string {
  const { options, machine, ok, problems, forgotten } = soaked;
  const { minutes, rate, nodes, faultEverySeconds, seed } = options;
  const command =
    `npm run soak -- --minutes ${minutes} --rate ${rate} --nodes ${nodes} ` +
    `--fault-every ${faultEverySeconds} --seed ${seed}`;
  const redis = (look: Soaked['forgotten']['full']) =>
    look === null ? 'unknown' : `${round(look.usedMb, 1)} MB in ${look.keys} keys`;
  return [
    '# Soak',
    `\`${command}\` on ${machine.cpus} × ${machine.model}: ${ok ? '**ok**' : '**NOT OK**'}`,
    problems.map((problem) => `* ${problem}`).join('\n'),
    '## Minutes',
    table(
      ['minute', 'accepted', 'refused', 'unserved', 'p50 ms', 'p99 ms', 'worst ms'],
      soaked.minutes.map((one, at) => [
        ...[at + 1, one.accepted, one.refused, one.unserved],
        ...[one.p50Ms, one.p99Ms, one.worstMs],
      ]),
    ),
    '## Faults',
    faultTable(soaked.faults),
    '## Sales',
    saleTable(soaked.sales),
    '## What processes hold',
    heldTable(soaked.held),
    '## First and last look',
    lookTable(soaked.looks),
    `Redis: ${redis(forgotten.before)} before, ${redis(forgotten.full)} with all sales, ` +
      `${redis(forgotten.after)} after their week.`,
    '',
  ]
    .filter((part, at, all) => part !== '' || at === all.length - 1)
    .join('\n\n');
}

function faultTable(faults: readonly Cost[]): string {
  const seconds = (ms: number) => (ms / 1_000).toFixed(1);
  return table(
    [
      ...['second', 'fault', 'process', 'away s', 'nobody bought for s', 'worst buyer s'],
      ...['back after s', 'all as before after s', 'answers'],
    ],
    faults.map(({ at, what, how, name, unclean, ...ms }) => [
      ...[at, `${what} ${how}`, name, seconds(ms.awayMs), seconds(ms.interruptedMs)],
      ...[seconds(ms.worstMs), seconds(ms.backAfterMs), seconds(ms.recoveredMs)],
      listOf(unclean, ([answer, count]) => `${count} × ${answer}`) || 'only right ones',
    ]),
  );
}

function saleTable(sales: Soaked['sales']): string {
  return table(
    ['sale', 'ended', 'purchases', 'limited', 'unclean', 'accepted', 'rows', 'settled s', 'kept'],
    sales.map(({ productId, ending, purchases, limited, unclean, figures, problems, ...sale }) => [
      ...[productId, ending, purchases, limited, unclean],
      ...[cell(figures['accepted']), cell(figures['rows']), sale.settledAfterSeconds],
      problems.length === 0 ? 'all' : problems.join('; '),
    ]),
  );
}

function heldTable(held: readonly Held[]): string {
  return table(
    ['process', 'seconds', 'figure', 'mean', 'a minute', ''],
    held.map(({ name, from, to, figure, mean, perMinute, verdict }) => [
      ...[name, `${Math.round(from)}–${Math.round(to)}`, figure],
      ...[round(mean, 1), round(perMinute, 2), verdict === 'grows' ? '**grows**' : verdict],
    ]),
  );
}

function lookTable(looks: readonly Sample[]): string {
  return looks
    .map(({ seconds, acceptedSoFar, processes, stores, diskMb }) => {
      const rows = processes.map((one) => [
        ...[one.name, round(one.residentMb, 1), round(one.proportionalMb, 1)],
        ...[cell(one.node?.heapKeptMb), totalOf(one.handles), one.handles.sockets, one.threads],
        ...[cell(one.series), cell(one.node?.loopP99Ms), round(diskMb[one.name] ?? 0, 1)],
      ]);
      const head = [
        ...['process', 'RSS MB', 'PSS MB', 'heap MB', 'handles', 'sockets', 'threads'],
        ...['series', 'loop p99 ms', 'disk MB'],
      ];
      return [
        `At second ${Math.round(seconds)}, ${acceptedSoFar} accepted:`,
        table(head, rows),
        `\`${JSON.stringify(stores)}\``,
      ].join('\n\n');
    })
    .join('\n\n');
}

type Cell = string | number;

function cell(value: unknown): Cell {
  if (typeof value === 'number') return round(value, 1);
  return typeof value === 'string' ? value : '–';
}

function listOf<T>(counts: Readonly<Record<string, T>>, show: (one: [string, T]) => string) {
  return Object.entries(counts).map(show).join(', ');
}

export function table(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const line = (cells: readonly Cell[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
