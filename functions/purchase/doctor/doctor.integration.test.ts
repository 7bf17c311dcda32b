// The check-up on real servers, which are set wrongly on purpose: it says so, and what to do.

import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eq } from 'drizzle-orm';
import { Kafka, logLevel, Partitioners } from 'kafkajs';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { migrate } from '#functions/persist-order/migrate.ts';
import { choosePort } from '#knative/local/ports.ts';
import { etcd as etcdStore } from '#knative/local/stores/etcd.ts';
import { redis as redisStore } from '#knative/local/stores/redis.ts';
import type { Diagnosis } from '#lib/diagnosis.ts';
import { readEnvironment } from '#lib/environment.ts';
import { connectEtcd } from '#lib/etcd/connect.ts';
import { inspectEtcd } from '#lib/etcd/inspect.ts';
import { kafkaConfigOf } from '#lib/kafka/access.ts';
import { connectMysql } from '#lib/mysql/connect.ts';
import { products } from '#lib/mysql/schema.ts';
import { saleKeys } from '#lib/names.ts';
import { connectRedis, type RedisClient } from '#lib/redis/connect.ts';
import { startOwnCluster } from '#lib/testing/own-cluster.ts';
import { type OwnStore, startOwnStore } from '#lib/testing/own-store.ts';
import { uniqueDatabase, uniqueName, uniqueTopic } from '#lib/testing/unique.ts';
import { type Bench, log, openOwnBench } from '../testing/purchase-fixture.ts';
import { createDoctor, type DoctorDependencies } from './doctor.ts';
import { judgeEtcd } from './etcd.ts';
import type { ExpectedTopic } from './kafka.ts';

/** For a broker that is busy making what it was asked for. */
const patience = { timeout: 20_000, interval: 200 };

let bench: Bench;
let etcd: { readonly endpoints: readonly string[] };
let topics: readonly ExpectedTopic[];
beforeAll(async () => {
  bench = await openOwnBench();
  etcd = { endpoints: readEnvironment(['SECKILL_ETCD_ENDPOINTS']).SECKILL_ETCD_ENDPOINTS };
  topics = [{ name: await uniqueTopic(3), partitions: 3 }];
});
const closers: (() => Promise<unknown>)[] = [];
afterAll(async () => {
  await bench.close();
  for (const close of closers) await close();
});

/** The stores as they should be, but for what a test sets wrongly; nobody consumes here. */
function examine(overrides: Partial<DoctorDependencies> = {}): Promise<Diagnosis> {
  const { redis, mysql, kafka } = bench;
  const well = { redis, mysql, etcd, kafka, topics, groups: [] };
  return createDoctor({ ...well, ...overrides })();
}

/** What is not well: `area name result`. */
const faultsIn = ({ checks }: Diagnosis) =>
  checks
    .filter(({ result }) => result !== 'ok')
    .map(({ area, name, result }) => `${area} ${name} ${result}`);
const found = ({ checks }: Diagnosis, area: string, name: string) =>
  checks.find((check) => check.area === area && check.name === name);

async function ownRedis(): Promise<{ store: OwnStore; redis: RedisClient }> {
  const store = await startOwnStore(redisStore);
  const redis = connectRedis({ urls: [store.address] }, log);
  closers.push(async () => {
    redis.disconnect();
    await store.remove();
  });
  await vi.waitFor(() => redis.ping());
  return { store, redis };
}

test('stores that are rightly set are well; a single broker is advised against', async () => {
  const diagnosis = await examine();
  expect(faultsIn(diagnosis)).toEqual(['Kafka replication advice']);
  expect(diagnosis.ok).toBe(true);
  expect(Date.parse(diagnosis.at)).toBeGreaterThan(0);
  const areas = new Set(diagnosis.checks.map(({ area }) => area));
  expect([...areas]).toEqual(['Redis', 'etcd', 'Kafka', 'MySQL', 'clocks', 'sales']);
});

