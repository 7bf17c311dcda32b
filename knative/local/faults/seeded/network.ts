// The network between the processes of a system, which may be cut: the kernel drops what it is told
// to drop, and nobody is told so, as when a cable is pulled. Each process runs as a group of its
// own; by that the connections are known that it opens, and those that it takes by its ports.

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
  /** So much of that, from 1 to 99; what is lost is sent again later, so that it is slow. */
  slow(one: Peer, percent: number): Promise<Restore>;
  /** All between these two; others reach both. */
  part(one: Peer, other: Peer): Promise<Restore>;
  /** What `server` answers to those who have asked it: it has read and done what they asked for. */
  loseAnswers(server: Peer, clients: readonly Peer[] | 'everybody'): Promise<Restore>;
}

const table = 'inet seckill_faults';

/** To be called before they run: resolves when every connection is known by who opens it. */
export async function openNetwork(groupIds: readonly number[]): Promise<Network> {
  const rules = new Map<object, readonly string[]>();
  let last = Promise.resolve();

  function apply(): Promise<void> {
    last = last
      .catch(() => undefined)
      .then(() => load(rulesetOf(groupIds, [...rules.values()].flat())));
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
    cut: (one) => add(allOf(one).map((match) => `${match} drop`)),
    slow: (one, percent) =>
      add(allOf(one).map((match) => `${match} numgen random mod 100 < ${percent} drop`)),
    part: (one, other) => add([...opened(one, other), ...opened(other, one)]),
    loseAnswers(server, clients) {
      const answer = `tcp sport ${setOf(server.ports)}`;
      if (clients === 'everybody') return add([`${answer} drop`]);
      return add([`ct mark ${setOf(clients.map(({ groupId }) => groupId))} ${answer} drop`]);
    },
  };
}

function allOf({ groupId, ports }: Peer): string[] {
  return [`ct mark ${groupId}`, `tcp dport ${setOf(ports)}`, `tcp sport ${setOf(ports)}`];
}

/** Both ways of the connections that one has opened to the other. */
function opened(one: Peer, { ports }: Peer): string[] {
  const ofOne = `ct mark ${one.groupId} tcp`;
  return [`${ofOne} dport ${setOf(ports)} drop`, `${ofOne} sport ${setOf(ports)} drop`];
}

function setOf(numbers: readonly number[]): string {
  return `{ ${numbers.join(', ')} }`;
}

/** The whole table, which takes the place of the one before it at once. */
function rulesetOf(groupIds: readonly number[], rules: readonly string[]): string {
  const marks = groupIds.map((groupId) => `${groupId} : ${groupId}`).join(', ');
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
