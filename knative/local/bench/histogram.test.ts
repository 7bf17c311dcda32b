import { expect, test } from 'vitest';
import { bucketsBetween, parseBuckets, quantileOf } from './histogram.ts';

const metrics = (counts: readonly number[]) => `# TYPE waits histogram
waits_bucket{le="0.1",function="purchase"} ${counts[0]}
waits_bucket{le="0.5",function="purchase"} ${counts[1]}
waits_bucket{le="+Inf",function="purchase"} ${counts[2]}
waits_sum{function="purchase"} 12
other_waits_bucket{le="0.1"} 7
`;

test('a quantile lies within its bucket, of what came between two readings', () => {
  const before = parseBuckets(metrics([1, 2, 3]), 'waits');
  const after = parseBuckets(metrics([51, 102, 103]), 'waits');
  expect(after.map(({ upTo }) => upTo)).toEqual([0.1, 0.5, Number.POSITIVE_INFINITY]);
  const waits = bucketsBetween(before, after);
  expect(quantileOf(waits, 0.25)).toBeCloseTo(0.05, 10);
  expect(quantileOf(waits, 0.75)).toBeCloseTo(0.3, 10);
});

test('beyond the last bound it is that bound, and of nothing it is not a number', () => {
  expect(quantileOf(parseBuckets(metrics([0, 0, 5]), 'waits'), 0.99)).toBe(0.5);
  expect(quantileOf(parseBuckets(metrics([0, 0, 0]), 'waits'), 0.5)).toBeNaN();
  expect(quantileOf([], 0.5)).toBeNaN();
});
