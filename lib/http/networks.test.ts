import { describe, expect, test } from 'vitest';
import { noNetworks, parseNetworks, readAddress } from './networks.ts';

test.each([
  ['203.0.113.9', '203.0.113.9'],
  ['203.0.113.9:51234', '203.0.113.9'],
  ['2001:DB8:0:0::1', '2001:db8::1'],
  ['[2001:db8::1]', '2001:db8::1'],
  ['[2001:db8::1]:443', '2001:db8::1'],
  ['fe80::1%eth0', 'fe80::1'],
  ['::ffff:203.0.113.9', '203.0.113.9'],
  ['::FFFF:cb00:7109', '203.0.113.9'],
  ['[::ffff:203.0.113.9]:80', '203.0.113.9'],
])('%s is %s', (text, address) => {
  expect(readAddress(text)).toBe(address);
});

test.each([
  '',
  'unknown',
  '_hidden',
  'localhost',
  '203.0.113',
  '203.0.113.256',
  '203.0.113.9:',
  '203.0.113.9:80:80',
  '[203.0.113.9',
  '[2001:db8::1]443',
  '2001:db8::1::2',
  '10.0.0.0/8',
  `2001:db8::1%${'z'.repeat(100)}`,
])('%s is no address', (text) => {
  expect(readAddress(text)).toBeUndefined();
});

describe('networks', () => {
  test.each([
    [['10.0.0.0/8'], ['10.0.0.0', '10.255.255.255'], ['11.0.0.1', '9.255.255.255', '::1']],
    [['10.1.2.3/8'], ['10.9.9.9'], ['11.0.0.1']],
    [
      ['203.0.113.9', '2001:db8::/33'],
      ['203.0.113.9', '2001:db8::1'],
      ['203.0.113.8', '2001:db8:8000::'],
    ],
    [['2001:DB8::1'], ['2001:db8::1'], ['2001:db8::2']],
    [
      ['private'],
      [
        '10.1.1.1',
        '172.31.0.1',
        '192.168.1.1',
        '127.0.0.1',
        '::1',
        'fd00::1',
        'fe80::1',
        '100.64.0.1',
      ],
      ['172.32.0.1', '203.0.113.9', '2001:db8::1', '100.128.0.1', '8.8.8.8'],
    ],
    [['private', '203.0.113.0/24'], ['203.0.113.9', '10.0.0.1'], ['203.0.114.9']],
    [[], [], ['127.0.0.1', '::1']],
  ])('%j', (entries, inside, outside) => {
    const networks = parseNetworks(entries);
    expect(inside.filter((address) => !networks.include(address))).toEqual([]);
    expect(outside.filter((address) => networks.include(address))).toEqual([]);
  });

  test('no networks include nobody', () => {
    expect(noNetworks.isEmpty).toBe(true);
    expect(parseNetworks(['private']).isEmpty).toBe(false);
  });

  test.each([
    ['10.0.0.0/33', 'has a prefix longer than 32 bits'],
    ['2001:db8::/129', 'has a prefix longer than 128 bits'],
    ['0.0.0.0/0', 'is the whole Internet'],
    ['::/0', 'is the whole Internet'],
    ['::ffff:10.0.0.0/104', 'is IPv4 within IPv6: write it as IPv4'],
  ])('%s %s', (entry, fault) => {
    expect(() => parseNetworks(['private', entry])).toThrow(`entry 2 ${fault}`);
  });

  test.each([
    '10.0.0.0/',
    '10.0.0/8',
    '10.0.0.1:80',
    'Private',
    'gateway',
    '10.0.0.0/-1',
    '1.1.1.1/8/8',
  ])('%s is none', (entry) => {
    expect(() => parseNetworks([entry])).toThrow('entry 1 is neither an address, nor a network');
  });
});
