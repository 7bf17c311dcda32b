// A Redis Cluster of three nodes of a test's own: whatever takes keys of different slots for one
// place fails here as it would in production.

import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { choosePort } from '#knative/local/ports.ts';
import { type RunningProcess, startProcess } from '#knative/local/process.ts';
import { findProgram } from '#knative/local/stores/programs.ts';

export interface OwnCluster {
  readonly urls: readonly string[];
  /** In the order of their slots. */
  readonly nodes: readonly ClusterMember[];
  /** One more node, which takes over from the first within seconds when that is silent. */
  addReplica(): Promise<void>;
  remove(): Promise<void>;
}

export interface ClusterMember {
  readonly port: number;
  /** Where the nodes talk with each other. */
  readonly busPort: number;
  readonly running: RunningProcess;
}

const slots = 16_384;
const readyDeadlineMs = 20_000;

/** Starts the nodes and resolves when all of them know that the cluster is whole. */
export async function startOwnCluster(): Promise<OwnCluster> {
  const folder = mkdtempSync(join(tmpdir(), 'seckill-own-cluster-'));
  const nodes: ClusterMember[] = [];
  const remove = async () => {
    await Promise.all(nodes.map(({ running }) => running.stop()));
    await rm(folder, { recursive: true, force: true });
  };
  try {
    for (let index = 0; index < 3; index += 1) nodes.push(await startNode(folder, index));
    await makeOne(nodes);
    const urls = nodes.map(({ port }) => `redis://127.0.0.1:${port}`);
    const addReplica = async () => {
      const replica = await startNode(folder, nodes.length);
      const masters = [...nodes];
      nodes.push(replica);
      await replicateFirst(masters, replica);
    };
    return { urls, nodes, addReplica, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** One node that knows no other; `options` are further ones of redis-server. */
export async function startNode(
  folder: string,
  index: number,
  options: readonly string[] = [],
): Promise<ClusterMember> {
  const port = await choosePort();
  const busPort = await choosePort();
  const running = await startProcess({
    name: `redis-${index}`,
    command: findProgram('redis-server'),
    args: [
      ...['--port', String(port), '--cluster-port', String(busPort), '--bind', '127.0.0.1'],
      ...['--dir', folder, '--save', '', '--cluster-enabled', 'yes'],
      ...['--cluster-config-file', `nodes-${index}.conf`],
      ...options,
    ],
    logFile: join(folder, `log-${index}`),
    graceMs: 0,
  });
  return { port, busPort, running };
}

/** Makes a node the replica of the first one; resolves when it has what that has. */
async function replicateFirst(
  masters: readonly ClusterMember[],
  replica: ClusterMember,
): Promise<void> {
  const clients = [...masters, replica].map(({ port }) => new Redis(port, '127.0.0.1'));
  const [first, copy] = [clients[0], clients.at(-1)];
  if (first === undefined || copy === undefined) throw new Error('there is no node');
  const untilDone = async (isDone: () => Promise<boolean>) => {
    const deadline = Date.now() + readyDeadlineMs;
    while (!(await isDone().catch(() => false))) {
      if (Date.now() > deadline) throw new Error('the replica is not made');
      await setTimeout(20);
    }
  };
  try {
    await first.call('CLUSTER', 'MEET', '127.0.0.1', replica.port, replica.busPort);
    const id = await first.call('CLUSTER', 'MYID');
    await untilDone(async () => (await copy.call('CLUSTER', 'REPLICATE', String(id))) === 'OK');
    for (const client of clients) await client.config('SET', 'cluster-node-timeout', '1000');
    await untilDone(async () => (await copy.info('replication')).includes('master_link_status:up'));
    const knows = async (client: Redis) =>
      String(await client.call('CLUSTER', 'NODES')).includes(`slave ${String(id)}`);
    await untilDone(async () => (await Promise.all(clients.map(knows))).every(Boolean));
  } finally {
    for (const client of clients) client.disconnect();
  }
}

/** Gives each node its third of the slots, and makes them known to each other. */
async function makeOne(nodes: readonly ClusterMember[]): Promise<void> {
  const clients = nodes.map(({ port }) => new Redis(port, '127.0.0.1'));
  for (const client of clients) client.on('error', () => undefined);
  try {
    for (const [index, client] of clients.entries()) {
      const [from, to] = [index, index + 1].map((n) => Math.floor((n * slots) / nodes.length));
      await client.call('CLUSTER', 'ADDSLOTSRANGE', from ?? 0, (to ?? slots) - 1);
    }
    for (const { port, busPort } of nodes.slice(1)) {
      await clients[0]?.call('CLUSTER', 'MEET', '127.0.0.1', port, busPort);
    }
    const deadline = performance.now() + readyDeadlineMs;
    for (const client of clients) {
      for (;;) {
        const info = String(await client.call('CLUSTER', 'INFO'));
        if (/cluster_state:ok/.test(info) && /cluster_known_nodes:3/.test(info)) break;
        if (performance.now() > deadline) throw new Error(`no cluster in time: ${info}`);
        await setTimeout(50);
      }
    }
  } finally {
    for (const client of clients) client.disconnect();
  }
}
