// Kafka by TLS and SASL, with users that have just the rights of acls.txt: all that purchase, the
// sources and the topics' Job ask of Kafka works so, and what does not is told.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import {
  type AclEntry,
  AclOperationTypes,
  AclPermissionTypes,
  AclResourceTypes,
  Kafka,
  logLevel,
} from 'kafkajs';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { parse } from 'yaml';
import { prepareTopics, readTopics } from '#knative/stores/kafka/topics.ts';
import { consumerGroups, deadLetterTopics, ordersTopic } from '#lib/names.ts';
import { createAuthority } from '#lib/testing/certificates.ts';
import { type OwnStore, startOwnStore } from '#lib/testing/own-store.ts';
import { addScramUser, kafkaWithTls } from '#lib/testing/tls-stores.ts';
import { hintOf } from '#lib/tls/hint.ts';
import { type KafkaAccess, kafkaAccessIn, kafkaConfigOf } from './access.ts';
import { inspectKafka } from './inspect.ts';
import { connectProducer } from './producer.ts';
import { readProgress } from './read-progress.ts';
import { readRecords } from './read-records.ts';
import { readTopic } from './read-topic.ts';
import { markTopics } from './topic-marks.ts';

const folder = mkdtempSync(join(tmpdir(), 'seckill-kafka-tls-'));
const authority = createAuthority(folder);
const server = authority.issue('server');
const topic = ordersTopic;
const groups = Object.values(consumerGroups);
let store: OwnStore;
let broker: string;

const stores = resolve(import.meta.dirname, '../../knative/stores');
const declared = readFileSync(join(stores, '../../kafka-sources/topics.yaml'), 'utf8');
const { data } = parse(declared) as { data: Record<string, string> };
const users = ['purchase', 'sources', 'kafka-topics'];
const others = 'of-others';
// kafkajs hides its names of them from ES modules.
const [literal, prefixed] = [3, 4];
const patience = {
  waitMs: 0,
  interrupted: new AbortController().signal,
  say: () => undefined,
};

beforeAll(async () => {
  const passwords = Object.fromEntries(users.map((user) => [user, `of-${user}`]));
  const secure = await kafkaWithTls(authority, server, passwords);
  ({ broker } = secure);
  store = await startOwnStore(secure.store);
  const admin = new Kafka({ brokers: [store.address], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: others, numPartitions: 1 }] });
  await admin.createAcls({ acl: readAcls() });
  await admin.disconnect();
  const makers = accessOf('kafka-topics');
  // Its first connections take a Kafka that has just started some seconds.
  await vi.waitFor(
    () => prepareTopics(makers, readTopics(data['topics.yaml'] ?? '', 1), patience),
    30_000,
  );
}, 120_000);

afterAll(async () => {
  await store.remove();
  rmSync(folder, { recursive: true });
});

function readAcls(): AclEntry[] {
  const text = readFileSync(join(stores, 'kafka/acls.txt'), 'utf8');
  const lines = text.split('\n').filter((line) => /^\w/.test(line));
  // eslint-disable-next-line @typescript-eslint/no-unsafe-enum-assignment -- Kafka's numbers
  return lines.map((line) => {
    const [user = '', operation = '', resource = '', name = ''] = line.split(' ');
    return {
      principal: `User:${user}`,
      host: '*',
      permissionType: AclPermissionTypes.ALLOW,
      operation: numberIn(AclOperationTypes, operation),
      resourceType: numberIn(AclResourceTypes, resource),
      resourceName: name.replace('*', ''),
      resourcePatternType: name.endsWith('*') ? prefixed : literal,
    };
  });
}

/** `DescribeConfigs` is DESCRIBE_CONFIGS there. */
function numberIn(names: Readonly<Record<string, number | string>>, name: string): number {
  const found = names[name.replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase()];
  if (typeof found !== 'number') throw new Error(`Kafka has no ${name}`);
  return found;
}

function accessOf(user = 'purchase', more: Readonly<Record<string, string>> = {}): KafkaAccess {
  return kafkaAccessIn({
    SECKILL_KAFKA_BROKERS: broker,
    SECKILL_KAFKA_TLS: 'on',
    SECKILL_KAFKA_CA_FILE: authority.caFile,
    SECKILL_KAFKA_SASL_MECHANISM: 'PLAIN',
    SECKILL_KAFKA_USERNAME: user,
    SECKILL_KAFKA_PASSWORD: `of-${user}`,
    ...more,
  });
}

