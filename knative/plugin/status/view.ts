// How a status is shown to people: one screen, the alarms first. Lines fit the terminal: columns
// that matter less leave first, and what still is too long is cut.

import { cut, pad, printable, widthOf } from '../table.ts';
import {
  showBytes,
  showClock,
  showCount,
  showDelay,
  showDuration,
  showRate,
  sparkline,
} from './figures.ts';
import type { FunctionStatus, SaleStatus, Status } from './status-document.ts';

export type Tone = 'strong' | 'quiet' | 'alarm';

export interface Line {
  readonly text: string;
  readonly tone?: Tone;
}

export interface ViewOptions {
  readonly columns: number;
  readonly rows: number;
  readonly productId: string | undefined;
  /** Accepted in a second, by interval, the newest last. */
  readonly pace: readonly number[];
}

/** The lines of one screen. */
export function viewOf(seen: Status, options: ViewOptions): Line[] {
  // What was left of a sale is worth knowing later, too; that a store answered is not.
  const status = isOld(seen) ? { ...seen, stores: null, lagEvents: null, deadLetters: null } : seen;
  const { columns } = options;
  const isWanted = status.functions.some(({ wanted }) => wanted !== null && wanted > 0);
  const sleeps = status.asleep && !isWanted;
  const blocks = [
    headOf(status),
    alarmsOf(status, columns),
    salesOf(status, options),
    ...(sleeps
      ? [asleep(options)]
      : [figuresOf(status, options), deliveryOf(status, columns), functionsOf(status, columns)]),
    storesOf(status),
    status.notes.map((text) => ({ text: `note: ${text}`, tone: 'quiet' as const })),
  ];
  return blocks
    .filter((block) => block.length > 0)
    .flatMap((block, at) => (at === 0 ? block : [{ text: '' }, ...block]))
    .map(({ text, ...tone }) => ({ text: cut(printable(text), columns), ...tone }))
    .slice(0, options.rows);
}

function headOf({ system, at, watchedSeconds }: Status): Line[] {
  const since = watchedSeconds > 0 ? `, over ${showDuration(watchedSeconds * 1_000)}` : '';
  return [{ text: `${showClock(at)}${since}   ${system}`, tone: 'strong' }];
}

function alarmsOf({ alarms, asleep: isAsleep, measuredSeconds }: Status, columns: number): Line[] {
  if (alarms.length === 0) {
    return isAsleep || measuredSeconds === 0 ? [] : [{ text: 'no alarm', tone: 'quiet' }];
  }
  return alarms.flatMap(({ text }) =>
    wrapped(printable(text), columns - indent.length).map((part, at) => ({
      text: `${at === 0 ? mark : indent}${part}`,
      tone: 'alarm' as const,
    })),
  );
}

const mark = 'ALARM  ';
const indent = ' '.repeat(mark.length);

function wrapped(text: string, columns: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    const longer = last === undefined ? word : `${last} ${word}`;
    if (last !== undefined && widthOf(longer) > columns) lines.push(word);
    else lines.splice(-1, 1, longer);
  }
  return lines;
}

function asleep({ productId }: ViewOptions): Line[] {
  const text = 'asleep: no instance runs. The next request wakes it, `kn-seckill scale warm` too.';
  if (productId === undefined) return [{ text }];
  const show = `kn-seckill sale show ${productId}`;
  return [
    { text },
    { text: `\`${show}\` tells of the sale; it wakes ratelimit-edge and purchase.` },
  ];
}

const salesMax = 8;

