import { expect, test, vi } from 'vitest';
import type { RunningProcess } from './process.ts';
import { supervise } from './supervise.ts';

/** A process whose end is decided by the test. */
function fakeProcess(): RunningProcess & { end: (status: number) => void } {
  const { promise, resolve } = Promise.withResolvers<number>();
  return {
    name: 'it',
    pid: 1,
    logFile: '/log',
    exited: promise,
    end: resolve,
    stop: () => {
      resolve(143);
      return Promise.resolve();
    },
  };
}

test('what ends is started again, and somebody is told', async () => {
  const first = fakeProcess();
  const second = fakeProcess();
  const say = vi.fn();
  const startAgain = vi.fn(() => Promise.resolve(second));
  const supervised = supervise(first, startAgain, say, 1);
  first.end(9);
  await vi.waitFor(() => {
    expect(startAgain).toHaveBeenCalledTimes(1);
  });
  expect(say).toHaveBeenCalledWith('it', 'ended with status 9; starts again in 0.0 s (/log)');
  await supervised.stop();
});

test('a start that fails is tried again', async () => {
  const first = fakeProcess();
  const third = fakeProcess();
  const startAgain = vi
    .fn<() => Promise<RunningProcess>>()
    .mockRejectedValueOnce(new Error('port taken'))
    .mockResolvedValueOnce(third);
  const say = vi.fn();
  const supervised = supervise(first, startAgain, say, 1);
  first.end(1);
  await vi.waitFor(() => {
    expect(say).toHaveBeenLastCalledWith('it', 'runs again');
  });
  expect(say).toHaveBeenCalledWith('it', 'port taken');
  await supervised.stop();
});

test('what is stopped stays so', async () => {
  const startAgain = vi.fn(() => Promise.resolve(fakeProcess()));
  const supervised = supervise(fakeProcess(), startAgain, vi.fn(), 1);
  await supervised.stop();
  expect(startAgain).not.toHaveBeenCalled();
});

test('what is just being started when all is stopped, is stopped too', async () => {
  const first = fakeProcess();
  const late = fakeProcess();
  const starting = Promise.withResolvers<RunningProcess>();
  const startAgain = vi.fn(() => starting.promise);
  const supervised = supervise(first, startAgain, vi.fn(), 1);
  first.end(1);
  await vi.waitFor(() => {
    expect(startAgain).toHaveBeenCalled();
  });
  const stopped = supervised.stop();
  starting.resolve(late);
  await stopped;
  expect(await late.exited).toBe(143);
});
