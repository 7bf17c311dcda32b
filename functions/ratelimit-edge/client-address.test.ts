import fc from 'fast-check';
import { expect, test } from 'vitest';
import { noNetworks, parseNetworks } from '#lib/http/networks.ts';
import { createClientAddress } from './client-address.ts';

const behindProxies = createClientAddress(parseNetworks(['private', '192.0.2.0/24']));
const withoutProxies = createClientAddress(noNetworks);

test.each([
  ['nobody in between', '203.0.113.9', undefined, '203.0.113.9'],
  ['a proxy', '10.1.2.3', '203.0.113.9', '203.0.113.9'],
  ['several proxies', '127.0.0.1', '203.0.113.9, 192.0.2.1,172.16.0.9', '203.0.113.9'],
  ['what the client made up', '10.1.2.3', '198.51.100.1, 203.0.113.9', '203.0.113.9'],
  ['made-up proxies', '10.1.2.3', '198.51.100.1, 10.0.0.1, 203.0.113.9', '203.0.113.9'],
  ['a client that is no proxy of ours', '203.0.113.9', '198.51.100.1', '203.0.113.9'],
  ['garbage of the client', '10.1.2.3', 'unknown, <script>, 203.0.113.9', '203.0.113.9'],
  ['a proxy that will not say', '10.1.2.3', '198.51.100.1, unknown, 192.0.2.1', '192.0.2.1'],
  ['a proxy that says garbage', '10.1.2.3', '198.51.100.1, 1.2.3', '10.1.2.3'],
  ['empty entries', '10.1.2.3', ',203.0.113.9, , ,', '203.0.113.9'],
  ['nothing but commas', '10.1.2.3', ',,,', '10.1.2.3'],
  ['all inside', '127.0.0.1', '192.168.7.7, 10.0.0.1', '192.168.7.7'],
  ['ports', '10.1.2.3', '203.0.113.9:4711, [fd00::1]:80, 10.0.0.1:9', '203.0.113.9'],
  ['an unknown peer', undefined, '203.0.113.9', ''],
  ['IPv4 in IPv6', '::ffff:10.0.0.1', '::ffff:cb00:7109', '203.0.113.9'],
  ['a household', '2001:db8:1:2:3:4:5:6', undefined, '2001:db8:1:2::/64'],
  ['a short IPv6', '10.0.0.1', '2001:db8::1', '2001:db8:0:0::/64'],
  ['zeros written out', '2001:0db8:0000:0000:1::', undefined, '2001:db8:0:0::/64'],
  ['loopback', '::1', undefined, '0:0:0:0::/64'],
])('%s', (_what, peer, forwardedFor, address) => {
  expect(behindProxies(peer, forwardedFor)).toBe(address);
});

test('where no proxy is trusted, the peer counts, whatever is said about it', () => {
  for (const peer of ['127.0.0.1', '10.1.2.3', '203.0.113.9']) {
    expect(withoutProxies(peer, '198.51.100.1, 198.51.100.2')).toBe(peer);
  }
});

test('a long list costs no more than a short one, and its end counts', () => {
  const made = Array.from({ length: 100_000 }, (_, index) => `10.0.0.${index % 250}`).join(', ');
  expect(behindProxies('10.1.2.3', `${made}, 203.0.113.9`)).toBe('203.0.113.9');
  // Farther than any proxy of ours nobody is believed.
  expect(behindProxies('10.1.2.3', `203.0.113.9, ${made}`)).toMatch(/^10\.0\.0\.\d+$/);
});

test('nothing that a client says changes where it comes from, or fails', () => {
  const said = fc.oneof(
    fc.string(),
    fc.ipV4(),
    fc.ipV6(),
    fc.constantFrom('::1%z', '[::', 'unknown'),
  );
  fc.assert(
    fc.property(fc.array(said, { maxLength: 40 }), fc.ipV4(), (list, proxy) => {
      const address = `${list.join(',')}, 203.0.113.9`;
      expect(behindProxies('10.0.0.1', address)).toBe('203.0.113.9');
      expect(withoutProxies(proxy, list.join(','))).toBe(proxy);
      expect(behindProxies('10.0.0.1', list.join(','))).toEqual(expect.any(String));
    }),
  );
});
