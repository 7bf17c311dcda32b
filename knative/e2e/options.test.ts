import { expect, test } from 'vitest';
import { readOptions } from './options.ts';

test('all that can be shown is, and what needs to be told how is not', () => {
  expect(readOptions([], {}).only).not.toContain('node-loss');
  const told = readOptions(['--kill-node', 'stop {node}'], { SECKILL_GATEWAY: 'http://g:80/' });
  expect(told.only).toContain('node-loss');
  expect(told).toMatchObject({ namespace: 'seckill', gateways: ['http://g:80'], json: false });
});

test('what is asked for is done in the order that makes sense', () => {
  expect(readOptions(['--only', 'warm,orders', '-o', 'json', '-n', 'x'], {})).toMatchObject({
    ...{ only: ['orders', 'warm'], json: true, namespace: 'x' },
  });
});

test.each([
  ['--only', 'no-such'],
  ['--only', 'node-loss'],
  ['--kill-node', 'reboot'],
  ['--gateway', '10.0.0.1'],
  ['--tries', '0'],
  ['--source-runner', 'perhaps'],
  ['-o', 'yaml'],
  ['--nothing', 'x'],
])('%s %s is refused, and says which', (option, value) => {
  expect(() => readOptions([option, value], {})).toThrow(option.replace(/^-o$/, '--output'));
});
