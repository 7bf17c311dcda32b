import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  formatOrderRecord,
  formatRanges,
  freeRanges,
  type OrderRecord,
  parseOrderRecord,
  parseRanges,
  rangesOf,
} from './order-record.ts';

const anOrder: OrderRecord = {
  status: 'accepted',
  quantity: 3,
  batchNumber: 7,
  acceptedAtUs: 1_790_000_000_000_001,
  units: [
    [1, 2],
    [9, 9],
  ],
  userId: 'user',
};

test('a record reads as it is written in internal documents', () => {
  expect(formatOrderRecord(anOrder)).toBe('accepted|3|7|1790000000000001|1-2,9-9|user');
});

test('what is written is what is read, whatever the user is called', () => {
  const userId = fc.oneof(
    fc.string({ unit: 'binary', minLength: 1 }),
    fc.constantFrom('a|b', 'a|1|2|3|1-1|b', '|', 'line\nbreak\r\n', '"quotes"', '数/🙂', ' '),
  );
  const unit = fc.integer({ min: 1, max: 10_000_000 });
  fc.assert(
    fc.property(userId, fc.uniqueArray(unit), (name, units) => {
      const order = { ...anOrder, units: rangesOf(units), userId: name };
      expect(parseOrderRecord(formatOrderRecord(order))).toEqual(order);
    }),
  );
});

test('a text that is no record is none', () => {
  for (const text of [
    '',
    'accepted',
    'accepted|1|2|3',
    'accepted|x|1|1|1-1|user',
    '|1|1|1|1-1|u',
  ]) {
    expect(parseOrderRecord(text)).toBeUndefined();
  }
});

test('free and taken ranges hold every unit of the stock exactly once', () => {
  const stock = fc.integer({ min: 1, max: 60 });
  const cases = stock.chain((count) =>
    fc.tuple(fc.constant(count), fc.uniqueArray(fc.integer({ min: 1, max: count }))),
  );
  fc.assert(
    fc.property(cases, ([count, taken]) => {
      const numbers = [...freeRanges(count, taken), ...rangesOf(taken)].flatMap(([first, last]) =>
        Array.from({ length: last - first + 1 }, (_, index) => first + index),
      );
      const all = Array.from({ length: count }, (_, index) => index + 1);
      expect(numbers.sort((a, b) => a - b)).toEqual(all);
    }),
  );
});

test('free ranges are as few as possible, lowest first', () => {
  expect(freeRanges(10, [4, 3, 10])).toEqual([
    [1, 2],
    [5, 9],
  ]);
  expect(freeRanges(3, [3, 1, 2])).toEqual([]);
  expect(rangesOf([7, 1, 3, 2])).toEqual([
    [1, 3],
    [7, 7],
  ]);
  expect(parseRanges(formatRanges(freeRanges(10, [4])))).toEqual(freeRanges(10, [4]));
  expect(parseRanges('')).toEqual([]);
});
