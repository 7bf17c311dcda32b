// Against a real etcd that is killed, frozen and replaced under the client.

import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { connectEtcd } from './connect.ts';
import { type EtcdClient, EtcdUnavailable, LeaseNotFound } from './etcd.ts';
import { type OwnEtcd, startOwnEtcd } from './own-etcd.ts';

let server: OwnEtcd;
let etcd: EtcdClient;

beforeAll(async () => {
  server = await startOwnEtcd();
  etcd = connectEtcd({ endpoints: [server.endpoint] });
}, 20_000);

afterAll(async () => {
  etcd.close();
  await server.remove();
});

const put = (key: string, value = 'v', leaseId = '0') =>
  etcd.transact({ when: [], then: [{ put: key, value, leaseId }] });

/** How long it takes until the client is answered. */
async function untilAnswered(): Promise<number> {
  const sinceMs = performance.now();
  await vi.waitFor(() => put('/answered'), { timeout: 5_000, interval: 10 });
  return performance.now() - sinceMs;
}

test('reads in a transaction see its writes, in the order of creation', async () => {
  const first = await put('/list/b');
  const second = await put('/list/a');
  await put('/list-2/x');
  const { succeeded, revision, reads } = await etcd.transact({
    when: [{ key: '/list/c', absent: true }],
    then: [
      { put: '/list/c', value: 'new', leaseId: '0' },
      { list: '/list/', order: 'newest', limit: 2 },
      { list: '/list/', order: 'oldest', limit: 9, createdBefore: second.revision },
      { list: '/list/', order: 'oldest', limit: 9, createdAfter: first.revision },
    ],
  });
  expect(succeeded).toBe(true);
  const keys = reads.map((list) => list.map(({ key }) => key));
  expect(keys).toEqual([[], ['/list/c', '/list/a'], ['/list/b'], ['/list/a', '/list/c']]);
  expect(reads[1]?.[0]).toEqual({
    key: '/list/c',
    value: 'new',
    createRevision: revision,
    leaseId: '0',
  });
});

test('the other branch is taken where one condition fails', async () => {
  await put('/branch', 'x');
  for (const condition of [
    { key: '/branch', absent: true },
    { key: '/branch', value: 'y' },
    { key: '/branch', createRevision: 1 },
    { key: '/branch', leaseId: '5' },
  ] as const) {
    const { succeeded, reads } = await etcd.transact({
      when: [{ key: '/branch', value: 'x' }, condition],
      then: [{ delete: '/branch' }],
      otherwise: [{ get: '/branch' }],
    });
    expect(succeeded).toBe(false);
    expect(reads[0]?.[0]?.value).toBe('x');
  }
});

test('a lease with an id of our own: granted, kept, listed, revoked', async () => {
  const id = '7586969655541345281';
  await etcd.grantLease(id, 5);
  await put('/leased', 'v', id);
  expect(await etcd.keepLeaseAlive(id)).toBe(5);
  expect(await etcd.leaseKeys(id)).toEqual(['/leased']);
  await etcd.revokeLease(id);
  await etcd.revokeLease(id);
  expect(await etcd.keepLeaseAlive(id)).toBe(0);
  expect(await etcd.leaseKeys(id)).toEqual([]);
  await expect(put('/leased', 'v', id)).rejects.toThrow(LeaseNotFound);
});

test('watches tell what is asked for, from the revision asked for, until ended', async () => {
  const { revision } = await put('/w/before');
  const seen: string[] = [];
  const record = (name: string) => ({
    onEvent: ({ key }: { key: string }) => seen.push(`${name} ${key}`),
    onBroken: () => seen.push(`${name} broke`),
  });
  const ends = [
    etcd.watch({ key: '/w/', prefix: true, fromRevision: revision }, record('all')),
    etcd.watch({ key: '/w/a', fromRevision: revision, only: 'put' }, record('puts')),
    etcd.watch({ key: '/w/a', fromRevision: revision, only: 'delete' }, record('deletes')),
  ];
  etcd.watch({ key: '/w/a', fromRevision: revision }, record('ended'))();
  await put('/w/a');
  await etcd.transact({ when: [], then: [{ delete: '/w/a' }] });
  await vi.waitFor(() => {
    expect(seen.toSorted()).toEqual([
      'all /w/a',
      'all /w/a',
      'all /w/before',
      'deletes /w/a',
      'puts /w/a',
    ]);
  });
  for (const end of ends) end();
  await put('/w/a');
  await put('/w/b');
  expect(seen).toHaveLength(5);
});

test('killed and started again: calls fail soon, then work within a second', async () => {
  const broken = vi.fn();
  await put('/restart');
  etcd.watch({ key: '/restart', fromRevision: 1 }, { onEvent: () => undefined, onBroken: broken });
  await server.kill();
  const sinceMs = performance.now();
  for (let call = 0; call < 5; call += 1) {
    const error: unknown = await put('/restart').catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(EtcdUnavailable);
    expect((error as EtcdUnavailable).cause).toBeInstanceOf(Error);
  }
  expect(performance.now() - sinceMs).toBeLessThan(5_000);
  await vi.waitFor(() => {
    expect(broken).toHaveBeenCalledOnce();
  });
  await server.start('kept');
  expect(await untilAnswered()).toBeLessThan(1_000);
});

test('frozen: every call fails within its deadline, soon at once; thawed, it works', async () => {
  process.kill(server.pid(), 'SIGSTOP');
  try {
    const sinceMs = performance.now();
    const calls = [put('/frozen'), etcd.keepLeaseAlive('1'), etcd.leaseKeys('1')];
    for (const { status, reason } of (await Promise.allSettled(calls)) as PromiseRejectedResult[]) {
      expect(status).toBe('rejected');
      expect(reason).toBeInstanceOf(EtcdUnavailable);
    }
    expect(performance.now() - sinceMs).toBeLessThan(3_000);
    await vi.waitFor(() => expect(put('/frozen')).rejects.toThrow('a moment ago'), 5_000);
  } finally {
    process.kill(server.pid(), 'SIGCONT');
  }
  expect(await untilAnswered()).toBeLessThan(1_000);
});

test('a member that hangs costs one call a second, and is then left alone', async () => {
  const silent = createServer().listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  const endpoints = [`http://127.0.0.1:${port}`, server.endpoint];
  const client = connectEtcd({ endpoints, firstMember: 0 });
  const broken = vi.fn();
  client.watch({ key: '/x', fromRevision: 1 }, { onEvent: () => undefined, onBroken: broken });
  const get = () => client.transact({ when: [], then: [{ get: '/x' }] });
  try {
    const sinceMs = performance.now();
    expect((await get()).succeeded).toBe(true);
    expect(performance.now() - sinceMs).toBeGreaterThan(500);
    expect(broken).toHaveBeenCalledOnce();
    const movedMs = performance.now();
    for (let call = 0; call < 10; call += 1) await get();
    // One try that hangs would take longer than that alone.
    expect(performance.now() - movedMs).toBeLessThan(900);
  } finally {
    client.close();
    silent.close();
  }
});

test('a keep-alive, too, is repeated elsewhere', async () => {
  const silent = createServer().listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  const endpoints = [`http://127.0.0.1:${port}`, server.endpoint];
  const client = connectEtcd({ endpoints, firstMember: 0 });
  try {
    expect(await client.keepLeaseAlive('12345')).toBe(0);
  } finally {
    client.close();
    silent.close();
  }
});
