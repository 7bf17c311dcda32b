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
  const cache = createTokenCache<number>({ rememberMs: 9, now: () => 0, charactersMax: 12 });
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
  const cache = createTokenCache<number>({ rememberMs: 9, now: () => 0, charactersMax: 4 });
  for (let round = 0; round < 3; round += 1) cache.set('too long', 1, 9);
  expect(cache.get('too long')).toBeUndefined();
  cache.set('abcd', 2, 9);
  cache.set('abcd', 3, 9);
  expect(cache.get('abcd')).toBe(3);
});
