import { describe, expect, test } from 'vitest';
import { eventBytesMax, sendBytesMax } from '#lib/constants.ts';
import { isSigned } from '#lib/http/signature.ts';
import type { EventProducer, Message } from '#lib/kafka/producer.ts';
import { KafkaUnavailable } from '#lib/kafka/unavailable.ts';
import { ordersTopic, topics } from '#lib/names.ts';
import { createPublisher, messageOf, type PublishedEvent } from './publish.ts';

const signingKeys = ['the first key, which signs everything', 'the one before it'];
const partitions = topics.find(({ name }) => name === ordersTopic)?.partitions ?? 0;

const anEvent = (number: number, productId = 'p', padding = ''): PublishedEvent => ({
  productId,
  batchId: `${productId}.1.${number}`,
  data:
    `{"productId":"${productId}","generation":1,"acceptedAt":1790000000123456,` +
    `"unitPrice":1,"currency":"CNY","orders":["é${number}${padding}"]}`,
});

interface Send {
  readonly producer: number;
  readonly topic: string;
  readonly messages: readonly Message[];
  readonly acknowledge: () => void;
  readonly fail: () => void;
}

/** A Kafka whose answers the test gives. */
function fakeKafka() {
  const sends: Send[] = [];
  const discarded: number[] = [];
  let connections = 0;
  let away = false;
  const connect = async (): Promise<EventProducer> => {
    connections += 1;
    const producer = connections;
    await Promise.resolve();
    if (away) throw new KafkaUnavailable('away');
    return {
      discard: () => discarded.push(producer),
      send: (topic, messages: readonly Message[]) =>
        new Promise((resolve, reject) => {
          const fail = () => {
            reject(new KafkaUnavailable('no answer'));
          };
          sends.push({ producer, topic, messages, acknowledge: resolve, fail });
        }),
    };
  };
  return {
    sends,
    discarded,
    connect,
    connections: () => connections,
    setAway: (value: boolean) => {
      away = value;
    },
    /** The send with this number, from 0 on, once it is under way. */
    async send(index: number): Promise<Send> {
      for (let turn = 0; turn < 100; turn += 1) {
        const send = sends[index];
        if (send) return send;
        await Promise.resolve();
      }
      throw new Error(`send ${index} never began`);
    },
  };
}

async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const open = Symbol();
  for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
  const first = await Promise.race([promise.catch(() => undefined), Promise.resolve(open)]);
  return first !== open;
}

const idsIn = ({ messages }: Send) => messages.map(({ headers }) => headers.ce_id);

describe('a message', () => {
  test('is a CloudEvent in binary mode with the outbox’ bytes, signed, on a partition', async () => {
    const kafka = fakeKafka();
    const publisher = createPublisher({ connect: kafka.connect, signingKeys });
    const event = anEvent(7, 'shoe');
    void publisher.publish([event]);
    const { topic, messages } = await kafka.send(0);
    expect(topic).toBe(ordersTopic);
    const [message] = messages;
    expect(message?.value).toBe(event.data);
    const { ce_signature: signature, ...headers } = message?.headers ?? {};
    expect(headers).toEqual({
      'content-type': 'application/json',
      ce_specversion: '1.0',
      ce_id: 'shoe.1.7',
      ce_type: 'seckill.orders.accepted.v1',
      ce_source: '/seckill/purchase',
      ce_subject: 'shoe',
      ce_time: '2026-09-21T14:13:20.123456Z',
      ce_partitionkey: 'shoe.1.7',
    });
    expect(isSigned(signingKeys.slice(0, 1), 'shoe.1.7', event.data, signature)).toBe(true);
  });

  test('is the same whenever its batch is published, and batches use all partitions', async () => {
    const kafka = fakeKafka();
    const publisher = createPublisher({ connect: kafka.connect, signingKeys });
    const events = Array.from({ length: 200 }, (_, index) => anEvent(index));
    for (let time = 0; time < 2; time += 1) {
      const published = publisher.publish(events);
      (await kafka.send(time)).acknowledge();
      await published;
    }
    expect(kafka.sends[1]?.messages).toEqual(kafka.sends[0]?.messages);
    const used = new Set(kafka.sends[0]?.messages.map(({ partition }) => partition));
    expect([...used].sort((a, b) => a - b)).toEqual(
      Array.from({ length: partitions }, (_, p) => p),
    );
  });
});

