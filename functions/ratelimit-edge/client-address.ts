// Where a request comes from, for the tier `ip`: the nearest address on its way that is not one
// of our own network's. Whatever stands left of it in X-Forwarded-For, the client may have made up.

import { BlockList, isIP } from 'node:net';

const inside = new BlockList();
for (const [network, prefix] of [
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['100.64.0.0', 10],
] as const) {
  inside.addSubnet(network, prefix, 'ipv4');
}
inside.addSubnet('fc00::', 7, 'ipv6');
inside.addSubnet('fe80::', 10, 'ipv6');
inside.addAddress('::1', 'ipv6');

/**
 * The client's address, an IPv6 one cut to the /64 that one household has. Where everything is
 * inside our network, the farthest; '' where nothing is known.
 */
export function clientAddress(peer: string | undefined, forwardedFor: string | null): string {
  const way = [...(forwardedFor ?? '').split(','), peer ?? '']
    .map((address) => plainAddress(address.trim()))
    .filter((address) => isIP(address) !== 0);
  const outside = way.findLast((address) => !isInside(address));
  return networkOf(outside ?? way[0] ?? '');
}

function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}

function isInside(address: string): boolean {
  return inside.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}

function networkOf(address: string): string {
  if (isIP(address) !== 6) return address;
  const [head = '', tail = ''] = address.split('::');
  const before = head.split(':').filter((group) => group !== '');
  const after = tail.split(':').filter((group) => group !== '');
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0');
  const groups = address.includes('::') ? [...before, ...zeros, ...after] : before;
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}
