import { expect, test } from 'vitest';
import { parseDuration, parseMoment, showMoment } from './time.ts';

const nowMs = Date.parse('2026-11-22T12:00:00.500Z');

test.each([
  ['500ms', 500],
  ['10s', 10_000],
  ['5m', 300_000],
  ['12h', 43_200_000],
  ['7d', 604_800_000],
  ['0s', 0],
  ['10', undefined],
  ['', undefined],
  ['-1s', undefined],
  ['1.5h', undefined],
  ['1w', undefined],
  ['9999999999s', undefined],
])('%j is a duration of %s ms', (text, expected) => {
  expect(parseDuration(text)).toBe(expected);
});

test.each([
  ['now', '2026-11-22T12:00:00.500Z'],
  ['+10s', '2026-11-22T12:00:10.500Z'],
  ['+5m', '2026-11-22T12:05:00.500Z'],
  ['2026-11-22T20:00:00Z', '2026-11-22T20:00:00.000Z'],
  ['2026-11-22t20:00z', '2026-11-22T20:00:00.000Z'],
  ['2026-11-22 20:00:00.25+08:00', '2026-11-22T12:00:00.250Z'],
  ['2026-11-22T20:00:00', undefined],
  ['2026-11-22', undefined],
  ['2026-13-22T20:00:00Z', undefined],
  ['2026-11-22T25:00:00Z', undefined],
  ['+10', undefined],
  ['10s', undefined],
  ['tomorrow', undefined],
])('%j is the moment %s', (text, expected) => {
  expect(parseMoment(text, nowMs)).toBe(expected);
});

test('moments are shown in UTC, to the second', () => {
  expect(showMoment('2026-11-22T20:00:00.123456Z')).toBe('2026-11-22 20:00:00Z');
  expect(showMoment(null)).toBe('-');
  expect(showMoment('whenever')).toBe('whenever');
});
