// The delivery contract, rule by rule, on real Kafka. README.md lists which test states which.

import { afterAll, describe, expect, test, vi } from 'vitest';
import { once } from '#lib/testing/once.ts';
import { uniqueName, uniqueTopic } from '#lib/testing/unique.ts';
import { choosePort } from '../ports.ts';
import { commitIntervalMs, inFlightMax, pollRecordsMax, sinkConnectionsMax } from './constants.ts';
import {
  closeClients,
  committed,
  events,
  produce,
  type Received,
  startSink,
  startSource,
} from './test-kit.ts';

afterAll(closeClients);

const ids = (received: readonly Received[]) => received.map(({ headers }) => headers['ce-id']);
const waits = (received: readonly Received[]) =>
  received.slice(1).map(({ atMs }, index) => atMs - (received[index]?.atMs ?? 0));
const timeoutMs = 2_000;
/** A promise, and what settles it. */
const gate = () => Promise.withResolvers<number>();

describe('one event is one POST', () => {
  test('in binary mode, with the dispatcher’s own headers', async () => {
    const [topic, sink] = await Promise.all([uniqueTopic(1), startSink()]);
    startSource({ topics: [topic], sinkUrl: `${sink.url}path`, extensions: { stage: 'test' } });
    const [message] = events(1);
    await produce(topic, [{ ...message, key: 'k', value: '{"a":1}' }]);
    const [received] = await sink.until(1);
    expect(received).toMatchObject({ method: 'POST', url: '/path', body: '{"a":1}' });
    expect(received?.headers).toEqual({
      ...{ host: new URL(sink.url).host, connection: 'keep-alive' },
      ...{ prefer: 'reply', 'kn-namespace': 'seckill', 'content-length': '7' },
      ...{ 'ce-specversion': '1.0', 'ce-id': '0', 'ce-source': '/test', 'ce-type': 'test' },
      ...{ 'ce-knativekafkapartition': '0', 'ce-knativekafkaoffset': '0', 'ce-stage': 'test' },
    });
  });

  test('a plain record and one without a value as well', async () => {
    const [topic, sink] = await Promise.all([uniqueTopic(1), startSink()]);
    startSource({ topics: [topic], sinkUrl: sink.url });
    await produce(topic, [
      { key: 'k', value: 'v', headers: { 'X-Trace': 'y' } },
      { key: 'k', value: null },
    ]);
    const [plain, empty] = await sink.until(2);
    expect(plain).toMatchObject({
      headers: {
        ...{ 'ce-type': 'dev.knative.kafka.event', 'ce-id': 'partition:0/offset:0' },
        ...{ 'ce-key': 'k', 'ce-kafkaheaderxtrace': 'y' },
        'ce-source': `/apis/v1/namespaces/seckill/kafkasources/a-source#${topic}`,
      },
      body: 'v',
    });
    expect(plain?.headers['content-type']).toBeUndefined();
    expect(empty).toMatchObject({ headers: { 'ce-id': 'partition:0/offset:1' }, body: '' });
  });

  test('within milliseconds of the record', async () => {
    const [topic, sink] = await Promise.all([uniqueTopic(1), startSink()]);
    const source = startSource({ topics: [topic], sinkUrl: sink.url });
    await vi.waitUntil(() => source.hasJoined(), { timeout: 20_000 });
    const delays = [];
    for (let nth = 1; nth <= 20; nth += 1) {
      const producedAt = performance.now();
      await produce(topic, events(1));
      const received = await sink.until(nth);
      delays.push((received.at(-1)?.atMs ?? 0) - producedAt);
    }
    expect(delays.sort((one, other) => one - other)[10]).toBeLessThan(50);
  });
});

