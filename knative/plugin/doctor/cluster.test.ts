// What is missing in a cluster is told of, with what to do; what the caller may not see is advice.

import { expect, test } from 'vitest';
import type { Check } from '#lib/diagnosis.ts';
import { KubeError, type KubeObject, kinds } from '../kube/client.ts';
import { clusterInMemory, type InMemory } from '../kube/in-memory.ts';
import { checkCluster } from './cluster.ts';

const object = (kind: { apiVersion: string; kind: string }, name: string, more: object = {}) =>
  ({ ...kind, metadata: { name, generation: 1 }, ...more }) as KubeObject;
const conditions = (status: string, type = 'Ready', message = '') => ({
  status: { observedGeneration: 1, conditions: [{ type, status, message }] },
});
const data = (...keys: string[]) => ({
  data: Object.fromEntries(keys.map((key) => [key, 'eA=='])),
});

/** As it should be. */
function wellCluster(): InMemory {
  const functions = ['ratelimit-edge', 'purchase', 'persist-order', 'update-rank'];
  const keys = ['SECKILL_JWT_KEY', 'SECKILL_SIGNING_KEYS', 'SECKILL_PSEUDONYM_KEY'];
  const urls = ['SECKILL_REDIS_URL', 'SECKILL_MYSQL_URL'];
  const version = { labels: { 'app.kubernetes.io/version': '1.23.0' } };
  return clusterInMemory(
    { ...kinds.configMap, metadata: { name: 'config-autoscaler', ...version } },
    ...functions.map((name) => object(kinds.knativeService, name, conditions('True'))),
    ...['persist-order', 'update-rank'].map((name) =>
      object(kinds.kafkaSource, name, conditions('True')),
    ),
    object(kinds.secret, 'seckill-keys', data(...keys)),
    ...[...functions, 'migrate'].map((name) => object(kinds.secret, name, data(...urls))),
    object(kinds.job, 'migrate-0003', conditions('True', 'Complete')),
  );
}

const faultsIn = (checks: readonly Check[]) =>
  checks.filter(({ result }) => result !== 'ok').map(({ name, result }) => `${name} ${result}`);
const found = (checks: readonly Check[], name: string) =>
  checks.find((check) => check.name === name)?.found;

function without(cluster: InMemory, kind: string, name?: string): InMemory {
  const rest = cluster.objects.filter(
    (one) => one.kind !== kind || (name !== undefined && one.metadata.name !== name),
  );
  cluster.objects.splice(0, cluster.objects.length, ...rest);
  return cluster;
}

test('a cluster that has all is well', async () => {
  const checks = await checkCluster(wellCluster());
  expect(faultsIn(checks)).toEqual([]);
  expect(found(checks, 'serving')).toBe('Knative Serving 1.23.0');
});

test('an old Kubernetes, an old Knative, and none', async () => {
  const old = wellCluster();
  old.version = () => Promise.resolve('v1.33.9');
  expect(faultsIn(await checkCluster(old))).toEqual(['kubernetes wrong']);
  const config = old.objects.find(({ metadata }) => metadata.name === 'config-autoscaler');
  Object.assign(config?.metadata ?? {}, { labels: { 'app.kubernetes.io/version': '1.20.2' } });
  expect(faultsIn(await checkCluster(old))).toEqual(['kubernetes wrong', 'serving wrong']);
  const none = wellCluster();
  none.refuse = (asked) =>
    asked === 'serves Service' ? new KubeError('none', 404, 'NoKind') : undefined;
  expect(faultsIn(await checkCluster(none))).toEqual(['serving wrong']);
});

test('features of Knative that would keep the functions from running as they should', async () => {
  const cluster = wellCluster();
  const flags = (name: string, key: string, value: string) =>
    object(kinds.configMap, name, { data: { [key]: value } });
  without(cluster, 'ConfigMap').objects.push(
    flags('config-features', 'kubernetes.podspec-volumes-emptydir', 'disabled'),
    flags('config-autoscaler', 'enable-scale-to-zero', 'false'),
  );
  expect(faultsIn(await checkCluster(cluster))).toEqual(['features wrong', 'scaling advice']);
});

test('functions that are not there or not ready are named, with what Knative says', async () => {
  const cluster = without(wellCluster(), 'Service', 'purchase');
  without(cluster, 'Service', 'update-rank').objects.push(
    object(kinds.knativeService, 'update-rank', conditions('False', 'Ready', 'no image')),
  );
  const checks = await checkCluster(cluster);
  expect(faultsIn(checks)).toEqual(['functions wrong']);
  expect(found(checks, 'functions')).toBe('purchase is not there; update-rank: no image');
});

test('KafkaSources that nobody takes care of: the orders are delivered to nobody', async () => {
  const cluster = without(wellCluster(), 'KafkaSource');
  const names = ['persist-order', 'update-rank'];
  cluster.objects.push(...names.map((name) => object(kinds.kafkaSource, name)));
  const checks = await checkCluster(cluster);
  expect(faultsIn(checks)).toEqual(['sources wrong']);
  expect(found(checks, 'sources')).toBe(
    'no controller takes care of KafkaSources in this cluster, and no source runner is ready',
  );
  cluster.objects.push(object(kinds.pod, 'source-runner-1', conditions('True')));
  expect(faultsIn(await checkCluster(cluster))).toEqual(['sources advice']);
});

