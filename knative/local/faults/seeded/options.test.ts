import { expect, test } from 'vitest';
import { allKinds } from './kinds.ts';
import { commandOf, readOptions } from './options.ts';
import { planOf } from './plan.ts';

test('seeds are one, or from one to another', () => {
  expect(readOptions(['--seed', '17'])?.seeds).toEqual([17]);
  expect(readOptions(['--seeds', '3-6'])?.seeds).toEqual([3, 4, 5, 6]);
  expect(readOptions([])).toMatchObject({ nodes: 3, kinds: allKinds, json: false });
});

test.each([
  [['--seeds', '6-3'], 'seeds are'],
  [['--seed', '0'], 'seeds are'],
  [['--seed', '1', '--seeds', '1-2'], 'one of them'],
  [['--only', 'kill,quake'], 'quake is none of kill'],
  [['--nodes', '2'], 'there are 1 or 3'],
  [['--seconds=-1'], 'whole number'],
  [['-o', 'xml'], 'text or json'],
  [['--slow'], '--slow'],
])('%j is refused', (args, why) => {
  expect(() => readOptions(args)).toThrow(why);
});

test.each([
  { nodes: 3, kinds: allKinds, seconds: 6 },
  { nodes: 1, kinds: ['freeze', 'kill'], seconds: 20 },
] as const)('the command that repeats a run has the same plan: %j', (options) => {
  const args = commandOf(17, options).replace('npm run faults -- ', '').split(' ');
  const again = readOptions(args);
  if (again === undefined) throw new Error('there is nothing to run');
  expect(again.seeds).toEqual([17]);
  expect(planOf(17, again)).toEqual(planOf(17, options));
});
