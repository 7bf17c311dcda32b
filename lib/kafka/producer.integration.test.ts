import { Kafka, logLevel } from 'kafkajs';
import { afterEach, expect, test, vi } from 'vitest';
import { kafka as kafkaStore } from '#knative/local/stores/kafka.ts';
import { createTopics } from '#knative/local/topics.ts';
import { eventBytesMax, kafkaSendTimeoutMs, sendBytesMax } from '#lib/constants.ts';
import { type KafkaAccess, kafkaAccessIn, kafkaConfigOf } from '#lib/kafka/access.ts';
import { startOwnStore } from '#lib/testing/own-store.ts';
import { uniqueName, uniqueTopic } from '#lib/testing/unique.ts';
import { connectProducer, type EventProducer, type Message } from './producer.ts';
import { readTopic, type TopicRecord } from './read-topic.ts';
import { KafkaUnavailable } from './unavailable.ts';

const kafka = kafkaAccessIn();

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function producerOf(to: KafkaAccess = kafka): Promise<EventProducer> {
  const producer = await connectProducer(to);
  closers.push(() => {
    producer.discard();
  });
  return producer;
}

async function readAll(topic: string, from: KafkaAccess = kafka): Promise<TopicRecord[]> {
  const records: TopicRecord[] = [];
  for await (const record of readTopic({ kafka: from, topic })) records.push(record);
  return records;
}

/** Connections of this process. */
const connections = () =>
  process.getActiveResourcesInfo().filter((resource) => resource === 'TCPSocketWrap').length;
const untilNone = () =>
  vi.waitFor(
    () => {
      expect(connections()).toBe(0);
    },
    { timeout: 20_000, interval: 50 },
  );

const aMessage = (partition: number, value: string): Message => ({
  partition,
  value,
  headers: { ce_id: value.slice(0, 64), 'content-type': 'application/json' },
});

test('every message goes to the partition it names, with its headers and bytes', async () => {
  const topic = await uniqueTopic(4);
  const producer = await producerOf();
  const messages = Array.from({ length: 40 }, (_, index) => aMessage(index % 4, `"é${index}😀"`));
  await producer.send(topic, messages);

  const records = await readAll(topic);
  const found = records.map(({ partition, headers, value }) => ({
    partition,
    headers,
    value: value.toString(),
  }));
  expect(found).toHaveLength(40);
  expect(found).toEqual(expect.arrayContaining(messages));
});

test('sends of one producer come one after the other, each in the topic when it resolves', async () => {
  const topic = await uniqueTopic(2);
  const producer = await producerOf();
  for (const value of ['1', '2', '3']) {
    await producer.send(topic, [aMessage(1, value)]);
    const records = await readAll(topic);
    expect(records.map((record) => record.value.toString()).at(-1)).toBe(value);
  }
});

test('a partition that does not exist is no success', async () => {
  const topic = await uniqueTopic(2);
  const producer = await producerOf();
  const sent = producer.send(topic, [aMessage(0, 'there'), aMessage(7, 'nowhere')]);
  await expect(sent).rejects.toThrow(KafkaUnavailable);
});

test('a topic that does not exist is no success, and is not made', async () => {
  const producer = await producerOf();
  const topic = uniqueName('never-made.');
  await expect(producer.send(topic, [aMessage(0, 'x')])).rejects.toThrow(KafkaUnavailable);
  const admin = new Kafka({ ...kafkaConfigOf(kafka), logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  closers.push(() => admin.disconnect());
  expect(await admin.listTopics()).not.toContain(topic);
});

test('where nobody listens, connecting fails in time and says so', async () => {
  await expect(connectProducer({ brokers: ['127.0.0.1:1'] })).rejects.toThrow(KafkaUnavailable);
});

test('as much as one send may carry fits into one partition', async () => {
  const topic = await uniqueTopic(1);
  const producer = await producerOf();
  const count = Math.ceil(sendBytesMax / eventBytesMax) + 1;
  const messages = Array.from({ length: count }, () => aMessage(0, 'x'.repeat(eventBytesMax)));
  await producer.send(topic, messages);
  expect(await readAll(topic)).toHaveLength(count);
});

test('a send that timed out is no failure: it may be there, and be sent again', async () => {
  await untilNone();
  const store = await startOwnStore(kafkaStore);
  closers.push(() => store.remove());
  const topic = uniqueName('own.');
  const own = { brokers: [store.address] };
  await createTopics(own, [{ name: topic, partitions: 1 }]);
  const producer = await producerOf(own);
  await producer.send(topic, [aMessage(0, 'before')]);

  store.freeze();
  const sentAt = performance.now();
  await expect(producer.send(topic, [aMessage(0, 'unknown')])).rejects.toThrow(KafkaUnavailable);
  expect(performance.now() - sentAt).toBeLessThan(kafkaSendTimeoutMs + 2_000);
  producer.discard();
  await expect(connectProducer(own)).rejects.toThrow(KafkaUnavailable);
  store.thaw();

  const another = await vi.waitFor(() => producerOf(own), { timeout: 20_000 });
  await another.send(topic, [aMessage(0, 'unknown')]);
  const values = (await readAll(topic, own)).map(({ value }) => value.toString());
  expect(values.slice(0, 1)).toEqual(['before']);
  expect(values.slice(1).length).toBeGreaterThan(0);
  expect(new Set(values.slice(1))).toEqual(new Set(['unknown']));

  // kafkajs goes on with a send that was given up, and connects again for it.
  another.discard();
  await untilNone();
}, 120_000);
