// The network between the processes of a system, which may be cut: the kernel drops what it is told
// to drop, and nobody is told so, as when a cable is pulled. Each process runs as a group of its
// own: by that its packets are known, and those of the connections that it has opened.

import { spawn } from 'node:child_process';
import { findProgram } from '../../stores/programs.ts';

/** A process as the kernel knows it. */
export interface Peer {
  readonly groupId: number;
  /** Where it listens. */
  readonly ports: readonly number[];
}

/** Undoes it. */
export type Restore = () => Promise<void>;

export interface Network {
  /** All that it sends, and all that is sent to it. */
  cut(one: Peer): Promise<Restore>;
  /** So much of that, from 0 to 100; what is lost is sent again later, so that it is slow. */
  lose(one: Peer, percent: number): Promise<Restore>;
  /** What `server` answers to these, who have asked it: it has read and done what they asked for. */
  loseAnswers(server: Peer, clients: readonly Peer[]): Promise<Restore>;
}

const table = 'inet seckill_faults';

/** Resolves once all connections that are made from now on are known by who makes them. */
export async function openNetwork(peers: readonly Peer[]): Promise<Network> {
  const rules = new Map<object, readonly string[]>();
  let last = Promise.resolve();

  function apply(): Promise<void> {
    last = last.then(() => load(rulesetOf(peers, [...rules.values()].flat())));
    return last;
  }

  async function add(some: readonly string[]): Promise<Restore> {
    const key = {};
    rules.set(key, some);
    await apply();
    return async () => {
      rules.delete(key);
      await apply();
    };
  }

  await apply();
  return {
    cut: (one) => add(bothWays(one, 'drop')),
    lose: (one, percent) => add(bothWays(one, `numgen random mod 100 < ${percent} drop`)),
    loseAnswers: ({ groupId }, clients) =>
      add(clients.map((client) => `meta skgid ${groupId} ct mark ${client.groupId} drop`)),
  };
}

function bothWays({ groupId, ports }: Peer, verdict: string): string[] {
  return [
    `meta skgid ${groupId} ${verdict}`,
    `ct mark ${groupId} ${verdict}`,
    `tcp dport { ${ports.join(', ')} } ${verdict}`,
  ];
}

/** The whole table, which takes the place of the one before it at once. */
export function rulesetOf(peers: readonly Peer[], rules: readonly string[]): string {
  const marks = peers.map(({ groupId }) => `${groupId} : ${groupId}`).join(', ');
  return [
    `table ${table}`,
    `delete table ${table}`,
    `table ${table} {`,
    '  chain sent {',
    '    type filter hook output priority 0; policy accept;',
    `    ct state new ct mark set meta skgid map { ${marks} }`,
    ...rules.map((rule) => `    ${rule}`),
    '  }',
    '}',
    '',
  ].join('\n');
}

function load(ruleset: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const nft = spawn(findProgram('nft'), ['-f', '-'], { stdio: ['pipe', 'ignore', 'pipe'] });
    let said = '';
    nft.stderr.on('data', (chunk) => (said += String(chunk)));
    nft.once('error', reject);
    nft.once('exit', (status) => {
      if (status === 0) resolve();
      else reject(new Error(`nft: ${said.trim()}`));
    });
    nft.stdin.on('error', () => undefined);
    nft.stdin.end(ruleset);
  });
}
