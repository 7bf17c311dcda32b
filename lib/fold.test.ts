import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createFold, type FoldOptions, WaitedTooLong } from './fold.ts';

interface Item {
  readonly key: string;
  readonly size: number;
  readonly name: string;
}

interface Run {
  readonly names: string;
  readonly finish: () => void;
  readonly fail: (error: Error) => void;
}

/** A fold whose runs begin at once and end when the test says so. */
function aFold(options: Partial<FoldOptions<Item, string>> = {}) {
  const runs: Run[] = [];
  const fold = createFold<Item, string>({
    keyOf: ({ key }) => key,
    sizeOf: ({ size }) => size,
    sizeMax: 3,
    runsMax: 2,
    runsPerKeyMax: 1,
    waitMaxMs: 1_000,
    run: (items) =>
      new Promise((resolve, reject) => {
        const names = items.map(({ name }) => name);
        runs.push({
          names: names.join(''),
          finish: () => {
            resolve(names.map((name) => `${name} done`));
          },
          fail: reject,
        });
      }),
    ...options,
  });
  const add = (key: string, name: string, size = 1) => fold({ key, name, size });
  return { add, runs };
}

const turn = () => vi.advanceTimersByTimeAsync(0);
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

test('what arrives while its key runs is run together afterwards, up to the size', async () => {
  const { add, runs } = aFold();
  const all = ['a', 'b', 'c', 'd', 'e'].map((name) => add('k', name));
  expect(runs.map(({ names }) => names)).toEqual(['a']);
  runs[0]?.finish();
  await turn();
  expect(runs.map(({ names }) => names)).toEqual(['a', 'bcd']);
  runs[1]?.finish();
  await turn();
  runs[2]?.finish();
  expect(await Promise.all(all)).toEqual(['a done', 'b done', 'c done', 'd done', 'e done']);
});

test('an item above the size is run, alone', async () => {
  const { add, runs } = aFold();
  const all = [add('k', 'a'), add('k', 'B', 100), add('k', 'c')];
  for (const [index, names] of ['a', 'B', 'c'].entries()) {
    expect(runs[index]?.names).toBe(names);
    runs[index]?.finish();
    await turn();
  }
  await Promise.all(all);
});

test('keys run side by side, no more than so many, and take turns', async () => {
  const { add, runs } = aFold();
  const all = [add('x', 'a'), add('x', 'b'), add('y', 'c'), add('z', 'd')];
  expect(runs.map(({ names }) => names)).toEqual(['a', 'c']);
  runs[0]?.finish();
  await turn();
  expect(runs.map(({ names }) => names)).toEqual(['a', 'c', 'd']);
  runs[1]?.finish();
  await turn();
  expect(runs.map(({ names }) => names)).toEqual(['a', 'c', 'd', 'b']);
  runs[2]?.finish();
  runs[3]?.finish();
  await Promise.all(all);
});

test('a key has no more runs at a time than it may, whatever the others leave free', async () => {
  const { add, runs } = aFold({ runsMax: 4, runsPerKeyMax: 2 });
  const all = ['a', 'b', 'c', 'd'].map((name) => add('x', name));
  all.push(add('y', 'e'));
  expect(runs.map(({ names }) => names)).toEqual(['a', 'b', 'e']);
  runs[1]?.finish();
  await turn();
  expect(runs.map(({ names }) => names)).toEqual(['a', 'b', 'e', 'cd']);
  for (const run of runs) run.finish();
  await Promise.all(all);
});

test('a failed run fails its items and no others', async () => {
  const { add, runs } = aFold();
  const first = add('k', 'a');
  const second = add('k', 'b');
  runs[0]?.fail(new Error('no'));
  await expect(first).rejects.toThrow('no');
  runs[1]?.finish();
  expect(await second).toBe('b done');
});

describe('what waited too long', () => {
  test('is not run, and does not keep the next from running', async () => {
    const { add, runs } = aFold();
    const first = add('k', 'a');
    const late = expect(add('k', 'b')).rejects.toThrow(WaitedTooLong);
    await vi.advanceTimersByTimeAsync(1_500);
    const fresh = add('k', 'c');
    runs[0]?.finish();
    await late;
    expect(runs.map(({ names }) => names)).toEqual(['a', 'c']);
    runs[1]?.finish();
    expect(await Promise.all([first, fresh])).toEqual(['a done', 'c done']);
  });

  test('leaves nothing behind', async () => {
    const { add, runs } = aFold({ runsMax: 1 });
    const first = add('k', 'a');
    const late = expect(add('k', 'b')).rejects.toThrow(WaitedTooLong);
    await vi.advanceTimersByTimeAsync(1_500);
    runs[0]?.finish();
    await Promise.all([first, late]);
    const again = add('k', 'c');
    runs[1]?.finish();
    expect(await again).toBe('c done');
  });
});
