// Addresses and networks as operators and proxies write them. Whatever way an address is written,
// it is the same one here: IPv4 within IPv6 is IPv4, and a port or a zone is no part of it.

import { BlockList, isIP, SocketAddress } from 'node:net';

export interface Networks {
  readonly isEmpty: boolean;
  /** Whether one of them has this address, as `readAddress` gives it. */
  include(address: string): boolean;
}

/** The word for all networks that nobody outside can send from: RFC 1918, 4193, 6598 and so on. */
const privateWord = 'private';
const privateNetworks = [
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '::1/128',
  'fc00::/7',
  'fe80::/10',
];

/**
 * The networks of a list of addresses, networks (`10.0.0.0/8`, `2001:db8::/32`) and the word
 * `private`. Throws an Error that says which entry is none of these, by its place in the list.
 */
export function parseNetworks(entries: readonly string[]): Networks {
  const networks = new BlockList();
  entries.forEach((entry, index) => {
    for (const text of entry === privateWord ? privateNetworks : [entry]) {
      const network = parseNetwork(text);
      if (typeof network === 'string') throw new Error(`entry ${index + 1} ${network}`);
      networks.addSubnet(network.address, network.prefix, familyOf(network.address));
    }
  });
  return {
    isEmpty: entries.length === 0,
    include: (address) => networks.check(address, familyOf(address)),
  };
}

/** No network at all. */
export const noNetworks = parseNetworks([]);

interface Network {
  readonly address: string;
  readonly prefix: number;
}

/** The network, or what is wrong with its text. */
function parseNetwork(text: string): Network | string {
  const [, written = '', prefixText] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  // No port and no brackets: those are of an address that somebody has connected from.
  const address = isIP(written) === 0 ? undefined : readAddress(written);
  if (address === undefined) {
    return 'is neither an address, nor a network like 10.0.0.0/8, nor the word private';
  }
  const bits = isIP(address) === 6 ? 128 : 32;
  const prefix = prefixText === undefined ? bits : Number(prefixText);
  if (isIP(written) === 6 && bits === 32) return 'is IPv4 within IPv6: write it as IPv4';
  if (prefix > bits) return `has a prefix longer than ${bits} bits`;
  return prefix === 0
    ? 'is the whole Internet: then anybody may say who they are'
    : { address, prefix };
}

const familyOf = (address: string) => (isIP(address) === 6 ? 'ipv6' : 'ipv4');

/** No address with its brackets, zone and port is longer. */
const textLengthMax = 80;

/** The address that this text names, in its one canonical form; undefined where it names none. */
export function readAddress(text: string): string | undefined {
  if (text.length > textLengthMax) return undefined;
  const host =
    /^\[([^\]]*)\](?::\d+)?$/.exec(text)?.[1] ?? /^([\d.]+):\d+$/.exec(text)?.[1] ?? text;
  const family = isIP(host);
  if (family === 4) return host;
  if (family === 0) return undefined;
  const { address } = new SocketAddress({ address: host, family: 'ipv6' });
  const inIpv6 = /^::ffff:([\d.]+)$/.exec(address)?.[1];
  return inIpv6 ?? address;
}
