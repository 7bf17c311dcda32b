import { expect, test } from 'vitest';
import { clientAddress } from './client-address.ts';

test.each([
  ['nobody in between', '203.0.113.9', null, '203.0.113.9'],
  ['a proxy inside', '10.1.2.3', '203.0.113.9', '203.0.113.9'],
  ['several proxies inside', '127.0.0.1', '203.0.113.9, 10.0.0.1, 172.16.0.9', '203.0.113.9'],
  ['what the client made up', '10.1.2.3', '198.51.100.1, 203.0.113.9', '203.0.113.9'],
  ['a client that is no proxy of ours', '203.0.113.9', '198.51.100.1', '203.0.113.9'],
  ['garbage', '10.1.2.3', 'unknown, <script>, 203.0.113.9', '203.0.113.9'],
  ['all inside', '127.0.0.1', '192.168.7.7, 10.0.0.1', '192.168.7.7'],
  ['nothing known', undefined, null, ''],
  ['IPv4 in IPv6', '::ffff:203.0.113.9', null, '203.0.113.9'],
  ['a household', '2001:db8:1:2:3:4:5:6', null, '2001:db8:1:2::/64'],
  ['a short IPv6', '10.0.0.1', '2001:db8::1', '2001:db8:0:0::/64'],
  ['zeros written out', '2001:0db8:0000:0000:1::', null, '2001:db8:0:0::/64'],
  ['loopback', '::1', null, '0:0:0:0::/64'],
])('%s', (_what, peer, forwardedFor, address) => {
  expect(clientAddress(peer, forwardedFor)).toBe(address);
});
