// Redis as the sales need it: nothing is evicted, and every second's writes are on disk. One, or a
// Redis Cluster, whose nodes have the configuration that their pods have (knative/stores/redis).

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Redis } from 'ioredis';
import { prepareCluster } from '#knative/stores/redis/cluster.ts';
import { findProgram } from './programs.ts';
import { checkTimeoutMs, type Store, type StoreSite } from './store.ts';

const podConfiguration = resolve(import.meta.dirname, '../../stores/redis/redis.conf');
const replicas = 1;
const uniteDeadlineMs = 60_000;

export const redis: Store = {
  name: 'redis',
  variable: 'SECKILL_REDIS_URL',
  programs: [{ program: 'redis-server', debianPackage: 'redis-server' }],

  async prepare(site) {
    await mkdir(`${site.folder}/data`, { recursive: true });
    await writeFile(`${site.folder}/redis.conf`, await configuration(site));
  },

  command: ({ folder }) => ({
    command: findProgram('redis-server'),
    args: [`${folder}/redis.conf`],
  }),

  address: ({ port }) => `redis://127.0.0.1:${port}`,

  async check(address) {
    for (const url of address.split(',')) await ping(url.trim());
  },

  async unite(urls) {
    if (urls.length === 1) return;
    const interrupted = AbortSignal.timeout(uniteDeadlineMs);
    const patience = { waitMs: uniteDeadlineMs, interrupted, say: () => undefined };
    await prepareCluster(urls, replicas, patience);
  },
};

async function configuration(site: StoreSite): Promise<string> {
  const { folder, port, members } = site;
  const own = {
    bind: '127.0.0.1',
    port: String(port),
    dir: `${folder}/data`,
    appendonly: 'yes',
    appendfsync: 'everysec',
    // The append-only file is the one copy: snapshots beside it would only cost.
    save: '',
    'maxmemory-policy': 'noeviction',
    ...(members.length === 1 ? {} : ofNode(site)),
  };
  const lines = Object.entries(own).map(([name, value]) => `${name} ${quoted(value)}\n`);
  if (members.length === 1) return lines.join('');
  // Each line has its effect at once: what is ours must not be said by the pods' first.
  const pods = (await readFile(podConfiguration, 'utf8'))
    .split('\n')
    .filter((line) => !((line.split(' ')[0] ?? '') in own));
  return `${pods.join('\n')}\n${lines.join('')}`;
}

/** What is a pod's own there; users are none here. */
function ofNode({ name, peerPort, members }: StoreSite): Record<string, string> {
  const machines = members.length / (1 + replicas);
  const machine = members.findIndex((member) => member.name === name) % machines;
  return {
    'cluster-port': String(peerPort),
    'cluster-preferred-endpoint-type': 'ip',
    aclfile: '',
    masteruser: '',
    // By it a master and its replica come to be on two of them (knative/stores/redis/nodes.ts).
    'proc-title-template': `{title} {listen-addr} on node-${machine + 1}`,
  };
}

function quoted(value: string): string {
  return `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

async function ping(url: string): Promise<void> {
  const client = new Redis(url, {
    lazyConnect: true,
    connectTimeout: checkTimeoutMs,
    commandTimeout: checkTimeoutMs,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  // Without a listener ioredis prints what `connect` rejects with anyway.
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.ping();
  } finally {
    client.disconnect();
  }
}
