// Finds what no closed list has in what an instance says at `/metrics`.

import type { Series } from '#knative/plugin/status/exposition.ts';
import { closedLabels, functionLabel } from './closed-labels.ts';

/** Each label of our metrics whose value is not on its list, with its metric. */
export function strayLabels(series: readonly Series[]): readonly string[] {
  return series
    .filter(({ name }) => name.startsWith('seckill_'))
    .flatMap(({ name, labels }) =>
      Object.entries(labels)
        .filter(([label, value]) => !isListed(name, label, value))
        .map(([label, value]) => `${name}{${label}="${value}"}`),
    );
}

function isListed(series: string, label: string, value: string): boolean {
  if (label === 'function') return functionLabel.includes(value);
  const histogram = series.replace(/_(bucket|sum|count)$/, '');
  if (label === 'le') return histogram !== series && /^(\+Inf|\d+(\.\d+)?)$/.test(value);
  const lists = closedLabels[series] ?? closedLabels[histogram];
  return lists?.[label]?.includes(value) ?? false;
}
