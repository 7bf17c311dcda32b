// The runner as a process: manifests and environment in, signals, kill -9, and an outage of Kafka.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { startOwnStore } from '#lib/testing/own-store.ts';
import { uniqueName, uniqueTopic } from '#lib/testing/unique.ts';
import { choosePort } from '../ports.ts';
import { kafka } from '../stores/kafka.ts';
import { createTopics } from '../topics.ts';
import type { SourceReport } from './app.ts';
import {
  kafka as access,
  closeClients,
  committed,
  events,
  produce,
  produceTo,
  recordsOf,
  startSink,
  type TestSink,
} from './test-kit.ts';

afterAll(closeClients);

interface Runner {
  readonly child: ChildProcess;
  readonly url: string;
  /** What it wrote to stderr. */
  stderr: () => string;
  report(): Promise<SourceReport>;
  untilReady(): Promise<void>;
  exit(signal: NodeJS.Signals): Promise<number | null>;
}

/** Runs `main.ts` over these manifests; kills it when the test is over. */
async function run(
  manifests: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Runner> {
  const folder = await mkdtemp(join(tmpdir(), 'seckill-source-runner-'));
  await writeFile(join(folder, '100-all.yaml'), manifests.join('\n---\n'));
  const port = await choosePort();
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), folder], {
    env: {
      PATH: process.env.PATH,
      SECKILL_KAFKA_BROKERS: access().brokers.join(','),
      SECKILL_HOST: '127.0.0.1',
      SECKILL_LOG_LEVEL: 'silent',
      PORT: String(port),
      ...env,
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await rm(folder, { recursive: true });
  });
  const url = `http://127.0.0.1:${port}`;
  return {
    child,
    url,
    stderr: () => stderr,
    report: async () => {
      const [first] = (await (await fetch(`${url}/sources`)).json()) as [SourceReport];
      return first;
    },
    untilReady: async () => {
      const isReady = async () =>
        (await fetch(`${url}/readyz`).catch(() => undefined))?.ok === true;
      await vi.waitUntil(isReady, { timeout: 30_000, interval: 50 });
    },
    exit: async (signal) => {
      const exited = once(child, 'exit');
      child.kill(signal);
      const [status] = (await exited) as [number | null];
      return status;
    },
  };
}

const manifest = (topic: string, group: string, more = '') => `
apiVersion: sources.knative.dev/v1
kind: KafkaSource
metadata: {name: ${group}, namespace: seckill}
spec:
  bootstrapServers: [kafka.somewhere.else:9092]
  topics: [${topic}]
  consumerGroup: ${group}
  initialOffset: earliest
  ordering: unordered
  sink: {ref: {apiVersion: serving.knative.dev/v1, kind: Service, name: the-sink}}
${more}`;
const deadLetters = `
  delivery:
    retry: 60
    backoffPolicy: linear
    backoffDelay: PT0.1S
    timeout: PT15S
    deadLetterSink:
      ref: {apiVersion: eventing.knative.dev/v1alpha1, kind: KafkaSink, name: dead}`;
const kafkaSink = (topic: string) => `
apiVersion: eventing.knative.dev/v1alpha1
kind: KafkaSink
metadata: {name: dead, namespace: seckill}
spec: {topic: ${topic}, bootstrapServers: [kafka.somewhere.else:9092], contentMode: binary}`;

const idsIn = (sink: TestSink) => new Set(sink.received.map(({ headers }) => headers['ce-id']));
const to = (sink: TestSink) => ({ SECKILL_SINK_THE_SINK: sink.url });

