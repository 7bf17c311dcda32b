// The part of the facts that lies in Kafka: this product's events and dead letters up to the ends
// that the topics have now, and how far the two sources have delivered.

import { type Admin, Kafka, logLevel } from 'kafkajs';
import { readTopic } from '#lib/kafka/read-topic.ts';
import type { EventNames } from './collect.ts';
import type { EventFact, KafkaFacts, Sink } from './facts.ts';

const requestTimeoutMs = 5_000;

export async function collectKafka(
  brokers: readonly string[],
  productId: string,
  names: EventNames,
  signal: AbortSignal,
): Promise<KafkaFacts> {
  const { committed, complete } = await readProgress(brokers, names);
  const read = (topic: string) => readEvents(brokers, topic, productId, signal);
  const [events, deadOfPersist, deadOfRank] = await Promise.all([
    read(names.topic),
    read(names.deadLetterTopics['persist-order']),
    read(names.deadLetterTopics['update-rank']),
  ]);
  const deadLetters = { 'persist-order': deadOfPersist, 'update-rank': deadOfRank };
  return { events, deadLetters, committed, complete };
}

async function readEvents(
  brokers: readonly string[],
  topic: string,
  productId: string,
  signal: AbortSignal,
): Promise<EventFact[]> {
  const events: EventFact[] = [];
  const filter = (headers: Readonly<Record<string, string>>) => headers['ce_subject'] === productId;
  for await (const record of readTopic({ brokers, topic, filter, signal })) {
    const { partition, offset, headers, value } = record;
    events.push({ partition, offset, id: headers['ce_id'] ?? '', data: value.toString() });
  }
  return events;
}

async function readProgress(
  brokers: readonly string[],
  { topic, groups }: EventNames,
): Promise<Pick<KafkaFacts, 'committed' | 'complete'>> {
  const kafka = new Kafka({
    clientId: 'seckill-checker',
    brokers: [...brokers],
    requestTimeout: requestTimeoutMs,
    // A broker that is starting answers "not available" for a moment.
    retry: { retries: 4, initialRetryTime: 100 },
    logLevel: logLevel.NOTHING,
  });
  const admin = kafka.admin();
  try {
    await admin.connect();
    const committed = {
      'persist-order': await committedBy(admin, groups, 'persist-order', topic),
      'update-rank': await committedBy(admin, groups, 'update-rank', topic),
    };
    const offsets = await admin.fetchTopicOffsets(topic);
    return { committed, complete: offsets.every(({ low }) => Number(low) === 0) };
  } finally {
    admin.disconnect().catch(() => undefined);
  }
}

async function committedBy(
  admin: Admin,
  groups: EventNames['groups'],
  sink: Sink,
  topic: string,
): Promise<ReadonlyMap<number, number>> {
  const [answer] = await admin.fetchOffsets({ groupId: groups[sink], topics: [topic] });
  return new Map(answer?.partitions.map(({ partition, offset }) => [partition, Number(offset)]));
}
