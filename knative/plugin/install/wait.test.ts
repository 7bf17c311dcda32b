// What is applied, in which order, and how waiting for it ends.

import { expect, test } from 'vitest';
import { KubeError, type KubeObject, kinds } from '../kube/client.ts';
import { clusterInMemory } from '../kube/in-memory.ts';
import { applyObject } from './apply.ts';
import { progressOf } from './progress.ts';
import { overlayFolder, renderOverlay } from './render.ts';
import { describe, noController, waitForAll } from './wait.ts';

const quietly = { interrupted: new AbortController().signal, say: () => undefined };
const object = (kind: string, name: string, more: object = {}, apiVersion = 'v1'): KubeObject => ({
  apiVersion,
  kind,
  metadata: { name, generation: 1 },
  ...more,
});
const ready = (status: string, message = '') => ({
  status: { observedGeneration: 1, conditions: [{ type: 'Ready', status, message }] },
});
const knative = (name: string, more: object) =>
  object('Service', name, more, 'serving.knative.dev/v1');

test.each<[string, KubeObject, string]>([
  ['ready', knative('edge', ready('True')), 'done ready'],
  ['not ready', knative('edge', ready('False', 'no image')), 'waiting no image'],
  ['unseen', knative('edge', {}), 'waiting no controller has seen it yet'],
  [
    'complete',
    object('Job', 'j', { status: { conditions: [{ type: 'Complete', status: 'True' }] } }),
    'done complete',
  ],
  [
    'failed',
    object('Job', 'j', {
      status: { conditions: [{ type: 'Failed', status: 'True', message: 'too often' }] },
    }),
    'failed too often',
  ],
  ['trying', object('Job', 'j', { status: { failed: 2 } }), 'waiting running, failed 2 times'],
  [
    'short',
    object('StatefulSet', 's', {
      spec: { replicas: 3 },
      status: { observedGeneration: 1, readyReplicas: 2, updatedReplicas: 3 },
    }),
    'waiting 2 of 3 ready',
  ],
  [
    'old',
    object('StatefulSet', 's', {
      spec: { replicas: 1 },
      status: { observedGeneration: 0, readyReplicas: 1, updatedReplicas: 1 },
    }),
    'waiting 1 of 1 ready',
  ],
  [
    'whole',
    object('Deployment', 's', {
      spec: { replicas: 1 },
      status: { observedGeneration: 1, readyReplicas: 1, updatedReplicas: 1 },
    }),
    'done 1 of 1 ready',
  ],
])('an object that is %s', (_, given, expected) => {
  const { state, text } = progressOf(given) ?? {};
  expect(`${state ?? ''} ${text ?? ''}`).toBe(expected);
});

test('what has no controller to wait for is done at once', () => {
  expect(progressOf(object('ConfigMap', 'c'))).toBeUndefined();
  // Kubernetes' own Service.
  expect(progressOf(object('Service', 's'))).toBeUndefined();
});

test('the overlays of this repository come in an order in which nothing waits for later ones', async () => {
  const objects = await renderOverlay(overlayFolder('three-node'));
  const first = (kind: string) => objects.findIndex((one) => one.kind === kind);
  const last = (kind: string) => objects.findLastIndex((one) => one.kind === kind);
  expect(objects[0]?.kind).toBe('Namespace');
  expect(last('ServiceAccount')).toBeLessThan(first('StatefulSet'));
  expect(last('ConfigMap')).toBeLessThan(first('StatefulSet'));
  expect(last('NetworkPolicy')).toBeLessThan(first('StatefulSet'));
  expect(last('StatefulSet')).toBeLessThan(first('Job'));
  const services = objects.flatMap(({ apiVersion }, at) =>
    apiVersion === 'serving.knative.dev/v1' ? [at] : [],
  );
  expect(services).toHaveLength(4);
  expect(last('Job')).toBeLessThan(Math.min(...services));
  expect(Math.max(...services)).toBeLessThan(first('KafkaSource'));
});

test('an overlay that is not there is an error of the command line', () => {
  expect(() => overlayFolder('four-node')).toThrow('there is no overlay four-node');
});

test('a Job that has to be another one is made anew; what is the same stays', async () => {
  const cluster = clusterInMemory();
  const job = object('Job', 'migrate', { spec: { image: 'a' } });
  expect(await applyObject(cluster, job, quietly)).toMatchObject({ result: 'made' });
  expect(await applyObject(cluster, job, quietly)).toMatchObject({ result: 'same' });
  const next = object('Job', 'migrate', { spec: { image: 'b' } });
  cluster.refuse = (asked) =>
    asked === 'apply Job migrate' && cluster.objects.length > 0
      ? new KubeError('spec.template: field is immutable', 422, 'Invalid')
      : undefined;
  const dryRun = await applyObject(cluster, next, { ...quietly, dryRun: true });
  expect(dryRun).toMatchObject({ result: 'changed' });
  expect(await applyObject(cluster, next, quietly)).toMatchObject({ result: 'made' });
  expect(cluster.changes.slice(1)).toEqual(['remove Job migrate', 'apply Job migrate']);
});

test('what the API server refuses ends it; a missing right is not tried again', async () => {
  const cluster = clusterInMemory();
  let asked = 0;
  cluster.refuse = (what) => {
    if (what.startsWith('apply')) asked += 1;
    return what.startsWith('apply') ? new KubeError('you may not', 403, 'Forbidden') : undefined;
  };
  await expect(applyObject(cluster, object('Role', 'r'), quietly)).rejects.toThrow('you may not');
  expect(asked).toBe(1);
});

test('waiting ends when all is done, when something failed, and when the time is over', async () => {
  const edge = knative('ratelimit-edge', ready('False', 'revision "x" failed'));
  const cluster = clusterInMemory(knative('purchase', ready('True')), edge);
  const services = [...cluster.objects];
  const late = await waitForAll(cluster, services, { ...quietly, timeoutMs: -1 });
  expect(describe(late.pending)).toBe('Service ratelimit-edge (revision "x" failed)');
  cluster.objects[1] = knative('ratelimit-edge', ready('True'));
  const done = await waitForAll(cluster, services, { ...quietly, timeoutMs: 1_000 });
  expect(done).toEqual({ pending: [], remarks: [] });
  const job = object('Job', 'migrate', {
    status: { conditions: [{ type: 'Failed', status: 'True', message: 'too often' }] },
  });
  cluster.objects.push(job);
  const failed = await waitForAll(cluster, [job], { ...quietly, timeoutMs: 60_000 });
  expect(failed.pending).toMatchObject([{ name: 'migrate', state: 'failed' }]);
});

test('Ctrl-C ends it at once', async () => {
  const cluster = clusterInMemory(knative('purchase', {}));
  const interrupt = new AbortController();
  const say = () => {
    interrupt.abort();
  };
  const waiting = { timeoutMs: 60_000, interrupted: interrupt.signal, say };
  await expect(waitForAll(cluster, [...cluster.objects], waiting)).rejects.toThrow('aborted');
});

test('a cluster in which nobody makes KafkaSources work is told of, and not waited for', async () => {
  const source = { ...object('KafkaSource', 'persist-order'), ...kinds.kafkaSource };
  const cluster = clusterInMemory(source);
  const waiting = { ...quietly, timeoutMs: 60_000, unseenMs: 0 };
  expect((await waitForAll(cluster, [source], waiting)).remarks).toEqual([noController]);
});
