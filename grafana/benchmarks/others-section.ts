// This system beside others, by what each of them counts.

import { table } from '#knative/local/soak/report.ts';
import type { Figures } from './figures.ts';
import { numberOf } from './numbers.ts';
import { doNothingThere, type Other, others } from './others.ts';

export function othersSection(bench: Figures['bench']): string[] {
  const ours = (bench?.figures ?? []).flatMap(({ name, perSecond, ratio }) => {
    const meaning = counted.get(name);
    if (meaning === undefined || perSecond === null) return [];
    const [counts, durable] = meaning;
    const cells = [`**this**, \`${name}\``, 'TypeScript, Redis, etcd, Kafka, MySQL', counts];
    return [[...cells, durable, numberOf(perSecond), numberOf(ratio), 'measured, above']];
  });
  if (ours.length === 0) return [];
  const head = [
    'system',
    'built of',
    'what one counts',
    'durable',
    'per second',
    'ratio',
    'source',
  ];
  return [
    `## Beside others

Measured ones ran on two cores, stores and client included, where a do-nothing Hono endpoint
answered ${numberOf(doNothingThere)}/s, which is what their ratio is of; ours is of the one in its
own minute. Claims are their own, on machines of their own: they have no ratio. A figure of
refusals, or of places in a queue, is not one of orders.

${table(head, [...ours, ...others.map(lineOf)])}`,
  ];
}

const counted: ReadonlyMap<string, readonly [counts: string, durable: string]> = new Map([
  ['accept', ['orders in Kafka, through both hops', 'yes']],
  ['accept-with-sinks', ['the same, while they become rows', 'yes']],
  ['persist', ['rows, from a backlog', 'yes']],
  ['sold-out', ['refusals', 'nothing to keep']],
]);

function lineOf({ name, stack, counts, isDurable, perSecond, source, remark }: Other): string[] {
  const [from, to] = perSecond;
  const range = from === to ? numberOf(from) : `${numberOf(from)}–${numberOf(to)}`;
  const ratio = source === 'claimed' ? '–' : numberOf((from + to) / 2 / doNothingThere);
  const said = remark === '' ? source : `${source}; ${remark}`;
  return [name, stack, counts, isDurable ? 'yes' : 'no', range, ratio, said];
}
