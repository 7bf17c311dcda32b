import { expect, test } from 'vitest';
import { wholeNumber } from './whole-number.ts';

test.each(['1', '30', '99'])('%s is taken', (text) => {
  expect(wholeNumber('rate', text, 1, 99)).toBe(Number(text));
});

test.each(['0', '100', '', ' 1', '01', '-1', '1.5', '1e1', '0x1', 'many'])('%j is not', (text) => {
  expect(() => wholeNumber('rate', text, 1, 99)).toThrow('--rate: a whole number from 1 to 99');
});
