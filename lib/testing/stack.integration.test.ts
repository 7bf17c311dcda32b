import { Redis } from 'ioredis';
import { Kafka, logLevel } from 'kafkajs';
import { createConnection } from 'mysql2/promise';
import { afterEach, expect, test } from 'vitest';
import { readEnvironment } from '#lib/environment.ts';
import { topics } from '#lib/names.ts';
import { uniqueDatabase, uniqueProductId, uniqueTopic } from './unique.ts';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

test('every test finds the stores in its environment, under the functions’ own names', async () => {
  const env = readEnvironment(['SECKILL_REDIS_URL', 'SECKILL_ETCD_ENDPOINTS']);
  const redis = new Redis(String(env.SECKILL_REDIS_URL));
  closers.push(() => redis.quit());
  const key = uniqueProductId();
  expect(await redis.set(key, 'x')).toBe('OK');
  expect(await redis.del(key)).toBe(1);
  const version = await fetch(`${String(env.SECKILL_ETCD_ENDPOINTS[0])}/version`);
  expect(await version.json()).toHaveProperty('etcdserver');
});

test('Redis keeps what it is told: append-only, and nothing is evicted', async () => {
  const redis = new Redis(String(readEnvironment(['SECKILL_REDIS_URL']).SECKILL_REDIS_URL));
  closers.push(() => redis.quit());
  const config = async (name: string) => (await redis.config('GET', name))[1];
  expect(await config('appendonly')).toBe('yes');
  expect(await config('appendfsync')).toBe('everysec');
  expect(await config('maxmemory-policy')).toBe('noeviction');
  expect(await config('save')).toBe('');
});

test('the topics are made, and a test can make its own', async () => {
  const { SECKILL_KAFKA_BROKERS: brokers } = readEnvironment(['SECKILL_KAFKA_BROKERS']);
  const own = await uniqueTopic(2);
  const admin = new Kafka({ brokers, logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  closers.push(() => admin.disconnect());
  const { topics: found } = await admin.fetchTopicMetadata({
    topics: [own, ...topics.map(({ name }) => name)],
  });
  const partitions = Object.fromEntries(
    found.map((topic) => [topic.name, topic.partitions.length]),
  );
  expect(partitions).toEqual({
    [own]: 2,
    ...Object.fromEntries(topics.map((topic) => [topic.name, topic.partitions])),
  });
});

test('a database of a test’s own is empty, in utf8mb4, with MySQL’s SQL mode', async () => {
  const connection = await createConnection({ uri: await uniqueDatabase() });
  closers.push(() => connection.end());
  const [tables] = await connection.query('show tables');
  expect(tables).toEqual([]);
  const [rows] = await connection.query(
    'select @@character_set_database as charset, @@sql_mode as mode, @@innodb_flush_log_at_trx_commit as flush',
  );
  expect(rows).toEqual([
    { charset: 'utf8mb4', mode: expect.stringContaining('ONLY_FULL_GROUP_BY') as string, flush: 1 },
  ]);
});
