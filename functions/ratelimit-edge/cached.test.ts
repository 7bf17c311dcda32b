import { expect, test } from 'vitest';
import { createCached } from './cached.ts';

test('many who ask at once are answered by one reading, which is kept for a moment', async () => {
  let nowMs = 0;
  let loads = 0;
  const cached = createCached({
    freshMs: 100,
    entriesMax: 10,
    load: (key) => Promise.resolve(`${key}${(loads += 1)}`),
    now: () => nowMs,
  });
  const values = await Promise.all([cached('a'), cached('a'), cached('b')]);
  expect(values.map(({ value }) => value)).toEqual(['a1', 'a1', 'b2']);
  nowMs = 99;
  expect(await cached('a')).toEqual({ value: 'a1', ageMs: 99 });
  nowMs = 100;
  expect(await cached('a')).toEqual({ value: 'a3', ageMs: 0 });
});

test('a failure reaches all who wait for it and is not kept', async () => {
  let isAway = true;
  const cached = createCached({
    freshMs: 100,
    entriesMax: 10,
    load: () => (isAway ? Promise.reject(new Error('away')) : Promise.resolve('back')),
    now: () => 0,
  });
  const both = await Promise.allSettled([cached('a'), cached('a')]);
  expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  isAway = false;
  expect((await cached('a')).value).toBe('back');
});

test('what was asked for longest ago is forgotten first', async () => {
  const loads: string[] = [];
  const cached = createCached({
    freshMs: 100,
    entriesMax: 2,
    load: (key) => Promise.resolve(loads.push(key)),
    now: () => 0,
  });
  for (const key of ['a', 'b', 'c', 'b', 'c', 'a']) await cached(key);
  expect(loads).toEqual(['a', 'b', 'c', 'a']);
});