async function send(access: KafkaAccess, to = topic): Promise<void> {
  const producer = await connectProducer(access);
  try {
    await producer.send(to, [{ partition: 1, headers: { ce_id: '1' }, value: 'sold' }]);
  } finally {
    producer.discard();
  }
}

const hintFrom = (more: Readonly<Record<string, string>>) =>
  connectProducer(accessOf('purchase', more)).then(
    (producer) => {
      producer.discard();
      return undefined;
    },
    (error: unknown) => hintOf(error) ?? String(error),
  );

async function valuesOf(records: AsyncIterable<{ value: Buffer | null }>): Promise<string[]> {
  const values: string[] = [];
  for await (const { value } of records) values.push(String(value));
  return values;
}

test('all that purchase asks of Kafka works by TLS and as a user', async () => {
  const kafka = accessOf();
  await send(kafka);
  expect(await valuesOf(readTopic({ kafka, topic }))).toEqual(['sold']);
  expect(await valuesOf(readRecords({ kafka, topic }))).toEqual(['sold']);
  const all = [topic, ...Object.values(deadLetterTopics)];
  expect((await markTopics(kafka, all)).ends[topic]).toMatchObject({ 0: 0, 1: 1 });
  const progress = await vi.waitFor(() => readProgress(kafka, topic, groups), 20_000);
  expect(progress.ends.get(1)).toBe(1);
  const state = await inspectKafka(kafka, { topics: all, groups });
  for (const { settings } of state.topics) expect(settings?.get('min.insync.replicas')).toBe('1');
  expect(state.groups).toHaveLength(groups.length);
  await expect(send(kafka, others)).rejects.toThrow(/not acknowledged/);
  await expect(send(kafka, deadLetterTopics['update-rank'])).rejects.toThrow(/not acknowledged/);
});

test('the sources read events, commit, and write dead letters; they sell nothing', async () => {
  const kafka = accessOf('sources');
  const client = new Kafka({ ...kafkaConfigOf(kafka), logLevel: logLevel.NOTHING });
  const group = consumerGroups['persist-order'];
  const consumer = client.consumer({ groupId: group });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const seen: string[] = [];
  await consumer.run({
    eachMessage: async ({ message }) => {
      seen.push(String(message.value));
      await Promise.resolve();
    },
  });
  await expect.poll(() => seen, { timeout: 20_000 }).toEqual(['sold']);
  await consumer.disconnect();
  const { committed } = await readProgress(accessOf(), topic, [group]);
  expect(committed.get(group)?.get(1)).toBe(1);
  await send(kafka, deadLetterTopics['persist-order']);
  await expect(send(kafka)).rejects.toThrow(/not acknowledged/);
});

test('by SCRAM the password stays with who knows it', async () => {
  await addScramUser(store.address, 'purchase', 'of-scram');
  const scram = {
    SECKILL_KAFKA_SASL_MECHANISM: 'SCRAM-SHA-512',
    SECKILL_KAFKA_PASSWORD: 'of-scram',
  };
  await send(accessOf('purchase', scram));
  const wrong = { ...scram, SECKILL_KAFKA_PASSWORD: 'wrong' };
  expect(await hintFrom(wrong)).toMatch(/user or password is wrong/);
});

test('who is not believed, and who does not believe us: each is told', async () => {
  const stranger = createAuthority(join(folder, 'stranger'));
  expect(await hintFrom({ SECKILL_KAFKA_CA_FILE: stranger.caFile })).toMatch(/signed by nobody/);
  expect(await hintFrom({ SECKILL_KAFKA_PASSWORD: 'wrong' })).toMatch(/user or password is wrong/);
  expect(await hintFrom({ SECKILL_KAFKA_BROKERS: store.address })).toMatch(/does not speak TLS/);
});

test('a new authority, mounted where the old one was, is believed from then on', async () => {
  const kafka = accessOf();
  await store.stop();
  createAuthority(folder);
  authority.issue('server');
  await store.start();
  await vi.waitFor(() => send(kafka), { timeout: 30_000, interval: 200 });
}, 90_000);
