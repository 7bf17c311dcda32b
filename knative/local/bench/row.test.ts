import { expect, test } from 'vitest';
import { leastShareOf, median, quantile, rateRow, tableOf, timesRow } from './row.ts';

test('the median, and what lies between two values', () => {
  expect(median([9, 1, 5])).toBe(5);
  expect(median([10, 20])).toBe(15);
  expect(median([])).toBeNaN();
  expect(quantile([0, 100], 0.99)).toBeCloseTo(99);
  expect(quantile([7], 0.99)).toBe(7);
});

test('a ratio is of medians: one bad measurement of three counts for nothing', () => {
  const rates = [9_000, 100, 8_000].map((perSecond) => ({ perSecond, p50Ms: 30, p99Ms: 60 }));
  expect(rateRow('accept', rates, [16_000, 16_000.4, 40])).toEqual({
    name: 'accept',
    perSecond: 8_000,
    reference: 16_000,
    ratio: 0.5,
    p50Ms: 30,
    p99Ms: 60,
  });
});

test('what a thousand cost is the median of each process; who is not named took nothing', () => {
  const rates = [
    { all: 30, wrk: 10 },
    { all: 50, wrk: 12 },
    { all: 40, etcd: 4, wrk: 20 },
  ].map((cpuMsPerThousand) => ({ perSecond: 5, p50Ms: null, p99Ms: null, cpuMsPerThousand }));
  const { cpuMsPerThousand } = rateRow('accept', rates, [10]);
  expect(cpuMsPerThousand).toEqual({ all: 40, wrk: 12, etcd: 0 });
  const unmeasured = { perSecond: 5, p50Ms: null, p99Ms: null };
  expect(rateRow('persist', [unmeasured], [10])).not.toHaveProperty('cpuMsPerThousand');
});

test('a rate without latencies has none', () => {
  const rates = [{ perSecond: 5, p50Ms: null, p99Ms: null }];
  expect(rateRow('persist', rates, [10])).toMatchObject({ ratio: 0.5, p50Ms: null, p99Ms: null });
});

test('times against a reference, and without one', () => {
  expect(timesRow('ready', [300, 200, 400], { referencesMs: [100, 90, 110] })).toEqual({
    name: 'ready',
    perSecond: null,
    reference: 100,
    ratio: 3,
    p50Ms: 300,
    p99Ms: 398,
  });
  expect(timesRow('board-delay', [1, 3], { perSecond: 999.6 })).toMatchObject({
    perSecond: 1_000,
    reference: null,
    ratio: null,
    p50Ms: 2,
  });
});

test('how much the least of several has of an even share', () => {
  expect(leastShareOf([50, 50])).toBe(1);
  expect(leastShareOf([40, 50, 60])).toBe(0.8);
  expect(leastShareOf([0, 7])).toBe(0);
  expect(leastShareOf([0, 0])).toBeNaN();
});

test('the table leaves out what makes no sense', () => {
  expect(tableOf([timesRow('a', [1])])).toBe(
    'name  per second  reference  ratio  p50 ms  p99 ms\n' +
      'a              -          -      -       1       1',
  );
});
