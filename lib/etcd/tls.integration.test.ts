// etcd by TLS and with users: by the name on our certificate, or by password; tokens that run out,
// and certificates that change under a running client.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Etcd3, Range } from 'etcd3';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { etcd as etcdStore } from '#knative/local/stores/etcd.ts';
import { etcdNames, readEnvironment } from '#lib/environment.ts';
import { createAuthority } from '#lib/testing/certificates.ts';
import { type OwnStore, startOwnStore } from '#lib/testing/own-store.ts';
import { etcdWithTls } from '#lib/testing/tls-stores.ts';
import { hintOf } from '#lib/tls/hint.ts';
import { materialOf } from '#lib/tls/live-tls.ts';
import { credentialsOf, type EtcdAccess, etcdAccessOf } from './access.ts';
import { connectEtcd } from './connect.ts';
import type { EtcdClient } from './etcd.ts';

const folder = mkdtempSync(join(tmpdir(), 'seckill-etcd-tls-'));
const authority = createAuthority(folder);
const server = authority.issue('server');
const purchase = authority.issue('purchase');
const root = authority.issue('root');
const closers: (() => void)[] = [];
let store: OwnStore;

beforeAll(async () => {
  const withTls = etcdWithTls(authority, server);
  store = await startOwnStore({
    ...withTls,
    command(site) {
      const { command, args } = withTls.command(site);
      return { command, args: [...args, '--auth-token-ttl=1'] };
    },
  });
  const { endpoints, tls = {} } = accessOf(root);
  const admin = new Etcd3({ hosts: [...endpoints], ...credentialsOf(materialOf(tls)) });
  await vi.waitFor(() => admin.role('purchase').create(), 10_000);
  const ours = Range.prefix('/seckill/');
  await admin.role('purchase').grant({ permission: 'Readwrite', range: ours });
  const role = await admin
    .role('root')
    .create()
    .catch(() => admin.role('root'));
  await admin.user('root').create('of-root');
  await admin.user('root').addRole(role);
  await admin.user('purchase').create('of-purchase');
  await admin.user('purchase').addRole('purchase');
  await admin.auth.authEnable();
  admin.close();
});

afterEach(() => {
  for (const close of closers.splice(0)) close();
});

afterAll(async () => {
  await store.remove();
  rmSync(folder, { recursive: true });
});

function accessOf(
  { certFile, keyFile }: typeof purchase,
  more: Readonly<Record<string, string>> = {},
): EtcdAccess {
  return etcdAccessOf(
    readEnvironment(etcdNames, {
      SECKILL_ETCD_ENDPOINTS: store.address,
      SECKILL_ETCD_CA_FILE: authority.caFile,
      SECKILL_ETCD_CERT_FILE: certFile,
      SECKILL_ETCD_KEY_FILE: keyFile,
      ...more,
    }),
  );
}

function connect(access: EtcdAccess): EtcdClient {
  const etcd = connectEtcd(access);
  closers.push(() => {
    etcd.close();
  });
  return etcd;
}

let lastLease = Date.now();

/** All that the locks do. */
async function useIt(etcd: EtcdClient, key: string): Promise<void> {
  const leaseId = String((lastLease += 1));
  await etcd.grantLease(leaseId, 30);
  const put = { put: key, value: 'v', leaseId };
  expect((await etcd.transact({ when: [{ key, absent: true }], then: [put] })).succeeded).toBe(
    true,
  );
  expect(await etcd.keepLeaseAlive(leaseId)).toBeGreaterThan(0);
  expect(await etcd.leaseKeys(leaseId)).toEqual([key]);
  // A watch on a stream whose token has run out breaks, as any may: then one watches again.
  await vi.waitFor(() => untilSeen(etcd, key), { timeout: 5_000, interval: 50 });
  await etcd.revokeLease(leaseId);
}

function untilSeen(etcd: EtcdClient, key: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const unwatch = etcd.watch(
      { key, fromRevision: 1, only: 'put' },
      {
        onEvent: () => {
          unwatch();
          resolve();
        },
        onBroken: () => {
          reject(new Error('the watch broke'));
        },
      },
    );
  });
}

const hintFrom = async (access: EtcdAccess, key = '/seckill/locks/p/x') => {
  const get = { when: [], then: [{ get: key }] };
  return connect(access)
    .transact(get)
    .then(
      () => undefined,
      (error: unknown) => hintOf(error) ?? String(error),
    );
};

test('the name on our certificate is the user, and it may only use its own keys', async () => {
  await useIt(connect(accessOf(purchase)), '/seckill/locks/p/certified');
  expect(await hintFrom(accessOf(purchase), '/registry/secrets')).toMatch(/lacks a right/);
});

test('who is not believed, and who does not believe us: each is told', async () => {
  const stranger = createAuthority(join(folder, 'stranger'));
  const { caFile } = stranger;
  expect(await hintFrom(accessOf(purchase, { SECKILL_ETCD_CA_FILE: caFile }))).toMatch(
    /signed by nobody/,
  );
  const theirs = stranger.issue('purchase');
  expect(await hintFrom(accessOf(theirs))).toMatch(/certificate/);
  const wrong = { SECKILL_ETCD_USERNAME: 'purchase', SECKILL_ETCD_PASSWORD: 'wrong' };
  expect(await hintFrom(accessOf(purchase, wrong))).toMatch(/user or password is wrong/);
});

test('certificates change under a running client', async () => {
  const etcd = connect(accessOf(purchase));
  await useIt(etcd, '/seckill/locks/p/before');
  await store.stop();
  createAuthority(folder);
  for (const name of ['server', 'purchase', 'root']) authority.issue(name);
  await store.start();
  await vi.waitFor(() => useIt(etcd, '/seckill/locks/p/after'), { timeout: 20_000 });

  authority.issue('server', { expired: true });
  await expect.poll(() => hintFrom(accessOf(purchase)), { timeout: 10_000 }).toMatch(/has expired/);
});

test('a user with a password goes on when its token has run out', async () => {
  const plain = await startOwnStore({
    ...etcdStore,
    command(site) {
      const { command, args } = etcdStore.command(site);
      return { command, args: [...args, '--auth-token-ttl=1'] };
    },
  });
  closers.push(() => void plain.remove());
  const admin = new Etcd3({ hosts: plain.address });
  await vi.waitFor(() => admin.role('root').create(), 10_000);
  await admin.user('root').create('of-root');
  await admin.user('root').addRole('root');
  await admin.auth.authEnable();
  admin.close();

  const auth = { username: 'root', password: 'of-root' };
  const etcd = connect({ endpoints: [plain.address], auth });
  await useIt(etcd, '/seckill/locks/p/1');
  const leaseId = String((lastLease += 1));
  await etcd.grantLease(leaseId, 30);
  // Keep-alives are all that an instance asks for which holds a lock in peace.
  const until = performance.now() + 4_000;
  await vi.waitUntil(
    async () => {
      expect(await etcd.keepLeaseAlive(leaseId)).toBeGreaterThan(0);
      return performance.now() > until;
    },
    { timeout: 10_000, interval: 200 },
  );
  await useIt(etcd, '/seckill/locks/p/2');
});
