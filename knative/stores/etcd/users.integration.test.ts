import { Etcd3 } from 'etcd3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { etcd as etcdStore } from '#knative/local/stores/etcd.ts';
import { type OwnStore, startOwnStore } from '#lib/testing/own-store.ts';
import { prepareUsers, readRoles } from './users.ts';

const patience = {
  waitMs: 20_000,
  interrupted: new AbortController().signal,
  say: () => undefined,
};
const passwords = new Map([
  ['root', 'the-root-password'],
  ['purchase', 'the-first-password'],
]);
const rights = (prefix: string) =>
  readRoles(
    JSON.stringify({
      roles: { locks: [{ prefix, permission: 'Readwrite' }] },
      users: { purchase: ['locks'] },
    }),
  );

let store: OwnStore;

beforeAll(async () => {
  store = await startOwnStore(etcdStore);
});

afterAll(async () => {
  await store.remove();
});

async function as<T>(password: string | undefined, run: (etcd: Etcd3) => Promise<T>): Promise<T> {
  const auth = password === undefined ? undefined : { username: 'purchase', password };
  const etcd = new Etcd3({ hosts: store.address, ...(auth && { auth }) });
  try {
    return await run(etcd);
  } finally {
    etcd.close();
  }
}

test('a user has its rights and no more, others none; a repetition changes what is new', async () => {
  const endpoints = [store.address];
  await prepareUsers({ endpoints }, rights('/seckill/locks/'), passwords, patience);

  await expect(as(undefined, (etcd) => etcd.get('/seckill/locks/a').string())).rejects.toThrow();
  await as('the-first-password', async (etcd) => {
    await etcd.put('/seckill/locks/a').value('mine');
    expect(await etcd.get('/seckill/locks/a').string()).toBe('mine');
    await expect(etcd.put('/elsewhere').value('mine')).rejects.toThrow(/permission denied/);
  });

  passwords.set('purchase', 'the-second-password');
  await prepareUsers({ endpoints }, rights('/seckill/queues/'), passwords, patience);
  await expect(
    as('the-first-password', (etcd) => etcd.get('/seckill/queues/a').string()),
  ).rejects.toThrow();
  await as('the-second-password', async (etcd) => {
    await etcd.put('/seckill/queues/a').value('mine');
    await expect(etcd.get('/seckill/locks/a').string()).rejects.toThrow(/permission denied/);
  });
}, 60_000);

test('a user without a password is refused before anything is done', async () => {
  const none = new Map([['root', 'the-root-password']]);
  await expect(
    prepareUsers({ endpoints: [store.address] }, rights('/a/'), none, { ...patience, waitMs: 0 }),
  )
    .rejects //
    .toThrow("no password for etcd's user purchase");
});
