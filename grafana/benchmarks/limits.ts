// What limits each part now: the processes that its CPU time goes to, as the benchmark counted it, and
// what would be done next about it.

import { table } from '#knative/local/soak/report.ts';
import type { Figures } from './figures.ts';
import { numberOf } from './numbers.ts';

/** The next step, by the line of the benchmark. */
const nextSteps: Readonly<Record<string, string>> = {
  accept:
    'edge: fewer objects for each request that waits for its batch; or a second edge, it holds no state',
  'accept-3-instances':
    'the hand-over of the lock: a look less where the place before was the holder’s',
  'accept-100-products': 'fuller turns: what one costs hardly depends on how many orders are in it',
  'sold-out': 'edge: Node’s HTTP, which do-nothing has as well',
};

const mostShown = 4;

export function limitsSection({ bench }: Figures): string[] {
  const rows = (bench?.figures ?? []).flatMap((row) => {
    const { cpuMsPerThousand: cpu } = row;
    if (cpu === undefined) return [];
    const { all = 0, ...each } = cpu;
    const most = Object.entries(each)
      .toSorted(([, a], [, b]) => b - a)
      .slice(0, mostShown)
      .map(([name, ms]) => `${name} ${numberOf((100 * ms) / all)} %`);
    const cells = [`\`${row.name}\``, numberOf(row.perSecond), numberOf(all), most.join(', ')];
    return [[...cells, nextSteps[row.name] ?? '']];
  });
  if (rows.length === 0) return [];
  const head = ['', 'per second', 'CPU ms for 1,000', 'goes to', 'next step'];
  return [
    `## What limits each part

All cores are busy while these are measured, so what limits is CPU time, and this is where it goes:
\`wrk\` is the client, the rest the functions and the stores.

${table(head, rows)}`,
  ];
}
