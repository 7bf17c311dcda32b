// With every run of the tests, a thousand orders of what `npm run test:crash -- redelivery` does
// with a million.

import { expect, test } from 'vitest';
import { once } from '#lib/testing/once.ts';
import { redeliver } from './redelivery/redelivery.ts';

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 32));

test('every event comes three times, in any order, to functions that are killed: as if it had come once', {
  ...once,
  timeout: 400_000,
}, async () => {
  const { kills, expected, problems } = await redeliver({
    ...{ seed, orders: 1_000, functionKills: 8, runnerKills: 1, deadlineMs: 300_000 },
    ...{ sayEveryMs: 10_000, say: () => undefined },
  });
  expect(problems, `SEED=${seed}`).toEqual([]);
  expect(kills).toBe(9);
  expect(expected.confirmed).toBeGreaterThan(900);
  expect(Math.min(expected.noStock, expected.unitTaken), `SEED=${seed}`).toBeGreaterThan(0);
});
