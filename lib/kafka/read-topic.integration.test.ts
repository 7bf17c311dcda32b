import { createServer, type Server } from 'node:net';
import { Kafka, logLevel } from 'kafkajs';
import { afterEach, expect, test } from 'vitest';
import { kafkaAccessIn, kafkaConfigOf } from '#lib/kafka/access.ts';
import { uniqueName, uniqueTopic } from '#lib/testing/unique.ts';
import { type ReadTopicOptions, readTopic, type TopicRecord } from './read-topic.ts';
import { KafkaUnavailable } from './unavailable.ts';

const kafka = kafkaAccessIn();
const client = new Kafka({ ...kafkaConfigOf(kafka), logLevel: logLevel.NOTHING });

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function produce(
  topic: string,
  messages: readonly { partition: number; subject: string; value: string | null }[],
  outcome: 'plain' | 'commit' | 'abort' = 'plain',
): Promise<void> {
  const producer = client.producer(
    outcome === 'plain'
      ? { idempotent: true }
      : { idempotent: true, transactionalId: uniqueName('tx-'), maxInFlightRequests: 1 },
  );
  await producer.connect();
  const record = {
    topic,
    messages: messages.map(({ partition, subject, value }) => ({
      partition,
      value,
      headers: { ce_subject: subject },
    })),
  };
  if (outcome === 'plain') {
    await producer.send(record);
  } else {
    const transaction = await producer.transaction();
    await transaction.send(record);
    await transaction[outcome]();
  }
  await producer.disconnect();
}

async function readAll(options: Omit<ReadTopicOptions, 'kafka'>): Promise<TopicRecord[]> {
  const records: TopicRecord[] = [];
  for await (const record of readTopic({ kafka, ...options })) records.push(record);
  return records;
}

const texts = (records: readonly TopicRecord[]) => records.map(({ value }) => value.toString());

test('every record is read once, in order within its partition', async () => {
  const topic = await uniqueTopic(3);
  const messages = Array.from({ length: 300 }, (_, index) => ({
    partition: index % 3,
    subject: index % 2 === 0 ? 'even' : 'odd',
    value: String(index),
  }));
  await produce(topic, messages);
  const records = await readAll({ topic });
  expect(new Set(texts(records)).size).toBe(300);
  expect(records).toHaveLength(300);
  for (const partition of [0, 1, 2]) {
    const read = texts(records.filter((record) => record.partition === partition)).map(Number);
    expect(read).toEqual([...read].sort((a, b) => a - b));
    expect(read).toHaveLength(100);
  }
  const odd = await readAll({ topic, filter: ({ ce_subject }) => ce_subject === 'odd' });
  expect(odd.every(({ headers }) => headers['ce_subject'] === 'odd')).toBe(true);
  expect(odd).toHaveLength(150);
});

test('more than one fetch holds is read to its end', async () => {
  const topic = await uniqueTopic(1);
  const value = 'x'.repeat(500_000);
  for (let count = 0; count < 20; count += 1) {
    await produce(topic, [{ partition: 0, subject: 'a', value: value + String(count) }]);
  }
  const records = await readAll({ topic });
  expect(records.map(({ offset }) => offset)).toEqual(Array.from({ length: 20 }, (_, i) => i));
});

test('aborted and control records are left out, also at the very end', async () => {
  const topic = await uniqueTopic(1);
  const one = (value: string) => [{ partition: 0, subject: 'a', value }];
  await produce(topic, one('committed'), 'commit');
  await produce(topic, one('aborted'), 'abort');
  await produce(topic, one('plain'));
  await produce(topic, one('aborted too'), 'abort');
  expect(texts(await readAll({ topic }))).toEqual(['committed', 'plain']);
});

test('a topic whose beginning was deleted is read from what is left', async () => {
  const topic = await uniqueTopic(2);
  const admin = client.admin();
  await admin.connect();
  closers.push(() => admin.disconnect());
  await produce(
    topic,
    ['a', 'b', 'c'].map((value) => ({ partition: 0, subject: 'a', value })),
  );
  // kafkajs knows a topic's leaders only once it was asked something about it.
  await admin.fetchTopicOffsets(topic);
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '2' }] });
  expect(texts(await readAll({ topic }))).toEqual(['c']);
});

test('what is produced after the reading has begun is not waited for', async () => {
  const topic = await uniqueTopic(1);
  await produce(topic, [{ partition: 0, subject: 'a', value: 'before' }]);
  const read: string[] = [];
  for await (const { value } of readTopic({ kafka, topic })) {
    read.push(value.toString());
    await produce(topic, [{ partition: 0, subject: 'a', value: 'after' }]);
  }
  expect(read).toEqual(['before']);
});

test('an empty topic has no records', async () => {
  expect(await readAll({ topic: await uniqueTopic(12) })).toEqual([]);
});

test('a topic that is not there, and brokers that are not there', async () => {
  await expect(readAll({ topic: uniqueName('none.') })).rejects.toThrow(KafkaUnavailable);
  const nowhere = readTopic({ kafka: { brokers: ['127.0.0.1:1'] }, topic: 'any' });
  await expect(nowhere.next()).rejects.toThrow(KafkaUnavailable);
});

/** A broker that takes connections and never answers. */
async function silentBroker(): Promise<string> {
  const server = await new Promise<Server>((resolve) => {
    const silent: Server = createServer((socket) => {
      socket.on('error', () => undefined);
      closers.push(() => Promise.resolve(socket.destroy()));
    }).listen(0, '127.0.0.1', () => {
      resolve(silent);
    });
  });
  closers.push(async () => {
    await new Promise((resolve) => server.close(resolve));
  });
  const address = server.address();
  return `127.0.0.1:${typeof address === 'object' ? (address?.port ?? 0) : 0}`;
}

test('a broker that does not answer is given up in time', async () => {
  const silent = await silentBroker();
  const began = performance.now();
  const reading = readTopic({ kafka: { brokers: [silent] }, topic: 'any', timeoutMs: 500 });
  await expect(reading.next()).rejects.toThrow(KafkaUnavailable);
  expect(performance.now() - began).toBeLessThan(2_000);
});

test('an aborted reading rejects with the reason it was given', async () => {
  const silent = await silentBroker();
  const reason = new Error('enough');
  const abort = new AbortController();
  const reading = readTopic({
    kafka: { brokers: [silent] },
    topic: 'any',
    signal: abort.signal,
  }).next();
  abort.abort(reason);
  await expect(reading).rejects.toBe(reason);
});
