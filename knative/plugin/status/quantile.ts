// Quantiles of what a histogram has counted in a span, as Prometheus' histogram_quantile has them.

import type { Span, Where } from './counting.ts';

/**
 * In the histogram's unit, evenly spread within a bucket; the largest bound where it lies above
 * all of them. Undefined where nothing was counted.
 */
export function quantileOf(
  span: Span,
  name: string,
  quantile: number,
  where: Where = {},
): number | undefined {
  const buckets = [...span.increaseBy(`${name}_bucket`, 'le', where)]
    .map(([bound, count]) => ({ bound: bound === '+Inf' ? Infinity : Number(bound), count }))
    .sort((a, b) => a.bound - b.bound);
  const all = buckets.at(-1)?.count ?? 0;
  const rank = quantile * all;
  const at = buckets.findIndex(({ count }) => count >= rank);
  const found = buckets[at];
  if (found === undefined || all === 0) return undefined;
  const below = buckets[at - 1];
  if (found.bound === Infinity) return below?.bound;
  const [start, before] = [below?.bound ?? 0, below?.count ?? 0];
  return start + ((found.bound - start) * (rank - before)) / (found.count - before);
}
