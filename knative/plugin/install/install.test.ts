// What a dry run tells is not done.

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type KubeObject, kinds } from '../kube/client.ts';
import { type Kit, startKit } from '../kube/test-kit.ts';

// The client of Kubernetes has a thousand modules, which a busy machine reads for seconds.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

let kit: Kit;
beforeEach(async () => {
  kit = await startKit();
});
afterEach(async () => {
  await kit.close();
});

const stores = {
  ...{ ...kinds.configMap, metadata: { name: 'seckill-stores', namespace: 'seckill' } },
  data: { redis: 'redis:6379', mysql: 'mysql:3306/seckill', etcd: 'http://etcd:2379' },
} as KubeObject;

test('a dry run of the Secrets makes none', async () => {
  kit.api.put(stores);
  const { status, out } = await kit.run(['install', '--secrets-only', '--dry-run']);
  expect(status).toBe(0);
  expect(out).toMatch(/SECRET +WOULD BE/);
  expect(out).toMatch(/purchase +made/);
  expect(out).toMatch(/seckill-keys +kept/);
  expect(kit.api.at(kinds.secret, 'purchase')).toBeUndefined();
  expect(await kit.run(['install', '--secrets-only'])).toMatchObject({ status: 0 });
  expect(kit.api.at(kinds.secret, 'purchase')).toBeDefined();
});