describe('an answer decides', () => {
  test.each([404, 408, 409, 429, 500, 503])(
    '%i is tried again, after delay × n',
    async (status) => {
      const [topic, sink] = await Promise.all([
        uniqueTopic(1),
        startSink((_, nth) => (nth <= 2 ? status : 200)),
      ]);
      const source = startSource({ topics: [topic], sinkUrl: sink.url });
      await produce(topic, events(1));
      const [first = 0, second = 0] = waits(await sink.until(3));
      expect(first).toBeGreaterThan(95);
      expect(second).toBeGreaterThan(195);
      await vi.waitFor(() => {
        expect(source.status()).toMatchObject({ delivered: 1, retried: 2, dropped: 0 });
      });
    },
  );

  test('Retry-After is not honoured', async () => {
    const later = { status: 503, headers: { 'retry-after': '60' } };
    const [topic, sink] = await Promise.all([
      uniqueTopic(1),
      startSink((_, nth) => (nth === 1 ? later : 204)),
    ]);
    startSource({ topics: [topic], sinkUrl: sink.url });
    await produce(topic, events(1));
    await sink.until(2, 5_000);
  });

  test('no answer in time is tried again', async () => {
    const [topic, sink] = await Promise.all([
      uniqueTopic(1),
      startSink((_, nth) => (nth === 1 ? new Promise<never>(() => undefined) : 204)),
    ]);
    const delivery = { retries: 1, backoff: 'exponential', backoffDelayMs: 50 } as const;
    const source = startSource({
      ...{ topics: [topic], sinkUrl: sink.url },
      delivery: { ...delivery, timeoutMs: 300 },
    });
    await produce(topic, events(1));
    const [wait] = waits(await sink.until(2));
    // The time-out, and twice the delay: exponential starts with 2¹.
    expect(wait).toBeGreaterThan(395);
    await vi.waitFor(() => {
      expect(source.status()).toMatchObject({ delivered: 1, inFlight: 0 });
    });
  });

  test('a sink that is not there is tried until it is', async () => {
    // Beyond the ports that connections get: nobody takes it before the sink does.
    const [topic, port] = await Promise.all([uniqueTopic(1), choosePort()]);
    const source = startSource({
      ...{ topics: [topic], sinkUrl: `http://127.0.0.1:${port}/` },
      delivery: { retries: 60, backoff: 'linear', backoffDelayMs: 100, timeoutMs: 1_000 },
    });
    await produce(topic, events(3));
    await vi.waitUntil(() => source.status().retried >= 3, { timeout: 20_000 });
    const sink = await startSink(() => 204, port);
    await sink.until(3);
    await vi.waitFor(() => {
      expect(source.status()).toMatchObject({ delivered: 3, dropped: 0, lag: 0 });
    });
  });
});

describe('what is not taken', () => {
  test('is a dead letter at once when it is refused', async () => {
    const [topic, sink, dead] = await Promise.all([
      uniqueTopic(1),
      startSink(() => ({ status: 422, headers: { 'kne-reason': 'why' }, body: 'no such sale' })),
      startSink(),
    ]);
    const source = startSource({
      ...{ topics: [topic], sinkUrl: sink.url, deadLetterSinkUrl: dead.url },
    });
    await produce(topic, events(1));
    const [letter] = await dead.until(1);
    expect(letter).toMatchObject({
      headers: {
        ...{ 'ce-id': '0', 'ce-knativekafkaoffset': '0', 'ce-reason': 'why' },
        ...{ 'ce-knativeerrordest': sink.url, 'ce-knativeerrorcode': '422' },
        'ce-knativeerrordata': Buffer.from('no such sale').toString('base64'),
      },
      body: '0',
    });
    await vi.waitFor(() => {
      expect(source.status()).toMatchObject({ deadLettered: 1, delivered: 0, retried: 0 });
    });
    expect(sink.received).toHaveLength(1);
  });

  test('is a dead letter when the retries are used up, and that gets the same retries', async () => {
    const [topic, sink, dead] = await Promise.all([
      uniqueTopic(1),
      startSink(() => 503),
      startSink((_, nth) => (nth <= 2 ? 503 : 202)),
    ]);
    startSource({ topics: [topic], sinkUrl: sink.url, deadLetterSinkUrl: dead.url });
    await produce(topic, events(1));
    const letters = await dead.until(3);
    expect(letters[0]?.headers['ce-knativeerrorcode']).toBe('503');
    expect(sink.received).toHaveLength(3);
    const [first = 0, second = 0] = waits(letters);
    expect(first).toBeGreaterThan(95);
    expect(second).toBeGreaterThan(195);
  });

  test.each([
    ['there is no dead-letter sink', false],
    ['the dead-letter sink does not take it', true],
  ])('is lost where %s, and the offset passes it', async (_, hasDeadLetterSink) => {
    const [topic, sink, dead] = await Promise.all([
      uniqueTopic(1),
      startSink(({ body }) => (body === '0' ? 422 : 204)),
      startSink(() => 400),
    ]);
    const source = startSource({
      ...{ topics: [topic], sinkUrl: sink.url },
      deadLetterSinkUrl: hasDeadLetterSink ? dead.url : undefined,
    });
    await produce(topic, events(2));
    await vi.waitFor(
      () => {
        expect(source.status()).toMatchObject({ delivered: 1, dropped: 1, deadLettered: 0 });
      },
      { timeout: 20_000 },
    );
    expect(dead.received).toHaveLength(hasDeadLetterSink ? 1 : 0);
    await source.stop(1_000);
    expect(await committed(source.consumerGroup, topic)).toEqual([2]);
  });
});

