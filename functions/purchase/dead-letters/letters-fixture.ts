// Dead letters for tests: topics and groups of a test's own, and records as a KafkaSink writes
// them there.

import { type Admin, Kafka, type Message as KafkaMessage, logLevel } from 'kafkajs';
import { createTopics } from '#knative/local/topics.ts';
import { sign } from '#lib/http/signature.ts';
import { kafkaConfigOf } from '#lib/kafka/access.ts';
import { type RawRecord, readRecords } from '#lib/kafka/read-records.ts';
import { ordersPartitions } from '#lib/names.ts';
import { batchIdOf, eventAttributes, type OrderEvent } from '#lib/order-event.ts';
import { anEventOf } from '#lib/testing/order-events.ts';
import { uniqueName } from '#lib/testing/unique.ts';
import type { AppDependencies } from '../app.ts';
import { openApp, type TestApp } from '../testing/app-fixture.ts';
import { type Bench, type Instance, openOwnBench } from '../testing/purchase-fixture.ts';
import { createDeadLetters, type LetterNames } from './dead-letters.ts';

type Record = Pick<KafkaMessage, 'key' | 'value' | 'headers' | 'timestamp'> & {
  readonly partition?: number;
};

export interface LetterBench {
  readonly bench: Bench;
  readonly instance: Instance;
  readonly app: TestApp;
  readonly names: LetterNames;
  readonly admin: Admin;
  /** An app on these topics, with a store of its own where one is given. */
  appWith(
    stores: Partial<Pick<Bench, 'mysql' | 'kafka'>>,
    overrides?: Partial<AppDependencies>,
  ): TestApp;
  produce(topic: string, records: readonly Record[]): Promise<void>;
  /** What lies in the topic of orders. */
  published(): Promise<RawRecord[]>;
  /** Both groups answer for all that is in the topic of orders. */
  deliverAll(): Promise<void>;
  close(): Promise<void>;
}

export async function openLetterBench(): Promise<LetterBench> {
  const bench = await openOwnBench();
  const { kafka } = bench;
  const names = {
    topics: { 'persist-order': uniqueName('test.dead.'), 'update-rank': uniqueName('test.dead.') },
    ordersTopic: uniqueName('test.orders.'),
    groups: { 'persist-order': uniqueName('test-'), 'update-rank': uniqueName('test-') },
  };
  await createTopics(kafka, [
    { name: names.ordersTopic, partitions: ordersPartitions },
    ...Object.values(names.topics).map((name) => ({ name, partitions: 3 })),
  ]);
  const client = new Kafka({ ...kafkaConfigOf(kafka), logLevel: logLevel.NOTHING });
  const producer = client.producer({ idempotent: true, maxInFlightRequests: 1 });
  const admin = client.admin();
  await Promise.all([producer.connect(), admin.connect()]);
  const instance = bench.instance();
  const appWith: LetterBench['appWith'] = (stores, overrides = {}) => {
    const own = { ...bench, ...stores };
    return openApp(bench, instance, { deadLetters: createDeadLetters(own, names), ...overrides });
  };
  return {
    ...{ bench, instance, names, admin, appWith, app: appWith({}) },
    async produce(topic, records) {
      const messages = records.map((one) => ({ partition: 0, ...one }));
      await producer.send({ topic, messages });
    },
    async published() {
      const records: RawRecord[] = [];
      for await (const one of readRecords({ kafka, topic: names.ordersTopic })) records.push(one);
      return records;
    },
    async deliverAll() {
      const ends = await admin.fetchTopicOffsets(names.ordersTopic);
      const partitions = ends.map(({ partition, high }) => ({ partition, offset: high }));
      const topic = names.ordersTopic;
      const groups = Object.values(names.groups);
      await Promise.all(groups.map((groupId) => admin.setOffsets({ groupId, topic, partitions })));
    },
    async close() {
      await Promise.all([producer.disconnect(), admin.disconnect(), bench.close()]);
    },
  };
}

/** A record as `purchase` published it. */
export function published(event: OrderEvent, keys: readonly string[], number = 1) {
  const batchId = batchIdOf(event.productId, event.generation, number);
  const value = JSON.stringify(event);
  const attributes = Object.entries(eventAttributes(event.productId, batchId, event.acceptedAt));
  const headers: { readonly [name: string]: string } = {
    'content-type': 'application/json',
    ...Object.fromEntries(attributes.map(([name, text]) => [`ce_${name}`, text])),
    ce_signature: sign(keys, batchId, value),
  };
  return { batchId, value, headers };
}

/** The letter that it becomes when a sink refuses it. */
export function aLetter(
  productId: string,
  keys: readonly string[],
  { number = 1, orders = 1, sink = 'persist-order', answer = refusal('no such sale') } = {},
) {
  const event = anEventOf(orders, productId);
  const { batchId, value, headers } = published(event, keys, number);
  return {
    event,
    batchId,
    key: batchId,
    value,
    headers: {
      ...headers,
      ...{ ce_knativekafkapartition: '3', ce_knativekafkaoffset: '17' },
      ...{ ce_knativeerrordest: `http://${sink}.seckill.svc`, ce_knativeerrorcode: '422' },
      ce_knativeerrordata: Buffer.from(answer).subarray(0, 1_024).toString('base64'),
    },
  };
}

/** The body of a sink's 422. */
export function refusal(detail: string): string {
  const title = 'This event can never be consumed';
  return JSON.stringify({ type: 'urn:seckill:unreadable_event', title, status: 422, detail });
}
