// A sale from its making to its settlement, each function as its own user of each store with just
// the rights that the overlays give: grants.sql, users.acl on a Redis Cluster, roles.json. The
// Cluster's default user is off, so that a node reached without a password refuses.

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { migrate } from '#functions/persist-order/migrate.ts';
import { buildFunctions, type FunctionName, functionNames } from '#knative/local/build.ts';
import {
  choosePorts,
  distFolder,
  functionService,
  sourceRunnerService,
} from '#knative/local/functions.ts';
import { startService } from '#knative/local/service.ts';
import { etcd as etcdStore } from '#knative/local/stores/etcd.ts';
import { kafka as kafkaStore } from '#knative/local/stores/kafka.ts';
import { mysql as mysqlStore } from '#knative/local/stores/mysql.ts';
import { createTopics } from '#knative/local/topics.ts';
import { startOwnCluster } from '#lib/testing/own-cluster.ts';
import { startOwnStore } from '#lib/testing/own-store.ts';
import { until } from '#lib/testing/runtime.ts';
import { prepareUsers as prepareEtcd, readRoles } from './etcd/users.ts';
import { prepareUsers as prepareMysql, readGrants } from './mysql/users.ts';

const root = resolve(import.meta.dirname, '../..');
const key = 'k'.repeat(32);
const rootPassword = 'of-root';
const passwordOf = (user: string) => `of-${user}`;
const usersOf = (...users: string[]) => new Map(users.map((user) => [user, passwordOf(user)]));
const patience = {
  waitMs: 30_000,
  interrupted: new AbortController().signal,
  say: () => undefined,
};
const fileOf = (name: string) => readFileSync(join(import.meta.dirname, name), 'utf8');

const closers: (() => Promise<unknown>)[] = [];
let folder: string;
let url: string;
let redisNodes: readonly string[];

afterAll(async () => {
  for (const close of closers.reverse()) await close();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

async function startMysql(): Promise<(user: string) => string> {
  const store = await startOwnStore({
    ...mysqlStore,
    async prepare(site, say) {
      await mysqlStore.prepare(site, say);
      await appendFile(
        `${site.folder}/init.sql`,
        `CREATE OR REPLACE USER 'root'@'127.0.0.1' IDENTIFIED BY '${rootPassword}';\n` +
          "GRANT ALL ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;\n",
      );
    },
  });
  closers.push(() => store.remove());
  const urlOf = (user: string) => {
    const at = new URL(store.address);
    [at.username, at.password] = [user, passwordOf(user)];
    return at.href;
  };
  const grants = readGrants(fileOf('mysql/grants.sql'));
  const passwords = usersOf('purchase', 'persist-order', 'migrate', 'backup');
  // As on a cluster: the users come first, the tables are then made by one of them.
  const preparing = prepareMysql({ url: urlOf('root') }, grants, passwords, patience);
  preparing.catch(() => undefined);
  await until('a user for the migration', 20_000, () =>
    migrate({ url: urlOf('migrate') }).then(
      () => true,
      (error: unknown) => {
        if (/access denied/i.test(String(error))) return undefined;
        throw error;
      },
    ),
  );
  await preparing;
  return urlOf;
}

async function startRedis(): Promise<(user: string) => string> {
  const cluster = await startOwnCluster();
  closers.push(() => cluster.remove());
  redisNodes = cluster.urls;
  for (const node of cluster.urls) {
    const redis = new Redis(node);
    for (const line of fileOf('redis/users.acl').trim().split('\n')) {
      const [, user = '', ...rules] = line.split(' ');
      if (user === 'default') continue;
      await redis.call('ACL', 'SETUSER', user, 'reset', ...rules, `>${passwordOf(user)}`);
    }
    await redis.call('ACL', 'SETUSER', 'default', 'off');
    redis.disconnect();
  }
  return (user) =>
    cluster.urls.map((node) => node.replace('://', `://${user}:${passwordOf(user)}@`)).join(',');
}

async function startEtcd(): Promise<string> {
  const store = await startOwnStore(etcdStore);
  closers.push(() => store.remove());
  const rights = readRoles(fileOf('etcd/roles.json'));
  await prepareEtcd({ endpoints: [store.address] }, rights, usersOf('root', 'purchase'), patience);
  return store.address;
}

async function startKafka(): Promise<string> {
  const store = await startOwnStore(kafkaStore);
  closers.push(() => store.remove());
  await createTopics({ brokers: [store.address] });
  return store.address;
}

beforeAll(async () => {
  folder = await mkdtemp(join(root, '.seckill', 'least-rights-'));
  const [mysqlUrl, redisUrl, etcd, kafka, ports] = await Promise.all([
    startMysql(),
    startRedis(),
    startEtcd(),
    startKafka(),
    choosePorts('0', {}),
    buildFunctions(distFolder(folder)),
  ]);
  const given = { PATH: process.env.PATH };
  const shared = {
    SECKILL_KAFKA_BROKERS: kafka,
    SECKILL_PURCHASE_URL: `http://127.0.0.1:${ports.purchase}`,
    SECKILL_JWT_KEY: key,
    SECKILL_SIGNING_KEYS: key,
    SECKILL_PSEUDONYM_KEY: key,
  };
  const own = (name: FunctionName) => ({
    SECKILL_REDIS_URL: redisUrl(name),
    SECKILL_MYSQL_URL: mysqlUrl(name),
    SECKILL_ETCD_ENDPOINTS: etcd,
    SECKILL_ETCD_USERNAME: name,
    SECKILL_ETCD_PASSWORD: passwordOf(name),
  });
  const services = functionNames.map((name) =>
    functionService(name, { folder, ports, given, env: { ...shared, ...own(name) } }),
  );
  services.push(sourceRunnerService({ folder, ports, given, env: shared }));
  await Promise.all(
    services.map(async (service) => {
      const running = await startService(service, () => undefined);
      closers.push(() => running.stop());
    }),
  );
  url = `http://127.0.0.1:${ports['ratelimit-edge']}`;
}, 180_000);

/** What users of Redis tried and may not. */
async function refusedByRedis(): Promise<unknown[]> {
  const refused: unknown[] = [];
  for (const node of redisNodes) {
    const redis = new Redis(node.replace('://', `://admin:${passwordOf('admin')}@`));
    refused.push(...((await redis.call('ACL', 'LOG')) as unknown[]));
    redis.disconnect();
  }
  return refused;
}

async function tell(...args: string[]): Promise<string> {
  const program = join(root, 'knative/plugin/kn-seckill');
  const env = { PATH: process.env.PATH, SECKILL_URL: url, SECKILL_JWT_KEY: key };
  return (await promisify(execFile)(program, args, { env })).stdout;
}

async function cli(...args: string[]): Promise<Record<string, unknown>> {
  return JSON.parse(await tell(...args, '-o', 'json')) as Record<string, unknown>;
}

async function buy(token: string, idempotencyKey: string): Promise<[number, string]> {
  const response = await fetch(`${url}/api/products/shoe/purchase`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'idempotency-key': idempotencyKey,
      'content-type': 'application/json',
    },
    body: '{"quantity":1}',
  });
  const { orderId = '' } = (await response.json()) as { orderId?: string };
  return [response.status, orderId];
}