describe('a record that HTTP cannot carry', () => {
  test('is a dead letter at once, and holds up nothing that comes after it', once, async () => {
    const [topic, sink, dead] = await Promise.all([uniqueTopic(1), startSink(), startSink()]);
    // With so many retries, an attempt that costs a connection would cost every one of them.
    const source = startSource({
      ...{ topics: [topic], sinkUrl: sink.url, deadLetterSinkUrl: dead.url },
      delivery: {
        retries: 2 * sinkConnectionsMax,
        backoff: 'linear',
        backoffDelayMs: 0,
        timeoutMs,
      },
    });
    const [good] = events(1);
    const bytes = { 'content-type': Buffer.from([0xff, 0xfe]) };
    await produce(topic, [
      { ...good, value: 'bytes', headers: { ...good?.headers, ...bytes } },
      { ...good, value: 'escape', headers: { ...good?.headers, ce_id: '\u001b[31m"red"\n' } },
    ]);
    await vi.waitFor(() => {
      expect(source.status()).toMatchObject({ delivered: 1, deadLettered: 1, inFlight: 0 });
    }, 20_000);
    await produce(topic, events(300));
    await vi.waitFor(() => {
      expect(source.status()).toMatchObject({
        ...{ delivered: 301, deadLettered: 1, retried: 0, dropped: 0, inFlight: 0, lag: 0 },
      });
    }, 20_000);
    expect(sink.received[0]).toMatchObject({
      ...{ body: 'escape', headers: { 'ce-id': '%1B[31m%22red%22%0A' } },
    });
    expect(dead.received).toMatchObject([
      {
        body: 'bytes',
        headers: {
          ...{ 'ce-id': '0', 'ce-kafkaheadercontenttype': '%EF%BF%BD%EF%BF%BD' },
          'ce-knativeerrordest': sink.url,
          'ce-knativeerrordata': Buffer.from('HTTP cannot carry its content-type').toString(
            'base64',
          ),
        },
      },
    ]);
    expect(dead.received[0]?.headers['content-type']).toBeUndefined();
  });
});

describe('unordered', () => {
  test('has 50 to 99 in flight while there is enough, also in one partition', async () => {
    const open = gate();
    const [topic, sink] = await Promise.all([uniqueTopic(2), startSink(() => open.promise)]);
    await produce(topic, events(400, 2));
    const source = startSource({ topics: [topic], sinkUrl: sink.url });
    await sink.until(pollRecordsMax);
    expect(source.status().inFlight).toBeLessThanOrEqual(inFlightMax);
    open.resolve(204);
    await sink.until(400);
    expect(sink.open.most).toBeGreaterThanOrEqual(pollRecordsMax);
    expect(sink.open.most).toBeLessThanOrEqual(inFlightMax);
    expect(new Set(ids(sink.received)).size).toBe(400);
  });

  test('one that waits holds up no other, of its partition neither', async () => {
    const open = gate();
    const [topic, sink] = await Promise.all([
      uniqueTopic(1),
      startSink(({ body }) => (body === '0' ? open.promise : 204)),
    ]);
    await produce(topic, events(300));
    startSource({ topics: [topic], sinkUrl: sink.url });
    await sink.until(300);
    open.resolve(204);
  });
});

describe('ordered', () => {
  test('has one in flight per partition, in order', async () => {
    const [topic, sink] = await Promise.all([
      uniqueTopic(3),
      startSink(async () => {
        await new Promise((resolve) => setTimeout(resolve, 5));
        return 204;
      }),
    ]);
    await produce(topic, events(90, 3));
    startSource({ topics: [topic], sinkUrl: sink.url, ordering: 'ordered' });
    const received = await sink.until(90);
    expect(sink.open.most).toBeLessThanOrEqual(3);
    for (const partition of ['0', '1', '2']) {
      const offsets = received
        .filter(({ headers }) => headers['ce-knativekafkapartition'] === partition)
        .map(({ headers }) => Number(headers['ce-knativekafkaoffset']));
      expect(offsets).toEqual(Array.from({ length: 30 }, (_, offset) => offset));
    }
  });

  test('delivers no more than 250 events a second, however quick the sink is', async () => {
    const [topic, sink] = await Promise.all([uniqueTopic(12), startSink()]);
    await produce(topic, events(600, 12));
    startSource({ topics: [topic], sinkUrl: sink.url, ordering: 'ordered' });
    const received = await sink.until(600);
    // The first 50 come at once, the other 550 take eleven more polls.
    const tookMs = (received[599]?.atMs ?? 0) - (received[0]?.atMs ?? 0);
    expect(tookMs).toBeGreaterThan(2_100);
  });
});

