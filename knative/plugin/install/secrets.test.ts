// Secrets are made once, fit to each other, and are nobody's to see.

import { expect, test, vi } from 'vitest';
import { KubeError, type KubeObject, kinds } from '../kube/client.ts';
import { clusterInMemory, type InMemory } from '../kube/in-memory.ts';
import { overlayFolder, renderOverlay } from './render.ts';
import { makeSecrets, remarksOn } from './secrets.ts';

// Overlays are rendered by kubectl, which a busy machine starts in seconds.
vi.setConfig({ testTimeout: 30_000 });

const stores: KubeObject = {
  ...kinds.configMap,
  metadata: { name: 'seckill-stores' },
  data: {
    redis: 'redis-0:6379,redis-1:6379',
    mysql: 'mysql:3306/seckill',
    etcd: 'http://etcd:2379',
  },
} as KubeObject;

const job = 'make-secrets';

/** What the API server stores of `stringData`. */
function openCluster(...objects: KubeObject[]): InMemory {
  const cluster = clusterInMemory(...objects);
  cluster.onChange = (object) => {
    const { stringData, ...rest } = object as { stringData?: Record<string, string> };
    if (stringData === undefined) return object;
    return { ...rest, data: encoded(stringData) } as unknown as KubeObject;
  };
  return cluster;
}

const encoded = (values: Readonly<Record<string, string>>) =>
  Object.fromEntries(
    Object.entries(values).map(([key, value]) => [key, Buffer.from(value).toString('base64')]),
  );

function valuesOf({ objects }: InMemory, name: string): Record<string, string> {
  const secret = objects.find(({ kind, metadata }) => kind === 'Secret' && metadata.name === name);
  const { data = {} } = secret as { data?: Record<string, string> };
  return Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]),
  );
}

test('every function gets its own user, with the password that the store has of it', async () => {
  const cluster = openCluster(stores);
  const results = await makeSecrets(cluster);
  expect(results.map(({ name }) => name).sort()).toEqual(
    ['etcd', 'migrate', 'mysql', 'persist-order', 'purchase', 'ratelimit-edge', 'redis'].concat(
      'seckill-keys',
      'update-rank',
    ),
  );
  expect(results.every(({ result, lacks }) => result === 'made' && lacks.length === 0)).toBe(true);
  const { purchase = '' } = valuesOf(cluster, 'redis');
  expect(purchase).toMatch(/^[A-Za-z0-9]{32}$/);
  expect(valuesOf(cluster, 'purchase')).toEqual({
    SECKILL_REDIS_URL: `redis://purchase:${purchase}@redis-0:6379,redis://purchase:${purchase}@redis-1:6379`,
    SECKILL_MYSQL_URL: `mysql://purchase:${valuesOf(cluster, 'mysql')['purchase'] ?? ''}@mysql:3306/seckill`,
    SECKILL_ETCD_USERNAME: 'purchase',
    SECKILL_ETCD_PASSWORD: valuesOf(cluster, 'etcd')['purchase'],
  });
  expect(Object.keys(valuesOf(cluster, 'update-rank'))).toEqual(['SECKILL_REDIS_URL']);
  const keys = Object.values(valuesOf(cluster, 'seckill-keys'));
  expect(new Set(keys).size).toBe(3);
  expect(keys.every((key) => key.length >= 32)).toBe(true);
});

test.each(['three-node', 'dev', 'bring-your-own'])(
  'the Job of %s may look at each Secret that it makes, and at no other',
  async (overlay) => {
    const objects = await renderOverlay(overlayFolder(overlay));
    const role = objects.find(({ kind, metadata }) => kind === 'Role' && metadata.name === job);
    const { rules } = role as unknown as { rules: { verbs: string[]; resourceNames?: string[] }[] };
    const named = rules.flatMap(({ resourceNames = [] }) => resourceNames);
    const results = await makeSecrets(openCluster(stores));
    expect(named.sort()).toEqual(['seckill-stores', ...results.map(({ name }) => name)].sort());
  },
);

test('what exists stays as it is, however often it is run', async () => {
  const cluster = openCluster(stores);
  await makeSecrets(cluster);
  const before = JSON.stringify(cluster.objects);
  const again = await makeSecrets(cluster);
  expect(again.every(({ result }) => result === 'kept')).toBe(true);
  expect(remarksOn(again, 'seckill')).toEqual([]);
  expect(JSON.stringify(cluster.objects)).toBe(before);
});

test('of two that make them at once, both go by the values of the one that was first', async () => {
  const cluster = openCluster(stores);
  // As if the other had made it between our look and our creation.
  let isFirstLook = true;
  cluster.refuse = (asked) => {
    if (asked !== 'get Secret redis' || !isFirstLook) return undefined;
    isFirstLook = false;
    const data = encoded({ purchase: 'theirs' });
    queueMicrotask(() => {
      cluster.objects.push({ ...kinds.secret, metadata: { name: 'redis' }, data } as KubeObject);
    });
    return undefined;
  };
  const results = await makeSecrets(cluster);
  expect(valuesOf(cluster, 'purchase')['SECKILL_REDIS_URL']).toContain('purchase:theirs@redis-0');
  const redis = results.find(({ name }) => name === 'redis');
  expect(redis).toMatchObject({ result: 'kept' });
  expect(remarksOn(results, 'seckill').join()).toContain('the Secret redis lacks admin, replica');
});

test('where the stores are the operator’s, it says what each Secret must hold', async () => {
  const cluster = openCluster();
  const results = await makeSecrets(cluster);
  expect(cluster.changes).toEqual(['create Secret seckill-keys']);
  expect(remarksOn(results, 'shop')).toContain(
    'the Secret purchase is not there: `kubectl -n shop create secret generic purchase ' +
      '--from-literal=SECKILL_REDIS_URL=… --from-literal=SECKILL_MYSQL_URL=…`',
  );
});

test('a Secret that names another password than the store has is told of, not its value', async () => {
  const cluster = openCluster(stores);
  await makeSecrets(cluster);
  const index = cluster.objects.findIndex(({ metadata }) => metadata.name === 'mysql');
  cluster.objects.splice(index, 1);
  const results = await makeSecrets(cluster);
  const remarks = remarksOn(results, 'seckill').join('\n');
  expect(remarks).toContain('the Secret purchase names other passwords');
  expect(remarks).not.toContain('the Secret ratelimit-edge');
  const passwords = ['mysql', 'redis', 'seckill-keys'].flatMap((name) =>
    Object.values(valuesOf(cluster, name)),
  );
  expect(passwords.filter((value) => JSON.stringify([results, remarks]).includes(value))).toEqual(
    [],
  );
});

test('a missing right is told of as it is', async () => {
  const cluster = openCluster(stores);
  cluster.refuse = (asked) =>
    asked === 'create Secret etcd' ? new KubeError('you may not', 403, 'Forbidden') : undefined;
  await expect(makeSecrets(cluster)).rejects.toThrow('you may not');
});
