import { expect, test } from 'vitest';
import { memory } from '../kube/claims.ts';
import { KubeError, type KubeObject, kinds } from '../kube/client.ts';
import { kubeSource } from './kube-source.ts';
import { aStanding } from './looks-fixture.ts';

type Kube = Parameters<typeof kubeSource>[0];

const service = (name: string) => ({ 'serving.knative.dev/service': name });
const forbidden = (what: string) => new KubeError(`olga may not ${what}`, 403, 'Forbidden');

function aPod(name: string, given: { labels?: object; status?: object; meta?: object } = {}) {
  const conditions = [{ type: 'Ready', status: 'True' }];
  return {
    ...kinds.pod,
    metadata: {
      name,
      uid: `uid-${name}`,
      labels: given.labels ?? service('purchase'),
      ...given.meta,
    },
    spec: { nodeName: 'n1' },
    status: {
      phase: 'Running',
      conditions,
      containerStatuses: [{ restartCount: 2 }],
      ...given.status,
    },
  } as unknown as KubeObject;
}

/** A cluster with these objects; what is proxied answers by `pod/path`. */
function aCluster(
  objects: readonly KubeObject[],
  pages: Readonly<Record<string, string | number | Error>> = {},
) {
  const proxied: string[] = [];
  const kube: Kube = {
    ...{ context: 'shop', namespace: 'seckill' },
    list: <T>(kind: { kind: string }) =>
      Promise.resolve(objects.filter((one) => one.kind === kind.kind) as T[]),
    proxied: ({ pod = '', port, path }) => {
      proxied.push(`${pod}:${port}${path}`);
      const page = pages[`${pod}${path}`] ?? 502;
      if (page instanceof Error) return Promise.reject(page);
      return Promise.resolve(
        typeof page === 'number' ? { status: page, text: '' } : { status: 200, text: page },
      );
    },
  };
  return { kube, proxied };
}

test('every pod is read past gateway and queue-proxy, and purchase tells how the sales stand', async () => {
  const standing = aStanding();
  const { kube, proxied } = aCluster(
    [
      aPod('p-leaving', { meta: { deletionTimestamp: '2026-12-01T12:00:00Z' } }),
      aPod('p-1'),
      aPod('e-1', { labels: service('ratelimit-edge'), status: { conditions: [] } }),
      aPod('e-gone', { status: { phase: 'Failed' } }),
    ],
    {
      'p-1/metrics': 'a_total 1\n',
      'p-leaving/metrics': 'a_total 2\n',
      'p-1/standing': JSON.stringify(standing),
    },
  );
  const look = await kubeSource(kube).look();
  expect(look.standing).toEqual(standing);
  expect(look.instances).toMatchObject([
    { name: 'p-leaving', id: 'uid-p-leaving', state: 'leaving', restarts: 2, node: 'n1' },
    { function: 'purchase', name: 'p-1', state: 'ready', series: [{ name: 'a_total', value: 1 }] },
    { function: 'ratelimit-edge', name: 'e-1', state: 'starting', series: undefined },
  ]);
  expect(look.notes).toEqual([]);
  expect(new Set(proxied)).toEqual(
    new Set([
      'p-leaving:9464/metrics',
      'p-1:9464/metrics',
      'e-1:9464/metrics',
      'p-1:9464/standing',
    ]),
  );
});

test('at zero pods nothing is asked of anything but the API server', async () => {
  const { kube, proxied } = aCluster([]);
  const look = await kubeSource(kube).look();
  expect(look).toMatchObject({ instances: [], standing: undefined });
  expect(look.wanted).toMatchObject({ purchase: 0 });
  expect(proxied).toEqual([]);
});

function aRevision(
  name: string,
  desiredReplicas: number | undefined,
  minScale?: string,
  { state = 'active', claims = {} } = {},
): KubeObject {
  return {
    ...kinds.revision,
    metadata: {
      name: `${name}-1`,
      labels: { ...service(name), 'serving.knative.dev/routingState': state },
      annotations: {
        ...(minScale === undefined ? {} : { 'autoscaling.knative.dev/min-scale': minScale }),
        [memory]: JSON.stringify({ before: null, set: minScale, claims }),
      },
    },
    status: { desiredReplicas },
  } as unknown as KubeObject;
}

