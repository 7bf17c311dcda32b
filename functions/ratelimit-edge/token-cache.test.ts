import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { createTokenCache } from './token-cache.ts';

test('a token is remembered until it ends, and never longer than it may be', () => {
  let nowMs = 0;
  const cache = createTokenCache<string>({ rememberMs: 100, now: () => nowMs });
  cache.set('short', 'a', 50);
  cache.set('long', 'b', 1_000_000);
  nowMs = 49;
  expect([cache.get('short'), cache.get('long')]).toEqual(['a', 'b']);
  nowMs = 50;
  expect([cache.get('short'), cache.get('long')]).toEqual([undefined, 'b']);
  nowMs = 100;
  expect(cache.get('long')).toBeUndefined();
});

test('the least used go first when the tokens together become too long', () => {
  const cache = createTokenCache<number>({ rememberMs: 9, now: () => 0, charactersMax: 3 * 204 });
  cache.set('aaaa', 1, 9);
  cache.set('bbbb', 2, 9);
  cache.set('cccc', 3, 9);
  cache.get('aaaa');
  cache.set('dddd', 4, 9);
  expect(['aaaa', 'bbbb', 'cccc', 'dddd'].map((token) => cache.get(token))).toEqual([
    1,
    undefined,
    3,
    4,
  ]);
});

test('a token longer than all the room is not kept, nor does it leave less room', () => {
  const cache = createTokenCache<number>({ rememberMs: 9, now: () => 0, charactersMax: 204 });
  for (let round = 0; round < 3; round += 1) cache.set('too long', 1, 9);
  expect(cache.get('too long')).toBeUndefined();
  cache.set('abcd', 2, 9);
  cache.set('abcd', 3, 9);
  expect(cache.get('abcd')).toBe(3);
});

test('all is forgotten at once, and there is room again', () => {
  const cache = createTokenCache<number>({ rememberMs: 9, now: () => 0, charactersMax: 2 * 204 });
  cache.set('aaaa', 1, 9);
  cache.set('bbbb', 2, 9);
  cache.clear();
  expect([cache.get('aaaa'), cache.get('bbbb')]).toEqual([undefined, undefined]);
  cache.set('cccc', 3, 9);
  cache.set('dddd', 4, 9);
  expect([cache.get('cccc'), cache.get('dddd')]).toEqual([3, 4]);
});

test('a million distinct tokens need no more memory than a hundred thousand', () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const heapBytes = () => {
    collect();
    return process.memoryUsage().heapUsed;
  };
  const cache = createTokenCache<{ userId: string }>({ rememberMs: 9, now: () => 0 });
  const before = heapBytes();
  for (let index = 0; index < 1_000_000; index += 1) {
    // As it comes: a part of a header of its own.
    const header = Buffer.from(`Bearer ${index}.${'x'.repeat(150)}`).toString('latin1');
    cache.set(header.slice(7), { userId: `user-${index}` }, 9);
  }
  expect(heapBytes() - before).toBeLessThan(100_000_000);
  expect(cache.get(`999999.${'x'.repeat(150)}`)).toEqual({ userId: 'user-999999' });
  expect(cache.get(`0.${'x'.repeat(150)}`)).toBeUndefined();
}, 60_000);
