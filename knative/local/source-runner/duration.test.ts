import { expect, test } from 'vitest';
import { parseDuration } from './duration.ts';

test.each([
  ['PT0.5S', 500],
  ['PT15S', 15_000],
  ['PT0S', 0],
  ['PT600S', 600_000],
  ['PT1M30S', 90_000],
  ['PT2H', 7_200_000],
  ['P1DT1H', 90_000_000],
  ['P1W', 604_800_000],
])('%s is %i ms', (text, ms) => {
  expect(parseDuration(text)).toEqual({ ms });
});

test.each([
  ['', 'no ISO 8601'],
  ['P', 'no ISO 8601'],
  ['PT', 'no ISO 8601'],
  ['P1DT', 'no ISO 8601'],
  ['5s', 'no ISO 8601'],
  ['0.5', 'no ISO 8601'],
  ['P1Y', 'no ISO 8601'],
  ['-PT1S', 'no ISO 8601'],
  ['PT1.S', 'malformed number'],
  ['PT1.2.3S', 'malformed number'],
  ['PT0.05S', 'finer than a tenth'],
  ['PT3600S', 'above 3276.7'],
])('%s is refused: %s', (text, problem) => {
  expect(parseDuration(text)).toEqual({ problem: expect.stringContaining(problem) as string });
});
