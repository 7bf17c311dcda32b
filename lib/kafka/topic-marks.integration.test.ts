import { Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { createTopics } from '#knative/local/topics.ts';
import { kafkaAccessIn, kafkaConfigOf } from '#lib/kafka/access.ts';
import { uniqueName, uniqueTopic } from '#lib/testing/unique.ts';
import { readTopic } from './read-topic.ts';
import { markTopics, type TopicMarks } from './topic-marks.ts';
import { KafkaUnavailable } from './unavailable.ts';

const kafka = kafkaAccessIn();
const client = new Kafka({ ...kafkaConfigOf(kafka), logLevel: logLevel.NOTHING });
const producer = client.producer({ idempotent: true });
const admin = client.admin();
beforeAll(async () => {
  await producer.connect();
  await admin.connect();
});
afterAll(async () => {
  await producer.disconnect();
  await admin.disconnect();
});

const hourMs = 3_600_000;

/** Sends values to a partition, as if an hour ago unless it says when. */
async function send(topic: string, partition: number, values: readonly string[], atMs?: number) {
  const timestamp = String(atMs ?? Date.now() - hourMs);
  const messages = values.map((value) => ({ partition, value, timestamp }));
  await producer.send({ topic, messages });
}

async function read(topic: string, since?: TopicMarks): Promise<string[]> {
  const values: string[] = [];
  for await (const { value } of readTopic({ kafka, topic, since })) values.push(value.toString());
  return values.sort();
}

test('what was appended after the marks is read, and nothing from before', async () => {
  const [topic, other] = [await uniqueTopic(3), await uniqueTopic(1)];
  await send(topic, 0, ['a', 'b']);
  await send(topic, 1, ['c']);
  const marks = await markTopics(kafka, [topic, other]);
  expect(marks.ends).toEqual({ [topic]: { 0: 2, 1: 1, 2: 0 }, [other]: { 0: 0 } });
  expect(await read(topic, marks)).toEqual([]);
  await send(topic, 1, ['d'], Date.now());
  await send(topic, 2, ['e', 'f'], Date.now());
  expect(await read(topic, marks)).toEqual(['d', 'e', 'f']);
  expect(await read(topic)).toHaveLength(6);
  // What the marks know nothing of is read whole.
  expect(await read(topic, { ...marks, ends: {} })).toHaveLength(6);
});

test('records in the same batch on disk as the mark are told apart', async () => {
  const topic = await uniqueTopic(1);
  await send(topic, 0, ['a', 'b', 'c']);
  const marks = { atMs: Date.now(), ends: { [topic]: { 0: 2 } } };
  expect(await read(topic, marks)).toEqual(['c']);
});

test('where the oldest records were deleted beyond the mark, it is read from what is left', async () => {
  const topic = await uniqueTopic(1);
  await send(topic, 0, ['a']);
  const marks = await markTopics(kafka, [topic]);
  await send(topic, 0, ['b', 'c', 'd']);
  // kafkajs knows a topic's leaders only once it was asked something about it.
  await admin.fetchTopicOffsets(topic);
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '3' }] });
  expect(await read(topic, marks)).toEqual(['d']);
});

test('partitions added since are read from their beginning', async () => {
  const topic = await uniqueTopic(1);
  await send(topic, 0, ['a']);
  const marks = await markTopics(kafka, [topic]);
  await admin.createPartitions({ topicPartitions: [{ topic, count: 2 }] });
  const added = client.producer({ idempotent: true });
  await added.connect();
  await added.send({ topic, messages: [{ partition: 1, value: 'b' }] });
  await added.disconnect();
  expect(await read(topic, marks)).toEqual(['b']);
});

test.each([1, 3, 5])('a topic made anew is read whole: %i records where 3 were', async (count) => {
  const topic = await uniqueTopic(1);
  await send(topic, 0, ['a', 'b', 'c']);
  const made = await markTopics(kafka, [topic]);
  // As if made long before what follows.
  const marks = { ...made, atMs: Date.now() - hourMs / 2 };
  await admin.deleteTopics({ topics: [topic] });
  await vi.waitFor(() => createTopics(kafka, [{ name: topic, partitions: 1 }]), 10_000);
  const values = Array.from({ length: count }, (_, index) => String(index));
  const fresh = client.producer({ idempotent: true });
  await fresh.connect();
  await vi.waitFor(async () => {
    expect(await read(topic)).toEqual([]);
  }, 10_000);
  await fresh.send({
    topic,
    messages: values.map((value) => ({ partition: 0, value, timestamp: String(Date.now()) })),
  });
  await fresh.disconnect();
  expect(await read(topic, marks)).toEqual(values);
});

test('a topic that is not there, and brokers that are not there', async () => {
  await expect(markTopics(kafka, [uniqueName('none.')])).rejects.toThrow(KafkaUnavailable);
  await expect(markTopics({ brokers: ['127.0.0.1:1'] }, ['any'])).rejects.toThrow(KafkaUnavailable);
});