function salesOf({ sales, at, standingAt }: Status, { columns, productId }: ViewOptions): Line[] {
  if (sales === null) return [];
  if (sales.length === 0) {
    const none = productId === undefined ? 'no sale' : `no sale of ${productId}`;
    return [{ text: `${none} is going on (\`kn-seckill sale list\` shows all)`, tone: 'quiet' }];
  }
  const atMs = Date.parse(at);
  const lines = grid(
    [
      { title: 'SALE', cell: ({ productId: id }) => id, keep: 9 },
      { title: 'STATE', cell: stateOf, keep: 8 },
      { title: 'LEFT', cell: ({ left }) => showCount(left), keep: 9, right: true },
      { title: 'OF', cell: ({ stock }) => showCount(stock), keep: 6, right: true },
      { title: 'SOLD', cell: ({ sold }) => showCount(sold), keep: 4, right: true },
      { title: 'SOLD/S', cell: ({ soldPerSecond: pace }) => paceOf(pace), keep: 5, right: true },
      { title: 'PENDING', cell: ({ pending }) => showCount(pending), keep: 7, right: true },
      { title: 'WHEN', cell: (sale) => whenOf(sale, atMs), keep: 3 },
    ],
    sales.slice(0, salesMax),
    columns,
  );
  const more = sales.length - salesMax;
  if (more > 0) lines.push({ text: `… and ${more} more: \`kn-seckill sale list\``, tone: 'quiet' });
  const age = showDuration(ageMsOf({ at, standingAt }));
  if (isOld({ at, standingAt }))
    lines.push({ text: `as it was ${age} ago: nobody tells now`, tone: 'quiet' });
  return lines;
}

/** Clocks differ a little. */
const oldMs = 15_000;

function ageMsOf({ at, standingAt }: Pick<Status, 'at' | 'standingAt'>): number {
  return Date.parse(at) - Date.parse(standingAt ?? at);
}

function isOld(status: Pick<Status, 'at' | 'standingAt'>): boolean {
  return ageMsOf(status) > oldMs;
}

const paceOf = (pace: number | null) => (pace === null ? '…' : showRate(pace));

function stateOf({ state, settled, loaded }: SaleStatus): string {
  if (state === 'ended') return settled ? 'ended, settled' : 'ended, settling';
  return loaded ? state.replace('_', ' ') : `${state}, not in Redis`;
}

function whenOf({ state, opensAt, closesAt }: SaleStatus, atMs: number): string {
  if (state === 'scheduled' && opensAt !== null) {
    return `opens in ${showDuration(Date.parse(opensAt) - atMs)}`;
  }
  if (closesAt === null || state === 'ended') return '';
  return `closes in ${showDuration(Date.parse(closesAt) - atMs)}`;
}

function figuresOf(status: Status, { columns, pace }: ViewOptions): Line[] {
  const { perSecond, counted, measuredSeconds } = status;
  const rate = (value: number) => (measuredSeconds === 0 ? '…' : showRate(value));
  const reasons = Object.keys(counted.refused).map((outcome) => {
    const tiers = outcome === 'rate_limited' ? Object.keys(counted.limited).join(', ') : '';
    const name = `  ${outcome}${tiers === '' ? '' : ` (${tiers})`}`;
    return [name, perSecond.refused[outcome] ?? 0, counted.refused[outcome] ?? 0, ''] as const;
  });
  const rows = [
    ['accepted', perSecond.accepted, counted.accepted, sparkline(pace)],
    ['said before', perSecond.replayed, counted.replayed, ''],
    ['refused', sumOf(perSecond.refused), sumOf(counted.refused), ''],
    ...reasons,
    ['503, ask again', perSecond.failed, counted.failed, ''],
    ['rows in MySQL', perSecond.rows, counted.rows, ''],
  ] as const;
  return grid(
    [
      { title: 'PURCHASES', cell: ([name]) => name, keep: 9 },
      { title: 'A SECOND', cell: ([, now]) => rate(now), keep: 8, right: true },
      { title: 'COUNTED', cell: ([, , all]) => showCount(all), keep: 7, right: true },
      { title: '', cell: ([, , , bars]) => bars, keep: 1 },
    ],
    rows,
    columns,
  );
}

function sumOf(by: Readonly<Record<string, number>>): number {
  return Object.values(by).reduce((sum, one) => sum + one, 0);
}

