// The nodes of a Redis Cluster one by one, and what each believes of the others.

import { lookup } from 'node:dns/promises';
import { Redis } from 'ioredis';

const timeoutMs = 5_000;

/** One line of CLUSTER NODES. */
export interface ClusterNode {
  readonly id: string;
  readonly isHandshake: boolean;
  readonly hasFailed: boolean;
  readonly masterId: string | undefined;
  readonly slots: readonly (readonly [from: number, to: number])[];
  readonly slotCount: number;
}

/** What a plan is made of. */
export interface PlacedNode {
  readonly id: string;
  /** The machine it runs on, as far as it tells. */
  readonly machine: string;
  readonly role: 'master' | 'replica';
  readonly masterId: string | undefined;
  readonly slots: readonly (readonly [from: number, to: number])[];
}

export interface OpenNode {
  readonly id: string;
  readonly name: string;
  readonly machine: string;
  readonly address: string;
  readonly port: number;
  readonly busPort: number;
  call(command: string, ...args: readonly (string | number)[]): Promise<unknown>;
  /** All nodes it knows. */
  view(): Promise<ClusterNode[]>;
  close(): void;
}

/** Connects to each node; rejects where one does not answer. */
export async function openNodes(urls: readonly string[]): Promise<OpenNode[]> {
  const clients = urls.map(
    (url) =>
      new Redis(url, {
        lazyConnect: true,
        connectTimeout: timeoutMs,
        commandTimeout: timeoutMs,
        maxRetriesPerRequest: 0,
        retryStrategy: () => null,
        // Ready or not: it may be waiting for its cluster.
        enableReadyCheck: false,
      }),
  );
  try {
    return await Promise.all(clients.map(open));
  } catch (error) {
    for (const client of clients) client.disconnect();
    throw error;
  }
}

async function open(client: Redis): Promise<OpenNode> {
  const { host = '127.0.0.1', port = 6379 } = client.options;
  const name = `${host}:${port}`;
  client.on('error', () => undefined);
  await client.connect().catch((error: unknown) => {
    throw new Error(`${name}: ${String(error)}`, { cause: error });
  });
  const call = (command: string, ...args: readonly (string | number)[]) =>
    client.call(command, ...args.map(String));
  const nodesText = async () => String(await call('CLUSTER', 'NODES'));
  const own = (await nodesText()).split('\n').find((line) => line.includes('myself'));
  if (own === undefined) throw new Error(`${name} does not know itself`);
  const [, title = ''] = (await call('CONFIG', 'GET', 'proc-title-template')) as string[];
  return {
    id: own.split(' ')[0] ?? '',
    name,
    // start.sh says so there; elsewhere the host is the best that is known.
    machine: / on (\S+)$/.exec(title)?.[1] ?? host,
    address: (await lookup(host)).address,
    port,
    busPort: Number(/@(\d+)/.exec(own)?.[1]),
    call,
    view: async () => (await nodesText()).trim().split('\n').map(parseNode),
    close: () => {
      client.disconnect();
    },
  };
}

export function closeNodes(nodes: readonly OpenNode[]): void {
  for (const node of nodes) node.close();
}

/** Each node as it sees itself. */
export async function readNodes(
  nodes: readonly OpenNode[],
): Promise<(OpenNode & PlacedNode & { readonly linkIsUp: boolean })[]> {
  return await Promise.all(
    nodes.map(async (node) => {
      const own = (await node.view()).find(({ id }) => id === node.id);
      const replication = String(await node.call('INFO', 'replication'));
      return {
        ...node,
        role: own?.masterId === undefined ? ('master' as const) : ('replica' as const),
        masterId: own?.masterId,
        slots: own?.slots ?? [],
        linkIsUp: /^master_link_status:up/m.test(replication),
      };
    }),
  );
}

/** `id address flags master ping pong epoch link slot…`; a slot that moves is in brackets. */
function parseNode(line: string): ClusterNode {
  const [id = '', , flags = '', master = '-', , , , , ...rest] = line.split(' ');
  const slots = rest
    .filter((slot) => /^\d/.test(slot))
    .map((slot) => {
      const [from = '', to = from] = slot.split('-');
      return [Number(from), Number(to)] as const;
    });
  const is = (flag: string) => flags.split(',').includes(flag);
  return {
    id,
    isHandshake: is('handshake'),
    hasFailed: is('fail'),
    masterId: master === '-' ? undefined : master,
    slots,
    slotCount: slots.reduce((sum, [from, to]) => sum + to - from + 1, 0),
  };
}
