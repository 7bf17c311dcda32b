import { expect, test, vi } from 'vitest';
import { type KubeObject, kinds } from '../kube/client.ts';
import { clusterInMemory } from '../kube/in-memory.ts';
import { lookForOthers, secretsReferredTo } from './references.ts';
import { overlayFolder, renderOverlay } from './render.ts';
import { functionSecrets, keysSecret, makeSecrets, unfitOf } from './secrets.ts';

// Overlays are rendered by kubectl, which a busy machine starts in seconds.
vi.setConfig({ testTimeout: 30_000 });

const pod = {
  ...{ ...kinds.pod, metadata: { name: 'pod' } },
  spec: {
    containers: [
      {
        envFrom: [{ secretRef: { name: 'all' } }, { secretRef: { name: 'may', optional: true } }],
        env: ['one', 'two'].map((key) => ({ valueFrom: { secretKeyRef: { name: 'keys', key } } })),
      },
    ],
    volumes: [
      { name: 'a', secret: { secretName: 'mounted' } },
      { name: 'b', secret: { secretName: 'perhaps', optional: true } },
      { name: 'c', projected: { sources: [{ secret: { name: 'projected' } }] } },
    ],
  },
} as KubeObject;
const sink = {
  ...{ apiVersion: 'eventing.knative.dev/v1alpha1', kind: 'KafkaSink', metadata: { name: 's' } },
  spec: { auth: { secret: { ref: { name: 'of-sink' } } } },
} as KubeObject;

test('Secrets that objects cannot do without are found wherever they are named', () => {
  expect([...secretsReferredTo([pod, sink])]).toEqual([
    ['all', new Set()],
    ['keys', new Set(['one', 'two'])],
    ['mounted', new Set()],
    ['projected', new Set()],
    ['of-sink', new Set()],
  ]);
});

test('of those that nobody makes it is said which are not there, and which lack a key', async () => {
  const keys = { ...kinds.secret, metadata: { name: 'keys' }, data: { one: 'eA==' } } as KubeObject;
  const cluster = clusterInMemory(keys);
  const found = await lookForOthers(cluster, secretsReferredTo([pod]), [
    { name: 'all', result: 'made', lacks: [] },
  ]);
  expect(found).toEqual([
    { name: 'keys', result: 'kept', lacks: ['two'] },
    { name: 'mounted', result: 'missing', lacks: [] },
    { name: 'projected', result: 'missing', lacks: [] },
  ]);
  expect(unfitOf(found)).toEqual(found);
});

test('with stores of one’s own, each Secret that cannot be made is one that is missed', async () => {
  const objects = await renderOverlay(overlayFolder('bring-your-own'));
  const cluster = clusterInMemory();
  const made = await makeSecrets(cluster);
  const others = await lookForOthers(cluster, secretsReferredTo(objects), made);
  const missing = unfitOf([...made, ...others]).map(({ name }) => name);
  const expected = [...Object.keys(functionSecrets), 'kafka-sources'];
  expect(missing.toSorted()).toEqual(expected.toSorted());
  expect(missing).not.toContain(keysSecret);
});

test('what three-node refers to is made, all of it', async () => {
  const objects = await renderOverlay(overlayFolder('three-node'));
  const stores = objects.filter(({ metadata }) => metadata.name === 'seckill-stores');
  const cluster = clusterInMemory(...stores);
  const made = await makeSecrets(cluster);
  expect(await lookForOthers(cluster, secretsReferredTo(objects), made)).toEqual([]);
});
