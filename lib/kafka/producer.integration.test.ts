import { Kafka, logLevel } from 'kafkajs';
import { afterEach, expect, test } from 'vitest';
import { readEnvironment } from '#lib/environment.ts';
import { uniqueName, uniqueTopic } from '#lib/testing/unique.ts';
import { connectProducer, type EventProducer, type Message } from './producer.ts';
import { readTopic, type TopicRecord } from './read-topic.ts';
import { KafkaUnavailable } from './unavailable.ts';

const { SECKILL_KAFKA_BROKERS: brokers } = readEnvironment(['SECKILL_KAFKA_BROKERS']);

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function producerOf(addresses: readonly string[] = brokers): Promise<EventProducer> {
  const producer = await connectProducer(addresses);
  closers.push(() => {
    producer.discard();
  });
  return producer;
}

async function readAll(topic: string): Promise<TopicRecord[]> {
  const records: TopicRecord[] = [];
  for await (const record of readTopic({ brokers, topic })) records.push(record);
  return records;
}

const aMessage = (partition: number, value: string): Message => ({
  partition,
  value,
  headers: { ce_id: value, 'content-type': 'application/json' },
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
  const admin = new Kafka({ brokers, logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  closers.push(() => admin.disconnect());
  expect(await admin.listTopics()).not.toContain(topic);
});

test('where nobody listens, connecting fails in time and says so', async () => {
  await expect(connectProducer(['127.0.0.1:1'])).rejects.toThrow(KafkaUnavailable);
});