describe('start', () => {
  test('a mistake in a manifest ends it, with file and field', async () => {
    const { child, stderr } = await run([manifest('t', 'g', '  retries: 3')], {});
    const [status] = (await once(child, 'exit')) as [number];
    expect(status).toBe(1);
    expect(stderr()).toBe(
      'source-runner could not start. 100-all.yaml: spec.retries: there is no such field\n',
    );
  });

  test('so does a variable that is not set', async () => {
    const sink = await run([manifest('t', 'g')], {});
    await once(sink.child, 'exit');
    expect(sink.stderr()).toContain('spec.sink.ref: set SECKILL_SINK_THE_SINK to the URL');
    const broker = await run([manifest('t', 'g')], { SECKILL_KAFKA_BROKERS: '' });
    await once(broker.child, 'exit');
    expect(broker.stderr()).toContain('SECKILL_KAFKA_BROKERS is not set');
  });

  test('it is ready once every source has joined, and tells how far each is', async () => {
    const [topic, sink] = await Promise.all([uniqueTopic(2), startSink()]);
    const group = uniqueName('test-group-');
    const zero = manifest(topic, uniqueName('test-zero-'), '  consumers: 0');
    const runner = await run([manifest(topic, group), zero], to(sink));
    await runner.untilReady();
    await produce(topic, events(4, 2));
    await sink.until(4);
    await vi.waitFor(async () => {
      expect(await runner.report()).toMatchObject({
        ...{ name: group, consumerGroup: group, topics: [topic], sinkUrl: sink.url },
        ...{ hasJoined: true, partitions: 2, delivered: 4, retried: 0, deadLettered: 0 },
        ...{ dropped: 0, inFlight: 0, lag: 0 },
      });
    });
    // The source that is scaled to zero has had none of them.
    expect(sink.received).toHaveLength(4);
  });
});

test('a refused event is in the KafkaSink’s topic, as it was and with the reason', async () => {
  const [topic, dead, sink] = await Promise.all([
    uniqueTopic(1),
    uniqueTopic(3),
    startSink(() => ({ status: 422, body: 'no such sale' })),
  ]);
  const group = uniqueName('test-group-');
  const runner = await run([manifest(topic, group, deadLetters), kafkaSink(dead)], to(sink));
  await runner.untilReady();
  const headers = {
    ...{ ce_specversion: '1.0', ce_id: 'p.1.7', ce_source: '/seckill/purchase', ce_type: 't' },
    ...{ ce_partitionkey: 'p.1.7', ce_signature: 'abc', 'content-type': 'application/json' },
  };
  await produce(topic, [{ value: '{"orders":[]}', headers }]);
  await vi.waitUntil(async () => (await runner.report()).deadLettered === 1, { timeout: 20_000 });
  const [record, ...others] = await recordsOf(dead);
  expect(others).toEqual([]);
  expect(record?.value.toString()).toBe('{"orders":[]}');
  expect(record?.headers).toEqual({
    ...headers,
    ...{ ce_knativekafkapartition: '0', ce_knativekafkaoffset: '0' },
    ...{ ce_knativeerrordest: sink.url, ce_knativeerrorcode: '422' },
    ce_knativeerrordata: Buffer.from('no such sale').toString('base64'),
  });
});

test('so is a malformed structured event, in binary mode, and the sink has had it as it was', async () => {
  const [topic, dead, sink] = await Promise.all([
    uniqueTopic(1),
    uniqueTopic(1),
    startSink(() => ({ status: 422, body: 'no JSON' })),
  ]);
  const group = uniqueName('test-group-');
  const runner = await run([manifest(topic, group, deadLetters), kafkaSink(dead)], to(sink));
  await runner.untilReady();
  const contentType = 'application/cloudevents+json; charset=UTF-8';
  await produce(topic, [{ value: '{nope', headers: { 'content-type': contentType } }]);
  await vi.waitFor(async () => {
    expect(await runner.report()).toMatchObject({ deadLettered: 1, dropped: 0, inFlight: 0 });
  }, 20_000);
  const lowerCase = contentType.toLowerCase();
  expect(sink.received).toMatchObject([
    { body: '{nope', headers: { 'content-type': lowerCase, 'ce-type': 'dev.knative.kafka.event' } },
  ]);
  const [record] = await recordsOf(dead);
  expect(record?.value.toString()).toBe('{nope');
  expect(record?.headers).toMatchObject({
    ...{ ce_type: 'dev.knative.kafka.event', ce_id: 'partition:0/offset:0' },
    ...{ ce_kafkaheadercontenttype: lowerCase },
    ...{ ce_knativeerrordest: sink.url, ce_knativeerrorcode: '422' },
    ce_knativeerrordata: Buffer.from('no JSON').toString('base64'),
  });
  expect(record?.headers).not.toHaveProperty('content-type');
});

