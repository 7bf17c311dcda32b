import { expect, test } from 'vitest';
import { marksNoted } from './topic-marks.ts';

test('marks come back as they were noted', () => {
  const ends = { orders: { '0': 7, '1': 0 }, 'orders.dead': { '0': 0 } };
  const noted: unknown = JSON.parse(JSON.stringify(ends));
  expect(marksNoted(1_700_000_000_123_999, noted)).toEqual({ atMs: 1_700_000_000_123, ends });
});

test.each([
  ['no object', 'orders'],
  ['a partition that is no number', { orders: { one: 7 } }],
  ['an offset that is none', { orders: { '0': -1 } }],
  ['an offset as text', { orders: { '0': '7' } }],
])('%s: there are no marks, and everything is read', (_what, noted) => {
  expect(marksNoted(1_000, noted)).toBeUndefined();
});