describe('sending', () => {
  test('one send is in flight; what waits meanwhile goes out together in the next', async () => {
    const kafka = fakeKafka();
    const publisher = createPublisher({ connect: kafka.connect, signingKeys });
    const first = publisher.publish([anEvent(1)]);
    const send = await kafka.send(0);
    const second = publisher.publish([anEvent(2), anEvent(3)]);
    const third = publisher.publish([anEvent(1, 'other')]);
    expect(await isSettled(first)).toBe(false);
    expect(kafka.sends).toHaveLength(1);

    send.acknowledge();
    await first;
    const merged = await kafka.send(1);
    expect(idsIn(merged)).toEqual(['p.1.2', 'p.1.3', 'other.1.1']);
    expect(await isSettled(Promise.race([second, third]))).toBe(false);
    merged.acknowledge();
    await Promise.all([second, third]);
    expect(kafka.connections()).toBe(1);
  });

  test('nothing to publish is published', async () => {
    const kafka = fakeKafka();
    const publisher = createPublisher({ connect: kafka.connect, signingKeys });
    await publisher.publish([]);
    expect(kafka.sends).toHaveLength(0);
  });

  // All of a send may be for one partition, and Kafka takes no more than a megabyte at once there.
  test('a send stays within what Kafka takes; its rest follows in further ones', async () => {
    const kafka = fakeKafka();
    const publisher = createPublisher({ connect: kafka.connect, signingKeys });
    const padding = 'x'.repeat(eventBytesMax - 200);
    const events = Array.from({ length: 100 }, (_, index) => anEvent(index, 'p', padding));
    const small = publisher.publish([anEvent(1, 'first')]);
    const large = publisher.publish(events);
    const after = publisher.publish([anEvent(1, 'after')]);
    const ids: (string | undefined)[] = [];
    for (let index = 0; ids.length < events.length + 2; index += 1) {
      const send = await kafka.send(index);
      const bytes = send.messages.map(({ value }) => Buffer.byteLength(value));
      expect(bytes.reduce((sum, size) => sum + size)).toBeLessThanOrEqual(sendBytesMax);
      ids.push(...idsIn(send));
      expect(await isSettled(large)).toBe(false);
      send.acknowledge();
    }
    await Promise.all([small, large, after]);
    expect(ids).toEqual(['first.1.1', ...events.map(({ batchId }) => batchId), 'after.1.1']);
    expect(kafka.sends.length).toBeLessThan(15);
  });

  test('an event alone is sent, however large it is', async () => {
    const kafka = fakeKafka();
    const publisher = createPublisher({ connect: kafka.connect, signingKeys });
    const published = publisher.publish([anEvent(1, 'p', 'x'.repeat(sendBytesMax))]);
    (await kafka.send(0)).acknowledge();
    await published;
  });
});