test('a sale, all that operators do to it, and its boards', async () => {
  const create = ['sale', 'create', 'shoe', '--name', 'shoe', '--price', '1999'];
  await cli(...create, '--stock', '20', '--limit', '1');
  await cli('sale', 'warm', 'shoe');
  await cli('sale', 'open', 'shoe');
  await cli('limits', 'set', 'product', '--product', 'shoe', '--rate', '100', '--capacity', '100');
  const said = await tell('token', '--count', '30', '--prefix', 'u');
  const tokens = said.trim().split('\n');
  const rush = () => Promise.all(tokens.map((token, index) => buy(token, `key-of-${index}`)));
  const times = (count: number, status: number) => Array<number>(count).fill(status);
  const statuses = (answers: [number, string][]) => answers.map(([status]) => status).sort();
  const first = await rush();
  expect(statuses(first)).toEqual([...times(20, 202), ...times(10, 410)]);
  const again = await rush();
  expect(statuses(again)).toEqual([...times(20, 200), ...times(10, 410)]);

  const [, orderId] = first.find(([status]) => status === 202) ?? [0, ''];
  await until('the row', 10_000, async () => {
    const orders = (await cli('orders', 'list', 'shoe')) as unknown as { status: string }[];
    return orders.filter(({ status }) => status === 'confirmed').length === 20 ? true : undefined;
  });
  await cli('orders', 'cancel', orderId, '--reason', 'unpaid');
  await cli('sale', 'restock', 'shoe', '--units', '5');
  await cli('reconcile', 'shoe');
  await cli('sale', 'pause', 'shoe');
  expect(await cli('sale', 'close', 'shoe')).toMatchObject({ settled: true });
  expect(await cli('verify', 'shoe')).toMatchObject({ oversold: 0, lost: 0, rows: 19, ok: true });
  const board = await fetch(`${url}/api/products/shoe/leaderboard?by=speed`);
  expect(((await board.json()) as { entries: unknown[] }).entries.length).toBeGreaterThan(0);
  await cli('erase', 'u1', '--yes');
  expect(await cli('verify', 'shoe')).toMatchObject({ ok: true });
  const operator = (await tell('token', '--user', 'op', '--operator')).trim();
  const doctor = await fetch(`${url}/operator/doctor`, {
    headers: { authorization: `Bearer ${operator}` },
  });
  expect(await doctor.text()).not.toMatch(/NOPERM|denied|permission|may not/i);
  // Redis notes whatever it refused, also where somebody tried again or did without.
  expect(await refusedByRedis()).toEqual([]);
});
