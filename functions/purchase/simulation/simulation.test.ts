// Two hundred of the schedules that `npm run test:sim` runs by the ten thousand, and that a seed
// always gives the same schedule.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Database, openDatabase } from './mysql-database.ts';
import { runSchedule } from './schedule.ts';
import { addResult, emptySummary } from './summary.ts';

const schedules = 200;
/** It takes a minute on two busy cores. */
const timeMaxMs = 240_000;

let database: Database;
beforeAll(() => {
  database = openDatabase();
});
afterAll(() => {
  database.close();
});

test('no promise is broken, whatever fails', { timeout: timeMaxMs }, async () => {
  const summary = emptySummary();
  for (let seed = 0; seed < schedules; seed += 1) {
    addResult(summary, await runSchedule(String(seed), database));
  }
  const minutes = Math.round(summary.virtualMs / 60_000);
  process.stdout.write(`${summary.schedules} schedules, ${minutes} virtual minutes\n`);
  // To see what happened: SECKILL_SIM_SEED=<seed> npm run test:sim
  expect(summary.failures).toEqual([]);
  // And all that is in there did happen: buyers bought while instances crashed.
  expect(summary.counts['answer accepted']).toBeGreaterThan(schedules);
  expect(summary.counts['answer replayed']).toBeGreaterThan(0);
  expect(summary.counts['crash']).toBeGreaterThan(0);
  expect(summary.counts['redis lost']).toBeGreaterThan(0);
});

test('the same seed gives the same schedule', { timeout: timeMaxMs }, async () => {
  const first = await runSchedule('again', database);
  await runSchedule('another', database);
  const second = await runSchedule('again', database);
  expect(second.trace).toEqual(first.trace);
  expect(first.trace.length).toBeGreaterThan(100);
});