test('a Redis that evicts, keeps no file and is nearly full is told of, with what to do', async () => {
  const { redis, store } = await ownRedis();
  await redis.config('SET', 'maxmemory-policy', 'allkeys-lru');
  await redis.config('SET', 'appendonly', 'no');
  await redis.set('much', 'x'.repeat(4 * 1_048_576));
  await redis.config('SET', 'maxmemory', '6mb');
  const diagnosis = await examine({ redis });
  const expected = ['Redis eviction wrong', 'Redis memory wrong', 'Redis persistence wrong'];
  expect(faultsIn(diagnosis)).toEqual([...expected, 'Kafka replication advice']);
  expect(diagnosis.ok).toBe(false);
  const eviction = found(diagnosis, 'Redis', 'eviction');
  expect(eviction?.found).toBe('maxmemory-policy is allkeys-lru');
  expect(eviction?.todo).toContain('CONFIG SET maxmemory-policy noeviction');

  // A replica takes no writes.
  const { redis: replica } = await ownRedis();
  const { hostname, port } = new URL(store.address);
  await replica.call('REPLICAOF', hostname, port);
  expect(faultsIn(await examine({ redis: replica }))).toContain('Redis topology wrong');
});

test('a store that is away leaves its own checks open, and no others', async () => {
  const { redis, store } = await ownRedis();
  const settled = await bench.product({ state: 'settled', closesAt: Date.now() * 1_000 });
  await store.stop();
  await vi.waitFor(() => expect(redis.ping()).rejects.toThrow());
  const diagnosis = await examine({ redis });
  const open = ['Redis reachable unknown', 'Kafka replication advice', 'sales leftovers unknown'];
  expect(faultsIn(diagnosis)).toEqual(open);
  expect(diagnosis.ok).toBe(false);
  await bench.mysql.db.delete(products).where(eq(products.productId, settled));

  const nobody = `127.0.0.1:${await choosePort()}`;
  const mysql = connectMysql({ url: `mysql://nobody:secret-word@${nobody}/none` }, 1);
  closers.push(() => mysql.pool.end());
  const without = await examine({
    mysql,
    kafka: { brokers: [nobody] },
    etcd: { endpoints: [`http://${nobody}`] },
  });
  expect(faultsIn(without)).toEqual([
    'etcd reachable unknown',
    'Kafka reachable unknown',
    'MySQL reachable unknown',
    'sales leftovers unknown',
  ]);
  expect(found(without, 'MySQL', 'reachable')?.found).toContain('ECONNREFUSED');
  expect(JSON.stringify(without)).not.toContain('secret-word');
});

test('a store that is silent keeps no check waiting beyond its time', async () => {
  const mysql = connectMysql({ url: await uniqueDatabase() }, 1);
  closers.push(() => mysql.pool.end());
  // Whoever asks next waits for as long as this one is not given back.
  const held = await mysql.pool.getConnection();
  const diagnosis = await examine({ mysql, timeoutMs: 2_000 });
  held.release();
  expect(faultsIn(diagnosis)).toEqual([
    'Kafka replication advice',
    'MySQL reachable unknown',
    'sales leftovers unknown',
  ]);
  expect(found(diagnosis, 'clocks', 'skew')?.result).toBe('ok');
});

test('a Redis Cluster is looked at node by node, and one of its nodes alone is no Redis', async () => {
  const cluster = await startOwnCluster();
  const redis = connectRedis({ urls: cluster.urls }, log);
  const [one = ''] = cluster.urls;
  const alone = connectRedis({ urls: [one] }, log);
  closers.push(async () => {
    redis.disconnect();
    alone.disconnect();
    await cluster.remove();
  });
  await vi.waitFor(async () => {
    await redis.ping();
    await alone.ping();
  });
  await alone.call('CONFIG', 'SET', 'maxmemory-policy', 'volatile-ttl');
  const diagnosis = await examine({ redis });
  const expected = ['topology advice', 'eviction wrong', 'persistence wrong'];
  expect(faultsIn(diagnosis).slice(0, 3)).toEqual(expected.map((fault) => `Redis ${fault}`));
  const { host } = new URL(one);
  expect(found(diagnosis, 'Redis', 'eviction')?.found).toBe(
    `maxmemory-policy is volatile-ttl on ${host}`,
  );
  const { todo } = found(await examine({ redis: alone }), 'Redis', 'topology') ?? {};
  expect(todo).toContain('name several nodes of it in SECKILL_REDIS_URL');
});

