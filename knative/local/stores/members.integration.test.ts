// Stores of several members, as `--nodes 3` has them: etcd and Redis, being the quick ones.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cluster, Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { createStores, type RunningStores, type Stores } from './stores.ts';

const given = {
  ...process.env,
  ...{ SECKILL_REDIS_URL: undefined, SECKILL_ETCD_ENDPOINTS: undefined },
};
const counts = { redis: 6, etcd: 3 };
/** Other tests keep the machine busy at the same time. */
const soon = { timeout: 20_000, interval: 50 };
const folder = mkdtempSync(join(tmpdir(), 'seckill-members-'));
let remembered: Readonly<Record<string, number>> = {};
let stores: Stores;
let up: RunningStores;

async function start(): Promise<void> {
  stores = createStores({
    ...{ folder, counts, given, password: 'p', ports: remembered, syncs: false },
    say: () => undefined,
    remember(ports) {
      remembered = ports;
    },
  });
  up = await stores.start();
}

beforeAll(start, 120_000);
afterAll(async () => {
  await stores.stop();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

async function withRedis<T>(work: (redis: Cluster) => Promise<T>): Promise<T> {
  const redis = new Cluster(up.env.SECKILL_REDIS_URL.split(','));
  redis.on('error', () => undefined);
  try {
    return await work(redis);
  } finally {
    redis.disconnect();
  }
}

async function withNode(work: (redis: Redis) => Promise<void>): Promise<void> {
  const node = new Redis(String(up.env.SECKILL_REDIS_URL.split(',')[0]));
  try {
    await work(node);
  } finally {
    node.disconnect();
  }
}

async function etcd<T>(path: string, body: object): Promise<T> {
  const [endpoint] = up.env.SECKILL_ETCD_ENDPOINTS.split(',');
  const response = await fetch(`${String(endpoint)}/v3/${path}`, {
    method: 'POST',
    body: JSON.stringify(body),
  });
  return (await response.json()) as T;
}
const key = Buffer.from('kept').toString('base64');

test('each store is one, of so many processes', async () => {
  expect([...up.processes.keys()].sort()).toEqual([
    ...[1, 2, 3].map((n) => `etcd-${n}`),
    ...[1, 2, 3, 4, 5, 6].map((n) => `redis-${n}`),
  ]);
  const { members } = await etcd<{ members: unknown[] }>('cluster/member/list', {});
  expect(members).toHaveLength(3);
  await withNode(async (node) => {
    const info = await node.cluster('INFO');
    expect(info).toContain('cluster_state:ok');
    expect(info).toContain('cluster_size:3');
    // Who is whose replica, the nodes tell each other a moment later.
    await vi.waitFor(async () => {
      const nodes = String(await node.cluster('NODES'));
      expect(nodes.match(/ (myself,)?slave /g)).toHaveLength(3);
    }, soon);
  });
  await withRedis((redis) => redis.set('kept', 'yes'));
  await etcd('kv/put', { key, value: key });
});

test('a node has the settings of its pod', async () => {
  const wanted = {
    'cluster-node-timeout': '3000',
    'cluster-require-full-coverage': 'no',
    'maxmemory-policy': 'noeviction',
    maxmemory: String(768 * 1_024 * 1_024),
    dir: join(folder, 'redis-1/data'),
  };
  await withNode(async (node) => {
    for (const [name, value] of Object.entries(wanted)) {
      expect(await node.config('GET', name)).toEqual([name, value]);
    }
  });
});

test('a member that was killed is started again where it was', async () => {
  for (const name of ['etcd-2', 'redis-4']) {
    const killed = up.processes.get(name);
    process.kill(Number(killed?.pid), 'SIGKILL');
    await killed?.exited;
    const again = await stores.startAgain(name);
    expect(again.name).toBe(name);
    expect(again.pid).not.toBe(killed?.pid);
  }
});

test('all are found again at the next start, with what they kept', async () => {
  const { env, ports } = up;
  await stores.stop();
  await start();
  expect(up.env).toEqual(env);
  expect(up.ports).toEqual(ports);
  expect(Object.keys(ports)).toContain('etcd-1:peer');
  await withRedis(async (redis) => {
    expect(await redis.get('kept')).toBe('yes');
  });
  const { kvs = [] } = await etcd<{ kvs?: unknown[] }>('kv/range', { key });
  expect(kvs).toHaveLength(1);
}, 120_000);

test('ports that are not known any more are a reason not to start, and it is told', async () => {
  await stores.stop();
  const known = remembered;
  remembered = {};
  await expect(start()).rejects.toThrow(/not known any more by which ports .*What to do: remove/s);
  remembered = known;
});
