// Which process has which part just now, and whether one that was away belongs to the others again.

import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { Kafka, logLevel } from 'kafkajs';
import { ordersTopic, saleKeys } from '#lib/names.ts';
import type { ProcessEntry } from '../state.ts';
import type { Kind } from '../topology.ts';

type Processes = readonly ProcessEntry[];

const answerMs = 2_000;

export function ofKind(processes: Processes, kind: Kind): Processes {
  return processes.filter((one) => one.kind === kind);
}

/** The one of its kind for which this is so; throws where it is of none that answers. */
async function whichOf(
  processes: Processes,
  kind: Kind,
  isSo: (one: ProcessEntry) => Promise<boolean>,
): Promise<ProcessEntry> {
  const all = ofKind(processes, kind);
  const told = await Promise.all(all.map((one) => isSo(one).catch(() => false)));
  const found = all.find((_, at) => told[at]);
  if (found === undefined) throw new Error(`it is told of no ${kind}`);
  return found;
}

export function etcdLeader(processes: Processes): Promise<ProcessEntry> {
  return whichOf(processes, 'etcd', async ({ port }) => {
    const response = await fetch(`http://127.0.0.1:${port}/v3/maintenance/status`, {
      method: 'POST',
      body: '{}',
      signal: AbortSignal.timeout(answerMs),
    });
    const status = (await response.json()) as {
      readonly header?: { readonly member_id?: string };
      readonly leader?: string;
    };
    return status.leader !== undefined && status.leader === status.header?.member_id;
  });
}

/** The master of the node that has the keys of this product's sale. */
export async function redisMasterOf(
  processes: Processes,
  productId: string,
): Promise<ProcessEntry> {
  const [master] = await redisNodesOf(processes, productId);
  return whichOf(processes, 'redis', (one) => Promise.resolve(one.port === master));
}

/** The first of its replicas. */
export async function redisReplicaOf(
  processes: Processes,
  productId: string,
): Promise<ProcessEntry> {
  const [, replica] = await redisNodesOf(processes, productId);
  return whichOf(processes, 'redis', (one) => Promise.resolve(one.port === replica));
}

/** How much has been written to a Redis node that it knows of, bytes. */
export async function replicationOffset(one: ProcessEntry): Promise<number> {
  const replication = String(await askRedis(one, 'INFO', 'replication'));
  return Number(/^master_repl_offset:(\d+)/m.exec(replication)?.[1]);
}

/** The ports of those that have a sale's keys, the master first, as the first to answer says. */
async function redisNodesOf(processes: Processes, productId: string): Promise<number[]> {
  const { sale } = saleKeys(productId);
  return Promise.any(
    ofKind(processes, 'redis').map(async (one) => {
      const slot = Number(await askRedis(one, 'CLUSTER', 'KEYSLOT', sale));
      const slots = (await askRedis(one, 'CLUSTER', 'SLOTS')) as [number, number, ...SlotNode[]][];
      const [, , ...nodes] = slots.find(([from, to]) => from <= slot && slot <= to) ?? [0, 0];
      return nodes.map(([, port]) => port);
    }),
  );
}

type SlotNode = readonly [address: string, port: number];

/** The broker that leads the quorum, as the brokers have written it down. */
export function kafkaController(processes: Processes): Promise<ProcessEntry> {
  const states = ofKind(processes, 'kafka').map(({ folder }) => {
    const file = join(folder, 'data/__cluster_metadata-0/quorum-state');
    return JSON.parse(readFileSync(file, 'utf8')) as { leaderId: number; leaderEpoch: number };
  });
  const [latest] = states.toSorted((a, b) => b.leaderEpoch - a.leaderEpoch);
  return whichOf(processes, 'kafka', ({ index }) => Promise.resolve(index === latest?.leaderId));
}

/** A broker that is no controller, and leads partitions of the orders. */
export async function kafkaLeader(processes: Processes): Promise<ProcessEntry> {
  const controller = await kafkaController(processes);
  const partitions = await partitionsOf(ofKind(processes, 'kafka'), [ordersTopic]);
  const leads = ({ index }: ProcessEntry) => partitions.some(({ leader }) => leader === index);
  return whichOf(processes, 'kafka', (one) =>
    Promise.resolve(one.index !== controller.index && leads(one)),
  );
}

/** Whether one that runs again does all that it did before, as far as its store tells. */
export async function belongsAgain(one: ProcessEntry, processes: Processes): Promise<boolean> {
  switch (one.kind) {
    case 'kafka': {
      // The others miss it only after a while, and so does it itself where it was frozen.
      const views = [await partitionsOf([one]), await partitionsOf(ofKind(processes, 'kafka'))];
      return views.flat().every(({ isr }) => isr.includes(one.index));
    }
    case 'redis': {
      if (ofKind(processes, 'redis').length === 1) return (await askRedis(one, 'PING')) === 'PONG';
      const replication = String(await askRedis(one, 'INFO', 'replication'));
      const state = String(await askRedis(one, 'CLUSTER', 'INFO'));
      const isWhole = state.includes('cluster_state:ok');
      return isWhole && /role:master|master_link_status:up/.test(replication);
    }
    case 'mysql':
      return isListening(one.port);
    case 'etcd':
      return isOk(`http://127.0.0.1:${one.port}/health`);
    case 'ratelimit-edge':
    case 'purchase':
    case 'persist-order':
    case 'update-rank':
    case 'source-runner':
      return isOk(`http://127.0.0.1:${one.port}/readyz`);
  }
}

async function isOk(url: string): Promise<boolean> {
  const response = await fetch(url, { signal: AbortSignal.timeout(answerMs) });
  await response.body?.cancel();
  return response.ok;
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', timeout: answerMs });
    const end = (is: boolean) => {
      resolve(is);
      socket.destroy();
    };
    socket.once('connect', () => {
      end(true);
    });
    socket.once('timeout', () => {
      end(false);
    });
    socket.once('error', () => {
      end(false);
    });
  });
}

/** Of all topics where none is named, as these brokers know them. */
async function partitionsOf(brokers: Processes, topics?: string[]) {
  const kafka = new Kafka({
    clientId: 'seckill-nodes',
    brokers: brokers.map(({ port }) => `127.0.0.1:${port}`),
    logLevel: logLevel.NOTHING,
    retry: { retries: brokers.length, initialRetryTime: 100 },
  });
  const admin = kafka.admin();
  try {
    await admin.connect();
    const known = await admin.fetchTopicMetadata(topics === undefined ? undefined : { topics });
    return known.topics.flatMap(({ partitions }) => partitions);
  } finally {
    await admin.disconnect();
  }
}

async function askRedis({ port }: ProcessEntry, command: string, ...args: string[]) {
  const client = new Redis(port, '127.0.0.1', {
    ...{ lazyConnect: true, commandTimeout: answerMs, connectTimeout: answerMs },
    ...{ maxRetriesPerRequest: 0, retryStrategy: () => null },
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return await client.call(command, ...args);
  } finally {
    client.disconnect();
  }
}