test('topics that are missing or have too few partitions are told of', async () => {
  const few = await uniqueTopic(2);
  const missing = uniqueName('none.');
  const diagnosis = await examine({
    topics: [few, missing].map((name) => ({ name, partitions: 3 })),
  });
  const expected = ['topics wrong', 'partitions wrong', 'replication advice'];
  expect(faultsIn(diagnosis)).toEqual(expected.map((fault) => `Kafka ${fault}`));
  expect(found(diagnosis, 'Kafka', 'topics')?.found).toBe(`not there: ${missing}`);
  expect(found(diagnosis, 'Kafka', 'partitions')?.found).toContain(`${few} has 2 of 3`);
  expect(found(diagnosis, 'Kafka', 'partitions')?.todo).toContain('kafka-topics.sh --alter');
});

test('a topic that forgets, and a group that nobody is in, are told of', async () => {
  const client = new Kafka({ ...kafkaConfigOf(bench.kafka), logLevel: logLevel.NOTHING });
  const name = uniqueName('test.');
  const admin = client.admin();
  await admin.connect();
  const configEntries = Object.entries({
    'retention.ms': '3600000',
    'cleanup.policy': 'compact',
    'unclean.leader.election.enable': 'true',
  }).map(([key, value]) => ({ name: key, value }));
  const topic = { topic: name, numPartitions: 1, configEntries };
  await admin.createTopics({ topics: [topic], waitForLeaders: false });
  await vi.waitFor(() => admin.fetchTopicMetadata({ topics: [name] }), patience);
  await admin.disconnect();
  const group = uniqueName('group-');
  const only = { topics: [{ name, partitions: 1 }], groups: [group] };
  const diagnosis = await examine(only);
  const expected = ['replication advice', 'retention wrong', 'elections wrong', 'consumers wrong'];
  expect(faultsIn(diagnosis)).toEqual(expected.map((fault) => `Kafka ${fault}`));
  const retention = found(diagnosis, 'Kafka', 'retention');
  expect(retention?.found).toBe(`${name} keeps 1 h; ${name} is cleaned up by "compact"`);

  const consumer = client.consumer({ groupId: group });
  closers.push(() => consumer.disconnect());
  await consumer.connect();
  await consumer.subscribe({ topic: name });
  await consumer.run({ eachMessage: () => Promise.resolve() });
  await vi.waitFor(async () => {
    expect(found(await examine(only), 'Kafka', 'consumers')?.result).toBe('ok');
  }, patience);
});

test('events that wait, and that no member of the group takes, are told of', async () => {
  const client = new Kafka({ ...kafkaConfigOf(bench.kafka), logLevel: logLevel.NOTHING });
  const [name, group] = [await uniqueTopic(1), uniqueName('group-')];
  const only = { topics: [{ name, partitions: 1 }], groups: [group] };
  const producer = client.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  const consumer = client.consumer({ groupId: group });
  closers.push(() => Promise.all([producer.disconnect(), consumer.disconnect()]));
  await Promise.all([producer.connect(), consumer.connect()]);
  await producer.send({ topic: name, messages: [{ value: 'waits' }] });
  await consumer.subscribe({ topic: name, fromBeginning: true });
  await consumer.run({ autoCommit: false, eachMessage: () => Promise.resolve() });
  const deliveries = async () => found(await examine(only), 'Kafka', 'deliveries');
  await vi.waitFor(async () => {
    expect(await deliveries()).toMatchObject({
      result: 'wrong',
      found: `events wait, and none was taken in 3 s: 1 for ${group}`,
    });
  }, patience);
  await consumer.commitOffsets([{ topic: name, partition: 0, offset: '1' }]);
  expect(await deliveries()).toMatchObject({ result: 'ok', found: 'no event waits' });
});

test('an etcd whose quota is used up, or that forgets nothing, is told of', async () => {
  const tiny = (site: Parameters<typeof etcdStore.command>[0]) => {
    const { command, args } = etcdStore.command(site);
    return { command, args: [...args, '--quota-backend-bytes=100000'] };
  };
  const store = await startOwnStore({ ...etcdStore, command: tiny });
  const endpoints = [store.address];
  const client = connectEtcd({ endpoints });
  closers.push(async () => {
    client.close();
    await store.remove();
  });
  const [before] = await inspectEtcd({ endpoints });
  expect(judgeEtcd(before ? [before] : [], 0).map(({ result }) => result)).toContain('wrong');
  await client.grantLease('4711', 600);
  const write = { put: '/seckill/instances/x', value: 'x'.repeat(20_000), leaseId: '4711' };
  // Until it says that there is no room; it says so to the health check, too.
  await expect(async () => {
    for (let count = 0; count < 50; count += 1) await client.transact({ when: [], then: [write] });
  }).rejects.toThrow(/space/);
  const diagnosis = await examine({ etcd: { endpoints } });
  expect(faultsIn(diagnosis)).toEqual(['etcd alarms wrong', 'Kafka replication advice']);
  expect(found(diagnosis, 'etcd', 'alarms')?.todo).toContain('etcdctl alarm disarm');
});

