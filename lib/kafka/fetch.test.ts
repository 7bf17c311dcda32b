import { expect, test } from 'vitest';
import { headersOf } from './fetch.ts';

const record = { offset: '0', timestamp: '0', key: null, value: null };

test('of a header that comes twice the last value counts, and one without a value is none', () => {
  const [one, two] = [Buffer.from('1'), Buffer.from('2')];
  const headers = { a: one, b: [one, two], c: null, d: [one, null], e: undefined };
  expect(headersOf({ ...record, headers })).toEqual({ a: one, b: two });
});