describe('offsets', () => {
  test('are committed every 5 s, up to the oldest that is not done', async () => {
    const open = gate();
    const [topic, sink] = await Promise.all([
      uniqueTopic(1),
      startSink(({ body }) => (body === '3' ? open.promise : 204)),
    ]);
    await produce(topic, events(10));
    const startedAtMs = performance.now();
    const source = startSource({ topics: [topic], sinkUrl: sink.url });
    await sink.until(10);
    const isCommitted = (offset: number) =>
      vi.waitFor(
        async () => {
          expect(await committed(source.consumerGroup, topic)).toEqual([offset]);
        },
        { timeout: 2 * commitIntervalMs, interval: 100 },
      );
    await isCommitted(3);
    expect(performance.now() - startedAtMs).toBeGreaterThan(commitIntervalMs - 50);
    expect(source.status()).toMatchObject({ inFlight: 1, lag: 7 });
    open.resolve(204);
    await isCommitted(10);
  });

  test('are committed on leaving, and the next one goes on from there', async () => {
    const [topic, sink] = await Promise.all([uniqueTopic(1), startSink()]);
    const consumerGroup = uniqueName('test-group-');
    const first = startSource({ topics: [topic], sinkUrl: sink.url, consumerGroup });
    await produce(topic, events(5));
    await sink.until(5);
    await first.stop(5_000);
    startSource({ topics: [topic], sinkUrl: sink.url, consumerGroup });
    await produce(topic, events(6).slice(5));
    await sink.until(6);
    expect(ids(sink.received).toSorted()).toEqual(['0', '1', '2', '3', '4', '5']);
  });

  test('leaving waits for answers, and leaves to the next what waits to be sent again', async () => {
    const open = gate();
    const [topic, sink] = await Promise.all([
      uniqueTopic(1),
      startSink(({ body }) => (body === '0' ? open.promise : 503)),
    ]);
    const source = startSource({
      ...{ topics: [topic], sinkUrl: sink.url },
      delivery: { retries: 9, backoff: 'linear', backoffDelayMs: 60_000, timeoutMs: 9_000 },
    });
    await produce(topic, events(2));
    await vi.waitUntil(() => source.status().retried === 1, { timeout: 20_000 });
    const left = source.stop(5_000);
    open.resolve(204);
    await left;
    expect(source.status()).toMatchObject({ delivered: 1, dropped: 0 });
    expect(await committed(source.consumerGroup, topic)).toEqual([1]);
  });

  test('start where initialOffset says, if the group has none', async () => {
    const [topic, sink] = await Promise.all([uniqueTopic(1), startSink()]);
    await produce(topic, events(2));
    const source = startSource({ topics: [topic], sinkUrl: sink.url, initialOffset: 'latest' });
    await vi.waitUntil(() => source.hasJoined(), { timeout: 20_000 });
    // The place is taken with the first fetch after joining, which nothing tells.
    const producing = setInterval(() => void produce(topic, events(1)), 100);
    const [first] = await sink.until(1).finally(() => {
      clearInterval(producing);
    });
    expect(Number(first?.headers['ce-knativekafkaoffset'])).toBeGreaterThanOrEqual(2);
  });
});

describe('a group', () => {
  test('commits what is done before it shares out anew, so that it does not come again', async () => {
    const [topic, sink] = await Promise.all([uniqueTopic(4), startSink()]);
    const parts = {
      ...{ topics: [topic], sinkUrl: sink.url },
      consumerGroup: uniqueName('test-group-'),
    };
    const first = startSource(parts);
    await produce(topic, events(200, 4));
    await vi.waitUntil(() => first.status().delivered === 200, { timeout: 20_000 });
    const second = startSource(parts);
    await vi.waitUntil(() => first.status().partitions === 2 && second.status().partitions === 2, {
      timeout: 30_000,
    });
    // Whatever came again would come before these.
    await produce(topic, events(204, 4).slice(200));
    await vi.waitUntil(() => new Set(ids(sink.received)).size === 204, { timeout: 20_000 });
    expect(sink.received).toHaveLength(204);
  });

  test('loses nothing while members come and go', async () => {
    const [topic, sink] = await Promise.all([uniqueTopic(4), startSink()]);
    const parts = {
      ...{ topics: [topic], sinkUrl: sink.url },
      consumerGroup: uniqueName('test-group-'),
    };
    let produced = 0;
    const producing = setInterval(() => {
      produced += 4;
      void produce(topic, events(produced, 4).slice(-4));
    }, 20);
    const first = startSource(parts);
    await sink.until(20);
    const second = startSource(parts);
    await vi.waitUntil(() => second.status().partitions === 2, { timeout: 30_000 });
    await first.stop(5_000);
    await vi.waitUntil(() => second.status().partitions === 4, { timeout: 30_000 });
    clearInterval(producing);
    await vi.waitUntil(() => new Set(ids(sink.received)).size === produced, { timeout: 20_000 });
  });
});
