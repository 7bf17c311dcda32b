// For the contract tests: a sink that records what it is sent and answers as it is told, sources
// on topics of their own, and what Kafka holds afterwards.

import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Admin, Kafka, logLevel, type Message, type Producer } from 'kafkajs';
import { pino } from 'pino';
import { onTestFinished, vi } from 'vitest';
import { type KafkaAccess, kafkaAccessIn, kafkaConfigOf } from '#lib/kafka/access.ts';
import { readTopic } from '#lib/kafka/read-topic.ts';
import { uniqueName } from '#lib/testing/unique.ts';
import { type Dispatcher, type ResolvedSource, startDispatcher } from './dispatcher.ts';
import { createKafka } from './kafka.ts';

export interface Received {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly atMs: number;
}

/** A status, a whole answer, or the moment at which it is given. */
export type Answer =
  | number
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string };
export type Answers = (received: Received, nth: number) => Answer | Promise<Answer>;

export interface TestSink {
  readonly url: string;
  readonly received: readonly Received[];
  /** Requests not answered now, and the most there were. */
  readonly open: { now: number; most: number };
  /** Resolves once so many requests have come. */
  until(count: number, timeoutMs?: number): Promise<readonly Received[]>;
}

export const silent = pino({ level: process.env.DEBUG_SR ?? 'silent' });

export function kafka(): KafkaAccess {
  return kafkaAccessIn();
}

/** A sink on a free port (or `port`), gone when the test is. */
export async function startSink(answers: Answers = () => 204, port = 0): Promise<TestSink> {
  const received: Received[] = [];
  const open = { now: 0, most: 0 };
  const server = createServer((request, response) => {
    open.now += 1;
    open.most = Math.max(open.most, open.now);
    response.on('close', () => {
      open.now -= 1;
    });
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method, url, headers } = request;
      const body = Buffer.concat(chunks).toString();
      const one: Received = { method, url, headers, body, atMs: performance.now() };
      received.push(one);
      void Promise.resolve(answers(one, received.length)).then((answer) => {
        write(response, answer);
      });
    });
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    received,
    open,
    until: (count, timeoutMs = 20_000) =>
      vi.waitUntil(() => received.length >= count && received, { timeout: timeoutMs, interval: 5 }),
  };
}

function write(response: ServerResponse, answer: Answer): void {
  const {
    status,
    headers = {},
    body = '',
  } = typeof answer === 'number' ? { status: answer } : answer;
  response.writeHead(status, headers).end(body);
}

/** A source on `topic` with short waits, stopped when the test is. */
export function startSource(
  parts: Pick<ResolvedSource, 'topics' | 'sinkUrl'> & Partial<ResolvedSource>,
): Dispatcher & { readonly consumerGroup: string } {
  const source: ResolvedSource = {
    ...{ namespace: 'seckill', name: 'a-source', keyType: 'string', extensions: {} },
    ...{ initialOffset: 'earliest', ordering: 'unordered', deadLetterSinkUrl: undefined },
    consumerGroup: uniqueName('test-group-'),
    delivery: { retries: 2, backoff: 'linear', backoffDelayMs: 100, timeoutMs: 5_000 },
    ...parts,
  };
  const dispatcher = startDispatcher(source, createKafka(kafka(), silent), silent);
  let stopped: Promise<void> | undefined;
  const stop = (deadlineMs: number) => (stopped ??= dispatcher.stop(deadlineMs));
  onTestFinished(() => stop(0));
  return { ...dispatcher, stop, consumerGroup: source.consumerGroup };
}

let shared: Promise<{ producer: Producer; admin: Admin }> | undefined;

async function clients() {
  shared ??= (async () => {
    const client = new Kafka({ ...kafkaConfigOf(kafka()), logLevel: logLevel.NOTHING });
    // Idempotent: a loaded broker answers late, and a plain resend would write twice.
    const producer = client.producer({ idempotent: true, maxInFlightRequests: 1 });
    const admin = client.admin();
    await Promise.all([producer.connect(), admin.connect()]);
    return { producer, admin };
  })();
  return shared;
}

/** To be called when a file's tests are over. */
export async function closeClients(): Promise<void> {
  const open = await shared;
  await Promise.all([open?.producer.disconnect(), open?.admin.disconnect()]);
}

let lastSend: Promise<unknown> = Promise.resolve();

/** Writes records; one send at a time, which kafkajs' idempotence needs. */
export async function produce(topic: string, messages: readonly Message[]): Promise<void> {
  const { producer } = await clients();
  const send = lastSend.then(() => producer.send({ topic, messages: [...messages] }));
  lastSend = send.catch(() => undefined);
  await send;
}

/** The same to a broker of the test's own. */
export async function produceTo(
  broker: string,
  topic: string,
  messages: readonly Message[],
): Promise<void> {
  const producer = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING }).producer({
    idempotent: true,
  });
  await producer.connect();
  await producer.send({ topic, messages: [...messages] });
  await producer.disconnect();
}

/** `count` CloudEvents named 0, 1, 2 …, spread over the partitions in turn. */
export function events(count: number, partitions = 1): Message[] {
  return Array.from({ length: count }, (_, index) => ({
    partition: index % partitions,
    value: String(index),
    headers: { ce_specversion: '1.0', ce_id: String(index), ce_source: '/test', ce_type: 'test' },
  }));
}

/** The committed offset of each partition, -1 where there is none. */
export async function committed(group: string, topic: string): Promise<readonly number[]> {
  const { admin } = await clients();
  const [offsets] = await admin.fetchOffsets({ groupId: group, topics: [topic] });
  return (offsets?.partitions ?? [])
    .toSorted((one, other) => one.partition - other.partition)
    .map(({ offset }) => Number(offset));
}

/** All records of a topic. */
export async function recordsOf(topic: string) {
  const records = [];
  for await (const record of readTopic({ kafka: kafka(), topic })) records.push(record);
  return records;
}
