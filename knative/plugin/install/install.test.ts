// What a dry run tells is not done.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type KubeObject, kinds } from '../kube/client.ts';
import { type Kit, startKit } from '../kube/test-kit.ts';
import { keyNames, keysSecret } from './secrets.ts';

// The client of Kubernetes has a thousand modules, which a busy machine reads for seconds.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

let kit: Kit;
const folders: string[] = [];
beforeEach(async () => {
  kit = await startKit();
  const data = Object.fromEntries(keyNames.map((name) => [name, 'eA==']));
  kit.api.put({
    ...{ ...kinds.secret, metadata: { name: keysSecret, namespace: 'seckill' } },
    ...{ data },
  });
});
afterEach(async () => {
  await kit.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
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

test('Secrets that only the operator can make are told of, and nothing is said to be well', async () => {
  const { status, out, err } = await kit.run(['install', '--secrets-only', '-o', 'json']);
  expect(status).toBe(1);
  expect(JSON.parse(out)).toMatchObject({ ok: false });
  expect(err).toContain('kubectl -n seckill create secret generic purchase');
  expect(err).toContain(
    'without which no function starts: ratelimit-edge, purchase, persist-order',
  );
  expect(kit.api.at(kinds.secret, 'purchase')).toBeUndefined();
});

/** An overlay with these objects, in a folder of its own. */
function overlayOf(...objects: object[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'seckill-overlay-'));
  folders.push(folder);
  const resources = objects.map((object, index) => {
    writeFileSync(join(folder, `${index}.yaml`), JSON.stringify(object));
    return `${index}.yaml`;
  });
  writeFileSync(join(folder, 'kustomization.yaml'), JSON.stringify({ resources }));
  return folder;
}

test('a dry run of an overlay tells of the Secrets, too, and makes none', async () => {
  const args = ['install', overlayOf(stores), '--dry-run'];
  const { status, out } = await kit.run(args);
  expect(status).toBe(0);
  expect(out).toMatch(/made +Secret +purchase/);
  expect(out).toMatch(/kept +Secret +seckill-keys/);
  expect(out).toMatch(/made +ConfigMap +seckill-stores/);
  expect(kit.api.at(kinds.secret, 'purchase')).toBeUndefined();
  const told = JSON.parse((await kit.run([...args, '-o', 'json'])).out) as object;
  expect(told).toMatchObject({ ok: true });
  expect(told).toHaveProperty('secrets.0.result', 'kept');
});

test('a dry run fails as the installation would, where a Secret is the operator’s to make', async () => {
  const other = { ...kinds.configMap, metadata: { name: 'other', namespace: 'seckill' } };
  const { status, out, err } = await kit.run(['install', overlayOf(other), '--dry-run']);
  expect(status).toBe(1);
  expect(out).toMatch(/missing +Secret +purchase/);
  expect(err).toContain('the Secret purchase is not there');
  // What the overlay itself brings is there by then.
  const data = { SECKILL_REDIS_URL: 'eA==', SECKILL_MYSQL_URL: 'eA==' };
  const names = ['ratelimit-edge', 'purchase', 'persist-order', 'update-rank', 'migrate'];
  const secrets = names.map((name) => ({
    ...{ ...kinds.secret, metadata: { name, namespace: 'seckill' }, data },
  }));
  expect(await kit.run(['install', overlayOf(other, ...secrets), '--dry-run'])).toMatchObject({
    status: 0,
  });
});
