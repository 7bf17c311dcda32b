import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createCounting } from './counting.ts';
import { aLook, anInstance } from './looks-fixture.ts';
import { quantileOf } from './quantile.ts';

const sold = 'seckill_sold_total';
const one = (value: number, name = 'pod-1', startedAt = 1_000) =>
  anInstance({ name, counts: { [sold]: value, process_start_time_seconds: startedAt } });

test('what was counted before the watch is not counted, what an instance brings later is', () => {
  const counting = createCounting();
  counting.take(aLook(0, { instances: [one(100)] }));
  expect(counting.whole().increase(sold)).toBe(0);
  counting.take(aLook(2, { instances: [one(107), one(3, 'pod-2')] }));
  expect(counting.whole().increase(sold)).toBe(10);
  expect(counting.last(5_000)).toMatchObject({ seconds: 2 });
});

test('what an instance has counted stays counted when it goes, restarts, or does not answer', () => {
  const counting = createCounting();
  counting.take(aLook(0, { instances: [one(10), one(50, 'pod-2')] }));
  counting.take(aLook(2, { instances: [one(15), one(60, 'pod-2')] }));
  // pod-1 does not answer, pod-2 has restarted and has counted as much as before.
  const silent = anInstance({ name: 'pod-1' });
  counting.take(aLook(4, { instances: [silent, one(60, 'pod-2', 2_000)] }));
  expect(counting.whole().increase(sold)).toBe(5 + 10 + 60);
  // pod-2 is gone, pod-1 answers again; the time of its start alone would not tell of a reset.
  counting.take(aLook(6, { instances: [one(18)] }));
  expect(counting.whole().increase(sold)).toBe(75 + 3);
  counting.take(aLook(8, { instances: [one(2)] }));
  expect(counting.whole().increase(sold)).toBe(78 + 2);
  expect(counting.last(2_000).increase(sold)).toBe(2);
  expect(counting.intervals(2).map((span) => span.increase(sold))).toEqual([3, 2]);
});

test('an instance that was there first and answers later brings nothing from before', () => {
  const counting = createCounting();
  counting.take(aLook(0, { instances: [anInstance({ name: 'pod-1' })] }));
  counting.take(aLook(2, { instances: [one(1_000)] }));
  counting.take(aLook(4, { instances: [one(1_001)] }));
  expect(counting.whole().increase(sold)).toBe(1);
});

test('functions and labels are told apart, and a label that comes later counts from zero', () => {
  const counting = createCounting();
  const counts = (edge: object, sink: object) => ({
    instances: [
      anInstance({ name: 'a', counts: { ...edge } }),
      anInstance({ name: 'b', function: 'persist-order', counts: { ...sink } }),
    ],
  });
  const name = 'seckill_x_total';
  counting.take(aLook(0, counts({ [`${name}{y="a"}`]: 1 }, { [`${name}{y="a"}`]: 5 })));
  const later = { [`${name}{y="a"}`]: 2, [`${name}{y="b"}`]: 4 };
  counting.take(aLook(2, counts(later, { [`${name}{y="a"}`]: 10 })));
  const span = counting.whole();
  expect(span.increase(name)).toBe(10);
  expect(span.increase(name, { function: 'persist-order' })).toBe(5);
  expect(span.increase(name, { labels: { y: 'b' } })).toBe(4);
  const byY = span.increaseBy(name, 'y', { function: 'ratelimit-edge' });
  expect(Object.fromEntries(byY)).toEqual({ a: 1, b: 4 });
});

test('whatever happens to instances, no purchase is counted twice, and none that was seen is lost', () => {
  const step = fc.record({ add: fc.nat(20), restart: fc.boolean(), silent: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const counting = createCounting();
      counting.take(aLook(0, { instances: [one(0)] }));
      let [value, startedAt, shown, expected] = [0, 1_000, 0, 0];
      steps.forEach(({ add, restart, silent }, at) => {
        if (restart) [value, startedAt, shown] = [0, startedAt + 1, 0];
        value += add;
        if (!silent) [expected, shown] = [expected + value - shown, value];
        const instance = silent ? anInstance({ name: 'pod-1' }) : one(value, 'pod-1', startedAt);
        counting.take(aLook(at + 1, { instances: [instance] }));
      });
      expect(counting.whole().increase(sold)).toBe(expected);
    }),
  );
});

test('a quantile lies within its bucket, and at the largest bound where it is above all', () => {
  const counting = createCounting();
  const buckets = (counts: readonly number[]) =>
    Object.fromEntries(
      ['0.1', '0.25', '0.5', '+Inf'].map((le, at) => [`seckill_d_bucket{le="${le}"}`, counts[at]]),
    ) as Record<string, number>;
  const look = (at: number, counts: readonly number[]) => {
    counting.take(aLook(at, { instances: [anInstance({ counts: buckets(counts) })] }));
  };
  look(0, [5, 5, 5, 5]);
  expect(quantileOf(counting.whole(), 'seckill_d', 0.5)).toBeUndefined();
  look(2, [5, 15, 15, 15]);
  expect(quantileOf(counting.whole(), 'seckill_d', 0.5)).toBeCloseTo(0.175);
  expect(quantileOf(counting.whole(), 'seckill_d', 1)).toBe(0.25);
  look(4, [5, 15, 15, 16]);
  expect(quantileOf(counting.last(2_000), 'seckill_d', 0.99)).toBe(0.5);
});