describe('a failure', () => {
  test('fails all that were in the send, and its producer is never used again', async () => {
    const kafka = fakeKafka();
    const outcomes: [number, boolean][] = [];
    const onSend = (events: number, acknowledged: boolean) => {
      outcomes.push([events, acknowledged]);
    };
    const publisher = createPublisher({ connect: kafka.connect, signingKeys, onSend });
    const first = publisher.publish([anEvent(1)]);
    const second = publisher.publish([anEvent(2)]);
    (await kafka.send(0)).acknowledge();
    await first;
    const failing = await kafka.send(1);
    const later = publisher.publish([anEvent(3)]);
    failing.fail();
    await expect(second).rejects.toThrow(KafkaUnavailable);

    const again = publisher.publish([anEvent(2)]);
    const resent = await kafka.send(2);
    expect([failing.producer, resent.producer]).toEqual([1, 2]);
    expect(kafka.discarded).toEqual([1]);
    resent.acknowledge();
    (await kafka.send(3)).acknowledge();
    await Promise.all([later, again]);
    expect(kafka.sends[3]?.messages).toEqual(failing.messages);
    expect(outcomes).toEqual([
      [1, true],
      [1, false],
      [1, true],
      [1, true],
    ]);
  });

  test('ends the rest of what it was a part of, and of nothing else', async () => {
    const kafka = fakeKafka();
    const publisher = createPublisher({ connect: kafka.connect, signingKeys });
    const padding = 'x'.repeat(eventBytesMax - 200);
    const large = publisher.publish(
      Array.from({ length: 30 }, (_, index) => anEvent(index, 'p', padding)),
    );
    const other = publisher.publish([anEvent(1, 'other')]);
    (await kafka.send(0)).acknowledge();
    (await kafka.send(1)).fail();
    await expect(large).rejects.toThrow(KafkaUnavailable);
    const next = await kafka.send(2);
    expect(idsIn(next)).toEqual(['other.1.1']);
    next.acknowledge();
    await other;
  });

  test('to connect fails what waits; the next publish tries again', async () => {
    const kafka = fakeKafka();
    kafka.setAway(true);
    const publisher = createPublisher({ connect: kafka.connect, signingKeys });
    await expect(publisher.connect()).rejects.toThrow(KafkaUnavailable);
    await expect(publisher.publish([anEvent(1)])).rejects.toThrow(KafkaUnavailable);
    kafka.setAway(false);
    const published = publisher.publish([anEvent(1)]);
    (await kafka.send(0)).acknowledge();
    await published;
  });

  test('of an outbox that holds no event is a failure, not a send', async () => {
    const kafka = fakeKafka();
    const publisher = createPublisher({ connect: kafka.connect, signingKeys });
    const broken = { productId: 'p', batchId: 'p.1.1', data: '{"acceptedAt":1}' };
    await expect(publisher.publish([broken])).rejects.toThrow('not an event');
    expect(kafka.sends).toHaveLength(0);
  });
});

test('those who connect at the same time share one producer', async () => {
  const kafka = fakeKafka();
  const publisher = createPublisher({ connect: kafka.connect, signingKeys });
  const published = publisher.publish([anEvent(1)]);
  await Promise.all([publisher.connect(), publisher.connect()]);
  (await kafka.send(0)).acknowledge();
  await published;
  expect(kafka.connections()).toBe(1);
});

test('stopping waits for what was given to it, and leaves', async () => {
  const kafka = fakeKafka();
  const publisher = createPublisher({ connect: kafka.connect, signingKeys });
  const published = [publisher.publish([anEvent(1)])];
  const first = await kafka.send(0);
  published.push(publisher.publish([anEvent(2)]));
  const stopped = publisher.stop();
  expect(await isSettled(stopped)).toBe(false);
  expect(kafka.discarded).toEqual([]);
  first.acknowledge();
  (await kafka.send(1)).acknowledge();
  await Promise.all(published);
  await stopped;
  expect(kafka.discarded).toEqual([1]);
});

test('an event is in the trace of its first sampled order, whatever a buyer is called', () => {
  const traceparent = (digit: string) => `00-${digit.repeat(32)}-${digit.repeat(16)}-01`;
  const eventOf = (...orders: readonly object[]): PublishedEvent => {
    const head = { productId: 'p', generation: 1, acceptedAt: 1_790_000_000_000_000 };
    return { productId: 'p', batchId: 'p.1.1', data: JSON.stringify({ ...head, orders }) };
  };
  const headersOf = (...orders: readonly object[]) =>
    messageOf(eventOf(...orders), signingKeys).headers;
  const forger = { userId: `","traceparent":"${traceparent('f')}` };
  const first = { traceparent: traceparent('1') };
  expect(headersOf(forger, first, { traceparent: traceparent('2') })).toMatchObject({
    ce_traceparent: traceparent('1'),
  });
  expect(headersOf(forger)).not.toHaveProperty('ce_traceparent');
});
