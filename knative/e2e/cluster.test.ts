import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { openCluster, perNode } from './cluster.ts';
import { withEnvironment } from './install.ts';
import { checkCluster, checkSystem, tableOf } from './preflight.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kubectl-'));
  vi.stubEnv('PATH', `${folder}${delimiter}${process.env['PATH'] ?? ''}`);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

/** A kubectl that knows these kinds; of any other there is nothing. */
function kubectl(kinds: Readonly<Record<string, readonly object[]>>): void {
  for (const [kind, items] of Object.entries(kinds)) {
    writeFileSync(join(folder, `${kind}.json`), JSON.stringify({ items }));
  }
  const program = `#!/bin/sh
for word in "$@"; do kind=$last; last=$word; [ "$kind" = get ] && break; done
[ "$kind" = get ] && cat "${folder}/$last.json" 2>/dev/null || true
`;
  writeFileSync(join(folder, 'kubectl'), program);
  chmodSync(join(folder, 'kubectl'), 0o755);
}

const cluster = openCluster({ namespace: 'seckill', context: undefined });
const ready = (status: string) => ({ conditions: [{ type: 'Ready', status, message: 'because' }] });
const pod = (service: string, node: string, more: object = {}) => ({
  metadata: { name: `${service}-x`, labels: { 'serving.knative.dev/service': service }, ...more },
  spec: { nodeName: node },
  status: ready('True'),
});
const service = (name: string, status: object) => ({
  metadata: { name, generation: 2 },
  spec: { template: {} },
  status: {
    ...{ observedGeneration: 2, url: `http://${name}.test`, ...ready('True') },
    ...{ latestCreatedRevisionName: `${name}-2`, latestReadyRevisionName: `${name}-2` },
    traffic: [{ revisionName: `${name}-2`, percent: 100 }],
    ...status,
  },
});

test('pods of others are not counted, and one that goes is not ready', async () => {
  kubectl({
    pods: [
      pod('purchase', 'n1'),
      pod('purchase', 'n2', { deletionTimestamp: '2026-11-23T05:00:00Z' }),
      pod('somebody-else', 'n3'),
      { metadata: { name: 'no-labels' }, spec: {} },
    ],
  });
  const pods = await cluster.pods();
  expect(pods.map(({ node, isReady }) => [node, isReady])).toEqual([
    ['n1', true],
    ['n2', false],
  ]);
  expect(perNode(pods)).toEqual({ n1: 1, n2: 1 });
});

test.each([
  ['served by its newest revision', {}, true, 'purchase-2'],
  ['not seen by Knative yet', { observedGeneration: 1 }, false, 'purchase-2'],
  [
    'its newest revision is not ready',
    { latestReadyRevisionName: 'purchase-1' },
    false,
    'purchase-2',
  ],
  ['not ready', ready('False'), false, 'purchase-2'],
  [
    'between two revisions',
    {
      traffic: [
        { revisionName: 'purchase-1', percent: 50 },
        { revisionName: 'purchase-2', percent: 50 },
      ],
    },
    true,
    '',
  ],
])('a Service %s', async (_, status, isReady, serving) => {
  kubectl({ 'services.serving.knative.dev': [service('purchase', status)] });
  expect(await cluster.services()).toMatchObject([{ name: 'purchase', isReady, serving }]);
});

test('what is missing is said with what to do', async () => {
  kubectl({ 'services.serving.knative.dev': [service('purchase', ready('False'))] });
  const checks = await checkSystem(cluster);
  expect(checks.map(({ what, result }) => `${what}: ${result}`)).toEqual([
    'Service ratelimit-edge: missing',
    'Service purchase: missing',
    'Service persist-order: missing',
    'Service update-rank: missing',
    'delivery of KafkaSources: missing',
  ]);
  expect(tableOf(checks)).toContain('because');
  expect(checks.every(({ todo }) => todo !== '')).toBe(true);
});

test('where no cluster answers, nothing else is asked', async () => {
  writeFileSync(join(folder, 'kubectl'), '#!/bin/sh\necho "connection refused" >&2; exit 1\n');
  chmodSync(join(folder, 'kubectl'), 0o755);
  expect(await checkCluster(cluster)).toMatchObject([
    { what: 'Kubernetes', result: 'missing', found: 'connection refused' },
  ]);
});

test('the source runner has the functions’ own environment, in their namespace', () => {
  const rendered = `kind: ConfigMap
metadata: {name: a, namespace: seckill}
---
kind: Deployment
metadata: {name: b}
spec: [{configMapRef: {name: seckill-environment}}]
`;
  const text = withEnvironment(rendered, 'seckill-abc', 'shop');
  expect(text.match(/namespace: shop/g)).toHaveLength(2);
  expect(text).toContain('name: seckill-abc');
  expect(text).not.toContain('seckill-environment');
});
