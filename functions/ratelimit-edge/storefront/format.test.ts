import { expect, test } from 'vitest';
import {
  durationOf,
  formatInstant,
  formatOpening,
  formatPrice,
  formatSeconds,
  isoDuration,
} from './format.ts';

test.each([
  [19_900, 'CNY', 'zh-CN', '¥199.00'],
  [19_900, 'CNY', 'en', 'CN¥199.00'],
  [19_900, 'USD', 'en', '$199.00'],
  [1_990, 'JPY', 'en', '¥1,990'],
  [1_234_567, 'KWD', 'en', 'KWD 1,234.567'],
  [5, 'nonsense', 'en', '5 nonsense'],
])('%d of the smallest unit of %s in %s: %s', (amount, currency, language, text) => {
  expect(formatPrice(amount, currency, language).replace(/\s/, ' ')).toBe(text);
});

const at = (day: number, hour: number, minute = 0, second = 0) =>
  new Date(2025, 10, day, hour, minute, second).getTime();

test.each([
  [at(22, 20), 'en', 'today 20:00'],
  [at(22, 20, 0, 5), 'en', 'today 20:00:05'],
  [at(23, 9, 30), 'en', 'tomorrow 09:30'],
  [at(25, 20), 'en', 'Nov 25, 20:00'],
  [at(22, 20), 'zh-CN', '今天 20:00'],
])('an opening: %d in %s is %s', (opensAtMs, language, text) => {
  expect(formatOpening(opensAtMs, at(22, 12), language)).toBe(text);
});

test('an instant has its date only when it is another day', () => {
  expect(formatInstant(at(22, 20), at(22, 23), 'en')).toBe('20:00:00');
  expect(formatInstant(at(21, 20), at(22, 23), 'en')).toBe('Nov 21, 20:00:00');
});

test('a second stands until it is over', () => {
  expect(durationOf(1)).toEqual({ days: 0, hours: 0, minutes: 0, seconds: 1 });
  expect(durationOf(0)).toEqual({ days: 0, hours: 0, minutes: 0, seconds: 0 });
  expect(durationOf(-5)).toEqual(durationOf(0));
  const long = durationOf(86_400_000 + 3_600_000 + 61_000);
  expect(long).toEqual({ days: 1, hours: 1, minutes: 1, seconds: 1 });
  expect(isoDuration(long)).toBe('P1DT1H1M1S');
});

test('seconds on the board have three digits', () => {
  expect(formatSeconds(41.25, 'en')).toBe('0.041');
});
