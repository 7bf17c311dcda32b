// A report as people read it: what was offered, what became of it, and each check.

import { type Check, round } from './judge.ts';
import type { Report } from './perform.ts';

export function showReport({ scenario, about, ok, machine, figures, checks }: Report): string {
  const number = (value: number) => round(value).toLocaleString('en');
  const percent = (share: number) => `${(share * 100).toFixed(1)} %`;
  const each = (count: number, perSecond: number) => `${number(perSecond)}/s (${number(count)})`;
  const lines: readonly (readonly [string, string])[] = [
    ['offered', each(figures.requests, figures.offeredPerSecond)],
    ['accepted', each(figures.accepted, figures.acceptedPerSecond)],
    ['durable: rows', each(figures.rows, figures.rowsPerSecond)],
    ['refused: limited', each(figures.limited, figures.limitedPerSecond)],
    ['refused: sold out', each(figures.soldOut, figures.soldOutPerSecond)],
    ['refused: otherwise', number(figures.refusedOtherwise)],
    ['said again', number(figures.replayed)],
    ['gave up, as meant', number(figures.gaveUp)],
    ['unserved', number(figures.unserved)],
    ['limited', percent(figures.limitedShare)],
    ['sold out', percent(figures.soldOutShare)],
    ['success', `${percent(figures.successShare)} of ${number(figures.purchases)} purchases`],
    ['p50, p90, p99', [figures.p50Ms, figures.p90Ms, figures.p99Ms].map(number).join(', ') + ' ms'],
    ['p99 of accepted', `${number(figures.acceptedP99Ms)} ms`],
    ['longest', `${number(figures.worstMs)} ms`],
    ['rows complete', `${number(figures.settledAfterSeconds)} s after the last answer`],
    ['machine', `${machine.cpus} × ${machine.model}, load ${machine.load}`],
  ];
  const width = Math.max(...lines.map(([name]) => name.length));
  return [
    `${scenario}: ${ok ? 'ok' : 'NOT OK'}  (${about})`,
    ...lines.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`),
    ...checks.map(showCheck),
    '',
  ].join('\n');
}

function showCheck({ name, kind, ok, found }: Check): string {
  const whose = kind === 'machine' ? ' (depends on the machine)' : '';
  return ok ? `  ✓ ${name}${whose}: ${found}` : `  ✗ ${name}${whose}: ${found}`;
}