test('an etcd member that is away is told of while the others answer', async () => {
  const gone = `http://127.0.0.1:${await choosePort()}`;
  const diagnosis = await examine({ etcd: { endpoints: [...etcd.endpoints, gone] } });
  expect(faultsIn(diagnosis)).toEqual(['etcd members wrong', 'Kafka replication advice']);
  expect(found(diagnosis, 'etcd', 'members')?.found).toContain(gone);
});

test('a MySQL without the last migration, and one without any, are told of', async () => {
  const source = join(import.meta.dirname, '../../persist-order/migrations');
  const folder = mkdtempSync(join(tmpdir(), 'seckill-migrations-'));
  cpSync(source, folder, { recursive: true });
  const file = join(folder, 'meta/_journal.json');
  const journal = JSON.parse(readFileSync(file, 'utf8')) as { entries: { tag: string }[] };
  const last = journal.entries.pop()?.tag ?? '';
  writeFileSync(file, JSON.stringify(journal));
  const url = await uniqueDatabase();
  const mysql = connectMysql({ url: url }, 2);
  closers.push(() => mysql.pool.end());
  const { todo } = found(await examine({ mysql }), 'MySQL', 'schema') ?? {};
  expect(todo).toContain('run the migration Job');

  await migrate({ url: url }, folder);
  rmSync(folder, { recursive: true });
  const diagnosis = await examine({ mysql });
  expect(faultsIn(diagnosis)).toEqual(['Kafka replication advice', 'MySQL schema wrong']);
  expect(found(diagnosis, 'MySQL', 'schema')?.found).toBe(`not applied: ${last}`);

  await migrate({ url: url });
  expect(faultsIn(await examine({ mysql }))).toEqual(['Kafka replication advice']);
});

test('a password that is refused is a fault of ours, not a store that is away', async () => {
  const url = new URL(await uniqueDatabase());
  url.password = 'not-the-one';
  const mysql = connectMysql({ url: url.href }, 1);
  closers.push(() => mysql.pool.end());
  const diagnosis = await examine({ mysql });
  expect(faultsIn(diagnosis)).toContain('MySQL reachable wrong');
  expect(found(diagnosis, 'MySQL', 'reachable')?.todo).toContain('Secret `purchase`');
  expect(JSON.stringify(diagnosis)).not.toContain('not-the-one');
});

test('clocks that are apart are told of, by whose and how far', async () => {
  expect(faultsIn(await examine({ now: () => Date.now() - 5_000 }))).toContain('clocks skew wrong');
  const { found: told } =
    found(await examine({ now: () => Date.now() + 5_000 }), 'clocks', 'skew') ?? {};
  expect(told).toMatch(
    /Redis .* is [45]\.\d s behind purchase; MySQL is [45]\.\d s behind purchase/,
  );
});

test('what sales have left behind is told of by their names', async () => {
  const hourUs = 3_600_000_000;
  const nowUs = Date.now() * 1_000;
  const settled = await bench.product({ state: 'settled', closesAt: nowUs });
  const over = await bench.product({ closesAt: nowUs - 2 * hourUs });
  await bench.product({ closesAt: nowUs - hourUs / 2 });
  const { orders } = saleKeys(settled);
  await bench.redis.hset(orders, 'an order', 'of nobody');
  const diagnosis = await examine();
  const expected = ['Kafka replication advice', 'sales leftovers wrong', 'sales unsettled wrong'];
  expect(faultsIn(diagnosis)).toEqual(expected);
  expect(found(diagnosis, 'sales', 'leftovers')?.found).toContain(settled);
  expect(found(diagnosis, 'sales', 'unsettled')?.found).toMatch(new RegExp(`: ${over}$`));
  expect(found(diagnosis, 'sales', 'unsettled')?.todo).toContain(`kn-seckill sale close ${over}`);

  await bench.redis.expire(orders, 60);
  await bench.update(over, { state: 'settled' });
  expect(faultsIn(await examine())).toEqual(['Kafka replication advice']);
});
