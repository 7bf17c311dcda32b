import { expect, test } from 'vitest';
import { readOptions } from './options.ts';

test('without options it is half an hour at 500 a second and a fault a minute', () => {
  expect(readOptions([])).toEqual({
    ...{ minutes: 30, rate: 500, nodes: 1, faultEverySeconds: 60, seed: 1 },
    ...{ json: false, out: undefined, samples: undefined },
  });
});

test('all of it can be asked for', () => {
  const asked = '--minutes 3 --rate 200 --nodes 3 --fault-every 0 --seed 9 --out f -o json';
  expect(readOptions(asked.split(' '))).toEqual({
    ...{ minutes: 3, rate: 200, nodes: 3, faultEverySeconds: 0, seed: 9 },
    ...{ json: true, out: 'f', samples: undefined },
  });
  expect(readOptions(['--help'])).toBeUndefined();
});

test.each([
  ['--nodes 2', 'there are 1 or 3'],
  ['--minutes 0', 'from 1 to'],
  ['--minutes 1.5', 'from 1 to'],
  ['--rate many', 'from 1 to'],
  ['-o yaml', 'table or json'],
  ['--often', 'often'],
])('%s is refused', (asked, why) => {
  expect(() => readOptions(asked.split(' '))).toThrow(why);
});
