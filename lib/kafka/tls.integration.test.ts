// Kafka by TLS and SASL, with a user that may just write events and read what purchase reads: all
// that connects to Kafka works so, and what does not is told.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AclOperationTypes, AclPermissionTypes, AclResourceTypes, Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { createTopics } from '#knative/local/topics.ts';
import { createAuthority } from '#lib/testing/certificates.ts';
import { type OwnStore, startOwnStore } from '#lib/testing/own-store.ts';
import { kafkaWithTls } from '#lib/testing/tls-stores.ts';
import { hintOf } from '#lib/tls/hint.ts';
import { type KafkaAccess, kafkaAccessIn } from './access.ts';
import { inspectKafka } from './inspect.ts';
import { connectProducer } from './producer.ts';
import { readProgress } from './read-progress.ts';
import { readRecords } from './read-records.ts';
import { readTopic } from './read-topic.ts';
import { markTopics } from './topic-marks.ts';

const folder = mkdtempSync(join(tmpdir(), 'seckill-kafka-tls-'));
const authority = createAuthority(folder);
const server = authority.issue('server');
const [topic, others, group] = ['orders', 'of-others', 'group'];
let store: OwnStore;
let broker: string;

beforeAll(async () => {
  const secure = await kafkaWithTls(authority, server, { purchase: 'of-purchase' });
  ({ broker } = secure);
  store = await startOwnStore(secure.store);
  const plain = { brokers: [store.address] };
  await createTopics(
    plain,
    [topic, others].map((name) => ({ name, partitions: 2 })),
  );
  const admin = new Kafka({ ...plain, logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  await admin.createAcls({
    acl: [
      ...[AclOperationTypes.READ, AclOperationTypes.WRITE, AclOperationTypes.DESCRIBE_CONFIGS].map(
        (operation) => aclOf(AclResourceTypes.TOPIC, topic, operation),
      ),
      aclOf(AclResourceTypes.GROUP, group, AclOperationTypes.DESCRIBE),
      aclOf(AclResourceTypes.CLUSTER, 'kafka-cluster', AclOperationTypes.DESCRIBE),
    ],
  });
  await admin.disconnect();
}, 120_000);

afterAll(async () => {
  await store.remove();
  rmSync(folder, { recursive: true });
});

function aclOf(type: AclResourceTypes, name: string, operation: AclOperationTypes) {
  return {
    ...{ resourceType: type, resourceName: name, operation },
    // LITERAL, whose name kafkajs hides from ES modules.
    resourcePatternType: 3,
    principal: 'User:purchase',
    host: '*',
    permissionType: AclPermissionTypes.ALLOW,
  };
}

function accessOf(more: Readonly<Record<string, string>> = {}): KafkaAccess {
  return kafkaAccessIn({
    SECKILL_KAFKA_BROKERS: broker,
    SECKILL_KAFKA_TLS: 'on',
    SECKILL_KAFKA_CA_FILE: authority.caFile,
    SECKILL_KAFKA_SASL_MECHANISM: 'PLAIN',
    SECKILL_KAFKA_USERNAME: 'purchase',
    SECKILL_KAFKA_PASSWORD: 'of-purchase',
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
  connectProducer(accessOf(more)).then(
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
  // Its first connections take a Kafka that has just started some seconds.
  await vi.waitFor(() => connectProducer(kafka).then((producer) => producer.discard()), 30_000);
  await send(kafka);
  expect(await valuesOf(readTopic({ kafka, topic }))).toEqual(['sold']);
  expect(await valuesOf(readRecords({ kafka, topic }))).toEqual(['sold']);
  expect((await markTopics(kafka, [topic])).ends).toEqual({ [topic]: { 0: 0, 1: 1 } });
  const progress = await vi.waitFor(() => readProgress(kafka, topic, [group]), 20_000);
  expect(progress.ends.get(1)).toBe(1);
  const state = await inspectKafka(kafka, { topics: [topic], groups: [group] });
  expect(state.topics[0]?.settings?.get('min.insync.replicas')).toBe('1');
});

test('a topic of others is not written', async () => {
  await expect(send(accessOf(), others)).rejects.toThrow(/not acknowledged/);
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
