// Where a request comes from, for the tier `ip`: the nearest address on its way that is not a
// trusted proxy's. Each proxy writes down who has connected to it, at the right of
// X-Forwarded-For; what stands left of an address that is not trusted, anybody may have made up.

import { isIP } from 'node:net';
import { type Networks, readAddress } from '#lib/http/networks.ts';

/** The address of a client, by who has connected to us and what X-Forwarded-For says. */
export type ClientAddress = (peer: string | undefined, forwardedFor: string | undefined) => string;

/** No chain of proxies is longer; a header may have thousands of entries. */
const hopsMax = 32;

/**
 * The client's address, an IPv6 one cut to the /64 that one household has. Where all are trusted,
 * the farthest; where a trusted proxy says nothing readable, that proxy; '' of an unknown peer.
 */
export function createClientAddress(trusted: Networks): ClientAddress {
  return (peer = '', forwardedFor = '') => {
    let address = readAddress(peer);
    if (address === undefined) return '';
    let end = forwardedFor.length;
    for (let hop = 0; hop < hopsMax && end > 0 && trusted.include(address); hop += 1) {
      const comma = forwardedFor.lastIndexOf(',', end - 1);
      const entry = forwardedFor.slice(comma + 1, end).trim();
      end = comma;
      if (entry === '') continue;
      const next = readAddress(entry);
      if (next === undefined) break;
      address = next;
    }
    return networkOf(address);
  };
}

function networkOf(address: string): string {
  if (isIP(address) !== 6) return address;
  const [head = '', tail = ''] = address.split('::');
  const before = head.split(':').filter((group) => group !== '');
  const after = tail.split(':').filter((group) => group !== '');
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0');
  const groups = address.includes('::') ? [...before, ...zeros, ...after] : before;
  return `${groups.slice(0, 4).join(':')}::/64`;
}
