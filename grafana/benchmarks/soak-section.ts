// The soak in a few lines: what was sold, what broke, and what the processes hold.

import type { Cost } from '#knative/local/soak/faults.ts';
import { table } from '#knative/local/soak/report.ts';
import { type Figures, provenance } from './figures.ts';
import { numberOf } from './numbers.ts';

export function soakSection(measured: Figures['soak']): string[] {
  if (measured === undefined) return [];
  const { figures } = measured;
  const { sales, faults, minutes, held, problems } = figures;
  const accepted = minutes.reduce((sum, one) => sum + one.accepted, 0);
  const kept = sales.filter((sale) => sale.problems.length === 0).length;
  const p99s = minutes.map(({ p99Ms }) => p99Ms).toSorted((a, b) => a - b);
  const median = p99s[Math.floor(p99s.length / 2)];
  const judged = held.filter(({ verdict }) => verdict !== 'too short');
  const flat = judged.filter(({ verdict }) => verdict === 'flat').length;
  const ratio = (look: { usedMb: number } | null) => numberOf(look?.usedMb);
  const { before, full, after } = figures.forgotten;
  return [
    [
      '## Soak',
      provenance(measured),
      `${numberOf(accepted)} orders accepted in ${minutes.length} minutes of
${figures.options.rate} purchases/s, in ${sales.length} sales, ${kept} of which kept every promise,
by \`verify\` and by the clients' own log; ${faults.length} faults. p99 of a minute:
${numberOf(median)} ms in the middle one, ${numberOf(p99s.at(-1))} ms in the worst. ${flat} of
${judged.length} figures (memory, heap, handles, threads, timers and sockets, time series, of each
life of each process) are flat. Redis held ${ratio(before)} MB before, ${ratio(full)} MB with all
sales, and ${ratio(after)} MB once their week was over.`,
      ...(problems.length === 0 ? [] : [problems.map((problem) => `* **${problem}**`).join('\n')]),
      faultTable(faults),
    ].join('\n\n'),
  ];
}

function faultTable(faults: readonly Cost[]): string {
  const seconds = (ms: number) => (ms / 1_000).toFixed(1);
  return table(
    ['fault', 'nobody bought for s', 'worst buyer s', 'all as before after s'],
    faults.map(({ name, how, interruptedMs, worstMs, recoveredMs }) => [
      ...[`${name} ${how}`, seconds(interruptedMs), seconds(worstMs), seconds(recoveredMs)],
    ]),
  );
}