function deliveryOf(status: Status, columns: number): Line[] {
  const { delaySeconds, lagEvents, deadLetters } = status;
  const quantile = (sink: keyof typeof delaySeconds, name: 'p50' | 'p99') => {
    const found = delaySeconds[sink]?.[name];
    return found === undefined ? '-' : showDelay(found);
  };
  const countOf = (count: number | undefined) => (count === undefined ? '?' : showCount(count));
  return grid(
    [
      { title: 'DELAY', cell: (sink) => sink, keep: 9 },
      { title: 'HALF IN', cell: (sink) => quantile(sink, 'p50'), keep: 5, right: true },
      { title: '99 % IN', cell: (sink) => quantile(sink, 'p99'), keep: 8, right: true },
      { title: 'WAITING', cell: (sink) => countOf(lagEvents?.[sink]), keep: 6, right: true },
      { title: 'DEAD LETTERS', cell: (sink) => countOf(deadLetters?.[sink]), keep: 7, right: true },
    ],
    ['persist-order', 'update-rank'] as const,
    columns,
  );
}

function functionsOf({ functions, measuredSeconds }: Status, columns: number): Line[] {
  const others = ({ starting, leaving, unread, restarts }: FunctionStatus) =>
    [
      starting > 0 ? `${starting} starting` : '',
      leaving > 0 ? `${leaving} leaving` : '',
      unread > 0 ? `${unread} unread` : '',
      restarts > 0 ? `${restarts} restarts` : '',
    ].filter((text) => text !== '');
  const cpu = ({ cpuCores }: FunctionStatus) =>
    measuredSeconds === 0 ? '…' : `${Math.round(cpuCores * 100)} %`;
  return grid(
    [
      { title: 'INSTANCES', cell: ({ name }) => name, keep: 9 },
      { title: 'READY', cell: readyOf, keep: 9, right: true },
      { title: 'CPU', cell: cpu, keep: 4, right: true },
      { title: 'MEMORY', cell: (one) => showBytes(one.memoryBytesMax), keep: 3, right: true },
      { title: 'NODES', cell: nodesOf, keep: 2 },
      { title: '', cell: (one) => others(one).join(', '), keep: 6 },
    ],
    functions,
    columns,
  );
}

/** `2/3`: ready, and how many there should be. */
export function readyOf({ ready, wanted }: FunctionStatus): string {
  return wanted === null ? String(ready) : `${ready}/${wanted}`;
}

function nodesOf({ nodes }: FunctionStatus): string {
  const entries = Object.entries(nodes).sort(([a], [b]) => (a < b ? -1 : 1));
  return entries.map(([node, count]) => (count === 1 ? node : `${node} ×${count}`)).join(', ');
}

function storesOf({ stores }: Status): Line[] {
  if (stores === null) return [];
  const shown = Object.entries(stores).map(([store, answer]) =>
    answer === true ? `${store} ok` : `${store} AWAY`,
  );
  return [{ text: `stores   ${shown.join('   ')}` }];
}

interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => string;
  /** Columns with the lowest leave first where there is no room for all. */
  readonly keep: number;
  readonly right?: boolean;
}

/** A header and the rows, in columns that fit. */
function grid<Row>(columns: readonly Column<Row>[], rows: readonly Row[], width: number): Line[] {
  const filled = columns
    .map((column) => ({
      ...column,
      cells: [column.title, ...rows.map(column.cell)].map(printable),
    }))
    .filter(({ cells }) => cells.some((cell) => cell !== ''))
    .map((column) => ({ ...column, width: Math.max(...column.cells.map(widthOf)) }));
  const kept = new Set(filled);
  const total = () => [...kept].reduce((sum, one) => sum + one.width + gap.length, -gap.length);
  for (const column of filled.toSorted((a, b) => a.keep - b.keep)) {
    if (total() <= width || kept.size === 1) break;
    kept.delete(column);
  }
  return ['', ...rows].map((_, row) => {
    const cells = [...kept].map(({ cells, width: wide, right }) => {
      const text = cells[row] ?? '';
      return right ? `${' '.repeat(Math.max(0, wide - widthOf(text)))}${text}` : pad(text, wide);
    });
    const text = cells.join(gap).trimEnd();
    return row === 0 ? { text, tone: 'quiet' } : { text };
  });
}

const gap = '   ';
