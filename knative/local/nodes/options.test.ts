import { expect, test } from 'vitest';
import { readOptions, usage } from './options.ts';

test('all losses where none is named, else those that contain one of the texts', () => {
  expect(readOptions([])?.isMeant('MySQL')).toBe(true);
  const isMeant = readOptions(['--only', 'redis, purchase'])?.isMeant;
  expect(isMeant?.('Redis: another node')).toBe(true);
  expect(isMeant?.('purchase')).toBe(true);
  expect(isMeant?.('MySQL')).toBe(false);
});

test('help is no run, and names every loss', () => {
  expect(readOptions(['--help'])).toBeUndefined();
  expect(usage).toContain('Kafka: the controller');
});

test('what is not meant is refused before three nodes are started', () => {
  expect(() => readOptions(['--only', 'Redis,Oracle'])).toThrow('called oracle');
  expect(() => readOptions(['--rate', '0'])).toThrow('--rate: a whole number');
  expect(() => readOptions(['-o', 'xml'])).toThrow('table or json');
  expect(() => readOptions(['--nodes', '5'])).toThrow();
});
