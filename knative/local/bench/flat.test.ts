import { expect, test } from 'vitest';
import { trendOf } from './flat.ts';

const points = (value: (seconds: number) => number) =>
  Array.from({ length: 101 }, (_, seconds) => ({ seconds, value: value(seconds) }));

test('what fills up and then stays is flat', () => {
  const { mean, perMinute, isFlat } = trendOf(points((seconds) => Math.min(200, 50 + 5 * seconds)));
  expect(mean).toBeCloseTo(200);
  expect(perMinute).toBeCloseTo(0);
  expect(isFlat).toBe(true);
});

test('what goes up and down around a mean is flat', () => {
  expect(trendOf(points((seconds) => 200 + (seconds % 2) * 20)).isFlat).toBe(true);
});

test('what rises by more than a twentieth in the last part is not, and by how much is told', () => {
  const leaking = trendOf(points((seconds) => 100 + seconds / 8));
  expect(leaking.isFlat).toBe(false);
  expect(leaking.perMinute).toBeCloseTo(7.5);
  expect(trendOf(points((seconds) => 100 + seconds / 20)).isFlat).toBe(true);
});

test('of little, a rise of a few MB says nothing', () => {
  expect(trendOf(points((seconds) => 2 + seconds / 20)).isFlat).toBe(true);
  expect(trendOf(points((seconds) => 2 + seconds / 10)).isFlat).toBe(false);
});

test('what falls is flat enough; of nothing nobody knows', () => {
  expect(trendOf(points((seconds) => 200 - seconds)).isFlat).toBe(true);
  expect(trendOf([]).isFlat).toBe(false);
  expect(trendOf([{ seconds: 0, value: 1 }]).isFlat).toBe(false);
});