test('a KafkaSource that its controller does not get ready is another matter', async () => {
  const cluster = without(wellCluster(), 'KafkaSource', 'update-rank');
  const failing = conditions('False', 'Ready', 'no such topic');
  cluster.objects.push(object(kinds.kafkaSource, 'update-rank', failing));
  const checks = await checkCluster(cluster);
  expect(faultsIn(checks)).toEqual(['sources wrong']);
  expect(found(checks, 'sources')).toBe('update-rank: no such topic');
});

test('Secrets that are missing, or lack a key; those that are not ours to read are no fault', async () => {
  const cluster = without(wellCluster(), 'Secret', 'purchase');
  without(cluster, 'Secret', 'migrate').objects.push(object(kinds.secret, 'migrate', data()));
  const checks = await checkCluster(cluster);
  expect(faultsIn(checks)).toEqual(['secrets wrong']);
  expect(found(checks, 'secrets')).toBe('purchase is not there; migrate lacks SECKILL_MYSQL_URL');
  cluster.refuse = (asked) =>
    /^get Secret (?!seckill-keys)/.test(asked) ? new KubeError('no', 403, 'Forbidden') : undefined;
  const seen = await checkCluster(cluster);
  expect(faultsIn(seen)).toEqual([]);
  expect(found(seen, 'secrets')).toBe('they are there; 5 are not yours to read');
});

test('a Job that has failed, and pods that do not come up', async () => {
  const cluster = without(wellCluster(), 'Job');
  const waiting = (reason: string, message?: string) => ({
    status: { containerStatuses: [{ name: 'user', state: { waiting: { reason, message } } }] },
  });
  const unscheduled = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable' };
  cluster.objects.push(
    object(kinds.job, 'migrate-0003', conditions('True', 'Failed', 'too often')),
    object(kinds.pod, 'edge-1', waiting('CreateContainerConfigError', 'secret "x" not found')),
    object(kinds.pod, 'edge-2', waiting('ContainerCreating')),
    object(kinds.pod, 'redis-5', {
      status: { conditions: [{ ...unscheduled, message: 'no cpu' }] },
    }),
  );
  const checks = await checkCluster(cluster);
  expect(faultsIn(checks)).toEqual(['jobs wrong', 'pods wrong']);
  expect(found(checks, 'jobs')).toBe('migrate-0003: too often');
  expect(found(checks, 'pods')).toBe(
    'edge-1: CreateContainerConfigError, secret "x" not found; redis-5: no node takes it: no cpu',
  );
});

test('what was scheduled and never started, or has failed, is told of', async () => {
  const cluster = wellCluster();
  const nowMs = Date.parse('2026-12-01T12:10:00Z');
  cluster.now = () => Promise.resolve(nowMs);
  const labels = {
    'app.kubernetes.io/component': 'schedule',
    'app.kubernetes.io/part-of': 'seckill',
  };
  const cronJob = (job: string, opens: string, closes: string, status: object = {}) => ({
    ...kinds.cronJob,
    metadata: {
      name: `${job}-${opens}`,
      creationTimestamp: '2026-11-30T12:00:00Z',
      annotations: {
        ...{ 'kn-seckill/product': 'phone', 'kn-seckill/job': job },
        'kn-seckill/opens-at': `2026-12-01T${opens}:00.000Z`,
        'kn-seckill/closes-at': `2026-12-01T${closes}:00.000Z`,
      },
    },
    status,
  });
  const started = { lastScheduleTime: '2026-12-01T12:00:00Z' };
  cluster.objects.push(
    cronJob('warm', '12:30', '13:00'),
    cronJob('warm', '12:08', '13:00'),
    cronJob('warm', '12:01', '13:00', started),
    // Too late to be of use.
    cronJob('warm', '11:00', '11:30'),
    cronJob('settle', '11:05', '11:30', started),
    cronJob('settle', '11:06', '12:09'),
  );
  const checks = await checkCluster(cluster);
  expect(faultsIn(checks)).toEqual([]);
  expect(found(checks, 'schedules')).toBe('6 CronJobs, none was missed or has failed');
  cluster.objects.push(cronJob('warm', '12:00', '13:00'), cronJob('settle', '11:00', '12:00'), {
    ...object(kinds.job, 'sale-settle-1', conditions('True', 'Failed', 'too long')),
  });
  Object.assign(cluster.objects.at(-1)?.metadata ?? {}, { labels });
  const missed = await checkCluster(cluster);
  expect(faultsIn(missed)).toEqual(['schedules wrong']);
  expect(found(missed, 'schedules')).toBe(
    'to warm phone was never started; to settle phone was never started; sale-settle-1: too long',
  );
});

test('rights that a sale needs, and what may not be looked at, are advice', async () => {
  const cluster = wellCluster();
  cluster.refuse = (asked) =>
    asked === 'list Job ' || asked.startsWith('can patch revisions')
      ? new KubeError('you may not list jobs', 403, 'Forbidden')
      : undefined;
  const checks = await checkCluster(cluster);
  expect(faultsIn(checks)).toEqual(['schedules advice', 'jobs advice', 'rights advice']);
  expect(found(checks, 'rights')).toBe('you may not patch revisions.serving.knative.dev (scale)');
});

test('an API server that does not answer is not taken for a cluster that lacks everything', async () => {
  const cluster = wellCluster();
  cluster.refuse = (asked) =>
    asked === 'list Service ' ? new KubeError('no answer', 0, 'Unreachable') : undefined;
  await expect(checkCluster(cluster)).rejects.toThrow('no answer');
});
