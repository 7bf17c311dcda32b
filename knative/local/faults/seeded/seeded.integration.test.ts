// A few seeds on one node, so that `npm test` sees the suite at work: `npm run faults` has all kinds
// of faults, three nodes and as many seeds as you like.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { planOf } from './plan.ts';
import { perform } from './run.ts';
import { type FaultSystem, startFaultSystem } from './system.ts';

const options = { nodes: 1, kinds: ['kill', 'clock-back', 'clock-ahead'], seconds: 3 } as const;
const never = new AbortController().signal;

let system: FaultSystem;
beforeAll(async () => {
  system = await startFaultSystem({ nodes: 1, say: () => undefined });
}, 120_000);
afterAll(async () => {
  await system.stop();
});

test.each([10, 14, 19, 25])('seed %i breaks no promise', { timeout: 120_000 }, async (seed) => {
  const plan = planOf(seed, options);
  const { faults, accepted, problems, ...rest } = await perform(system, plan, never);
  expect(problems, JSON.stringify(rest)).toEqual([]);
  expect(rest).toMatchObject({ oversold: 0, lost: 0, unserved: 0 });
  expect(accepted).toBeGreaterThan(0);
  expect(faults.filter(({ notDone }) => notDone !== undefined)).toEqual([]);
});
