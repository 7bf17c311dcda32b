import { expect, test } from 'vitest';
import { CircuitOpen, createBreaker } from './breaker.ts';

class Down extends Error {}

function setup() {
  let nowMs = 0;
  const breaker = createBreaker({
    failuresMax: 3,
    halfOpenAfterMs: 400,
    isFailure: (error) => error instanceof Down,
    now: () => nowMs,
  });
  const fail = () => breaker.execute(() => Promise.reject(new Down()));
  const succeed = () => breaker.execute(() => 'ok');
  return { breaker, fail, succeed, advance: (ms: number) => (nowMs += ms) };
}

test('opens after three failures in a row and is closed by one success', async () => {
  const { fail, succeed, advance } = setup();
  for (let call = 0; call < 3; call += 1) await expect(fail()).rejects.toThrow(Down);
  await expect(succeed()).rejects.toThrow(CircuitOpen);
  advance(399);
  await expect(succeed()).rejects.toThrow(CircuitOpen);
  advance(1);
  expect(await succeed()).toBe('ok');
  expect(await succeed()).toBe('ok');
});

test('lets one call through at a time, also while that call hangs', async () => {
  const { breaker, fail, succeed, advance } = setup();
  for (let call = 0; call < 3; call += 1) await expect(fail()).rejects.toThrow(Down);
  advance(400);
  void breaker.execute(() => new Promise<never>(() => undefined));
  await expect(succeed()).rejects.toThrow(CircuitOpen);
  advance(400);
  expect(await succeed()).toBe('ok');
});

test('an error that says nothing about the member closes it like a success', async () => {
  const { breaker, fail, succeed } = setup();
  const refuse = () => breaker.execute(() => Promise.reject(new Error('no such lease')));
  await expect(fail()).rejects.toThrow(Down);
  await expect(fail()).rejects.toThrow(Down);
  await expect(refuse()).rejects.toThrow('no such lease');
  await expect(fail()).rejects.toThrow(Down);
  await expect(fail()).rejects.toThrow(Down);
  expect(await succeed()).toBe('ok');
});