describe('a KafkaSink', () => {
  test('takes CloudEvents only, by POST, and answers 503 while it cannot write', async () => {
    const [topic, sink] = await Promise.all([uniqueTopic(1), startSink()]);
    const noTopic = uniqueName('test.none.');
    const group = uniqueName('test-group-');
    const runner = await run([manifest(topic, group, deadLetters), kafkaSink(noTopic)], to(sink));
    await runner.untilReady();
    const post = async (path: string, headers: Record<string, string>, method = 'POST') => {
      const body = method === 'POST' ? { body: '{}' } : {};
      return (await fetch(`${runner.url}${path}`, { method, headers, ...body })).status;
    };
    const event = { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': '/s', 'ce-type': 't' };
    expect(await post('/seckill/dead', event)).toBe(503);
    expect(await post('/seckill/dead', { 'ce-id': '1' })).toBe(400);
    expect(await post('/seckill/other', event)).toBe(404);
    expect(await post('/seckill/dead', event, 'GET')).toBe(405);
    await createTopics(access(), [{ name: noTopic, partitions: 1 }]);
    await vi.waitFor(async () => {
      expect(await post('/seckill/dead', event)).toBe(202);
    }, 20_000);
    expect((await recordsOf(noTopic)).map(({ headers }) => headers.ce_id)).toEqual(['1']);
  });
});

describe('the end', () => {
  test('SIGTERM: what is in flight is answered, committed, and not delivered again', async () => {
    const open = Promise.withResolvers<number>();
    const [topic, sink] = await Promise.all([uniqueTopic(1), startSink(() => open.promise)]);
    const group = uniqueName('test-group-');
    const first = await run([manifest(topic, group)], to(sink));
    await produce(topic, events(5));
    await sink.until(5);
    const exited = first.exit('SIGTERM');
    await vi.waitFor(async () => {
      expect((await fetch(`${first.url}/readyz`)).status).toBe(503);
    });
    open.resolve(204);
    expect(await exited).toBe(0);
    expect(await committed(group, topic)).toEqual([5]);
    const second = await run([manifest(topic, group)], to(sink));
    await second.untilReady();
    await produce(topic, events(6).slice(5));
    await sink.until(6);
    expect(idsIn(sink).size).toBe(6);
    expect(sink.received).toHaveLength(6);
  });

  test('kill -9: nothing is lost, what was not committed comes again', async () => {
    const open = Promise.withResolvers<number>();
    let isOpen = false;
    const [topic, sink] = await Promise.all([
      uniqueTopic(2),
      startSink((_, nth) => (isOpen || nth <= 20 ? 204 : open.promise)),
    ]);
    const group = uniqueName('test-group-');
    await produce(topic, events(100, 2));
    const first = await run([manifest(topic, group)], to(sink));
    await sink.until(60);
    await first.exit('SIGKILL');
    isOpen = true;
    open.resolve(204);
    const before = sink.received.length;
    // Its place in the group is free once its session has timed out.
    await run([manifest(topic, group)], to(sink));
    await vi.waitFor(
      () => {
        expect(idsIn(sink).size).toBe(100);
        expect(sink.received.length).toBeGreaterThan(100);
      },
      { timeout: 40_000 },
    );
    expect(sink.received.length).toBeLessThanOrEqual(before + 100);
  });
});

test('Kafka away and back: nothing is lost, without a restart', async () => {
  const broker = await startOwnStore(kafka);
  onTestFinished(() => broker.remove());
  const [topic, group] = [uniqueName('test.'), uniqueName('test-group-')];
  const dead = uniqueName('test.dead.');
  await createTopics({ brokers: [broker.address] }, [
    { name: topic, partitions: 2 },
    { name: dead, partitions: 1 },
  ]);
  const sink = await startSink(({ body }) => (body === '1' || body === '11' ? 422 : 204));
  const runner = await run([manifest(topic, group, deadLetters), kafkaSink(dead)], {
    ...to(sink),
    SECKILL_KAFKA_BROKERS: broker.address,
  });
  await runner.untilReady();
  await produceTo(broker.address, topic, events(10, 2));
  await vi.waitUntil(() => idsIn(sink).size === 10, { timeout: 20_000 });
  await vi.waitUntil(async () => (await runner.report()).deadLettered === 1, { timeout: 20_000 });
  await broker.stop();
  // Long enough for the consumer to have given up, which is the hard case.
  await vi.waitUntil(async () => (await runner.report()).partitions === 0, { timeout: 30_000 });
  await broker.start();
  await produceTo(broker.address, topic, events(20, 2).slice(10));
  await vi.waitUntil(() => idsIn(sink).size === 20, { timeout: 40_000 });
  await vi.waitUntil(async () => (await runner.report()).deadLettered >= 2, { timeout: 20_000 });
  expect(await runner.report()).toMatchObject({ dropped: 0 });
  expect(runner.child.exitCode).toBeNull();
}, 120_000);
