// A million orders, or as many as `ORDERS` says: every event three times, in any order, to functions
// and source runners that are killed. `SEED` repeats the events, their order and who is killed.

import { expect, test } from 'vitest';
import { sayOnStderr } from '../say.ts';
import { redeliver } from './redelivery/redelivery.ts';

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 32));
const orders = Number(process.env.ORDERS ?? 1_000_000);
const functionKills = 100;
const runnerKills = 6;
/** On a slow machine, kills included. */
const ordersPerSecondMin = 300;
const deadlineMs = 300_000 + (orders / ordersPerSecondMin) * 1_000;

test(`${orders} orders, every event three times, in any order, to functions that are killed`, {
  // The clean delivery and the comparison take their time, too.
  timeout: deadlineMs * 2,
}, async () => {
  sayOnStderr('redelivery', `SEED=${seed} ORDERS=${orders}`);
  const { kills, expected, problems } = await redeliver({
    ...{ seed, orders, functionKills, runnerKills, deadlineMs },
    ...{ sayEveryMs: 10_000, say: sayOnStderr },
  });
  const { confirmed, noStock, unitTaken, units } = expected;
  sayOnStderr(
    'redelivery',
    `${confirmed} confirmed with ${units} units, ${noStock + unitTaken} rejected, ${kills} kills`,
  );
  expect(problems, `SEED=${seed} ORDERS=${orders}`).toEqual([]);
  expect(kills).toBe(functionKills + runnerKills);
});