test('what a roll-out has taken of what was warmed is seen', async () => {
  const claims = { 'schedule/phone': 3 };
  const { kube } = aCluster([
    aRevision('purchase', 0, '3', { state: 'reserve', claims }),
    aRevision('purchase', 0),
    aRevision('update-rank', 1, '1', { claims: { operator: 1 } }),
  ]);
  const { lostWarmth, wanted } = await kubeSource(kube).look();
  expect(lostWarmth).toEqual([
    { service: 'purchase', holder: 'schedule/phone', wanted: 3, has: 0 },
  ]);
  expect(wanted).toMatchObject({ purchase: 0, 'update-rank': 1 });
});

test('as many are wanted as the autoscaler says, and at least as many as were asked for', async () => {
  const { kube } = aCluster([
    aRevision('purchase', 2),
    aRevision('purchase', 1),
    aRevision('ratelimit-edge', undefined, '3'),
    aRevision('update-rank', 5, '3'),
  ]);
  expect((await kubeSource(kube).look()).wanted).toEqual({
    ...{ purchase: 3, 'ratelimit-edge': 3, 'update-rank': 5, 'persist-order': 0 },
  });
});

test('what was planned is known while everybody sleeps', async () => {
  const job = (annotations: object) =>
    ({ ...kinds.cronJob, metadata: { name: 'j', annotations } }) as unknown as KubeObject;
  const { kube } = aCluster([
    job({ 'kn-seckill/product': 'phone', 'kn-seckill/opens-at': '2026-12-01T12:00:00Z' }),
    job({ 'kn-seckill/product': 'lamp', 'kn-seckill/opens-at': 'soon' }),
    job({}),
  ]);
  const opensAtMs = Date.parse('2026-12-01T12:00:00Z');
  expect((await kubeSource(kube).look()).planned).toEqual([{ productId: 'phone', opensAtMs }]);
});

test.each([
  [
    { containerStatuses: [{ restartCount: 0, state: { waiting: { reason: 'ErrImagePull' } } }] },
    'ErrImagePull',
  ],
  [
    {
      containerStatuses: [{ restartCount: 0, state: { waiting: { reason: 'ContainerCreating' } } }],
    },
    undefined,
  ],
  [
    {
      conditions: [
        {
          type: 'PodScheduled',
          status: 'False',
          message: '0/3 nodes fit: 3 Insufficient cpu. no new claims.',
        },
      ],
    },
    '0/3 nodes fit: 3 Insufficient cpu',
  ],
])('why a pod cannot start is told: %j', async (status, trouble) => {
  const { kube, proxied } = aCluster([aPod('p-1', { status: { phase: 'Pending', ...status } })]);
  expect((await kubeSource(kube).look()).instances[0]?.trouble).toBe(trouble);
  expect(proxied).toEqual([]);
});

test('what the caller may not read is a note, and the rest is shown; without pods there is nothing', async () => {
  const { kube } = aCluster([aPod('p-1')], { 'p-1/metrics': forbidden('get pods/proxy') });
  const list: Kube['list'] = (kind, options) =>
    kind.kind === 'Pod' ? kube.list(kind, options) : Promise.reject(forbidden(`list ${kind.kind}`));
  const look = await kubeSource({ ...kube, list }).look();
  expect(look.instances).toMatchObject([{ name: 'p-1', series: undefined }]);
  expect(look.wanted).toMatchObject({ purchase: undefined });
  expect([...look.notes].sort()).toEqual([
    ...['olga may not get pods/proxy', 'olga may not list CronJob', 'olga may not list Revision'],
  ]);
  const nothing: Kube['list'] = (kind) => Promise.reject(forbidden(`list ${kind.kind}`));
  await expect(kubeSource({ ...kube, list: nothing }).look()).rejects.toThrow('list Pod');
});

test('an instance that leaves while it is read does not fail the look', async () => {
  const gone = new KubeError('the API server refused: not found', 404, 'NotFound');
  const pages = { 'p-1/metrics': 'a_total 1\n', 'p-1/standing': gone, 'p-2/metrics': gone };
  const { kube } = aCluster([aPod('p-1'), aPod('p-2')], pages);
  const look = await kubeSource(kube).look();
  expect(look.standing).toBeUndefined();
  expect(look.instances.map(({ series }) => series?.length)).toEqual([1, undefined]);
});
