import { expect, test } from 'vitest';
import { createCached } from './cached.ts';
import { Unavailable } from './unavailable.ts';

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

test('a failure reaches all who wait for it, and is kept for a moment, too', async () => {
  let nowMs = 0;
  let loads = 0;
  let isAway = true;
  const cached = createCached({
    freshMs: 100,
    entriesMax: 10,
    load() {
      loads += 1;
      return isAway ? Promise.reject(new Error('away')) : Promise.resolve('back');
    },
    now: () => nowMs,
  });
  const both = await Promise.allSettled([cached('a'), cached('a')]);
  expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  isAway = false;
  nowMs = 99;
  await expect(cached('a')).rejects.toThrow('away');
  expect(loads).toBe(1);
  nowMs = 100;
  expect((await cached('a')).value).toBe('back');
});

test('while one looks whether a failure has passed, nobody else waits', async () => {
  let nowMs = 0;
  let end: (error?: Error) => void = () => undefined;
  const cached = createCached({
    freshMs: 100,
    entriesMax: 10,
    load: () =>
      new Promise<string>((resolve, reject) => {
        end = (error) => {
          if (error === undefined) resolve('back');
          else reject(error);
        };
      }),
    now: () => nowMs,
  });
  const first = cached('a');
  end(new Error('away'));
  await expect(first).rejects.toThrow('away');
  nowMs = 100;
  const looking = cached('a');
  await expect(cached('a')).rejects.toThrow('away');
  end();
  expect((await looking).value).toBe('back');
  expect((await cached('a')).value).toBe('back');
});

test('no more are loaded at once than may be', async () => {
  const ends: (() => void)[] = [];
  const cached = createCached({
    freshMs: 100,
    entriesMax: 10,
    loadingMax: 2,
    load: (key) =>
      new Promise<string>((resolve) => {
        ends.push(() => {
          resolve(key);
        });
      }),
  });
  const both = [cached('a'), cached('b'), cached('a')];
  await expect(cached('c')).rejects.toThrow(Unavailable);
  for (const end of ends) end();
  expect((await Promise.all(both)).map(({ value }) => value)).toEqual(['a', 'b', 'a']);
  const third = cached('c');
  ends.at(-1)?.();
  expect((await third).value).toBe('c');
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
