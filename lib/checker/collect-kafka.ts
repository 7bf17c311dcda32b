// The part of the facts that lies in Kafka: this product's events and dead letters up to the ends
// that the topics have now, and how far the two sources have delivered.

import { isSigned } from '#lib/http/signature.ts';
import type { KafkaAccess } from '#lib/kafka/access.ts';
import { readProgress } from '#lib/kafka/read-progress.ts';
import { type ReadTopicOptions, readTopic } from '#lib/kafka/read-topic.ts';
import type { TopicMarks } from '#lib/kafka/topic-marks.ts';
import type { EventNames } from './collect.ts';
import type { EventFact, KafkaFacts, Sink } from './facts.ts';

interface Topics {
  readonly kafka: KafkaAccess;
  readonly signingKeys: readonly string[] | undefined;
}

export async function collectKafka(
  topics: Topics,
  productId: string,
  { topic, deadLetterTopics, groups }: EventNames,
  signal: AbortSignal,
  since?: TopicMarks,
): Promise<KafkaFacts> {
  const { committed, complete } = await readProgress(
    topics.kafka,
    topic,
    Object.values(groups),
    since,
  );
  const read = (name: string) => readEvents(topics, name, productId, { since, signal });
  const [events, deadOfPersist, deadOfRank] = await Promise.all([
    read(topic),
    read(deadLetterTopics['persist-order']),
    read(deadLetterTopics['update-rank']),
  ]);
  const committedBy = (sink: Sink) => committed.get(groups[sink]) ?? new Map<number, number>();
  return {
    events,
    deadLetters: { 'persist-order': deadOfPersist, 'update-rank': deadOfRank },
    committed: {
      'persist-order': committedBy('persist-order'),
      'update-rank': committedBy('update-rank'),
    },
    complete,
  };
}

async function readEvents(
  { kafka, signingKeys }: Topics,
  topic: string,
  productId: string,
  bounds: Pick<ReadTopicOptions, 'since' | 'signal'>,
): Promise<EventFact[]> {
  const events: EventFact[] = [];
  const filter = (headers: Readonly<Record<string, string>>) => headers.ce_subject === productId;
  for await (const record of readTopic({ kafka, topic, filter, ...bounds })) {
    const { partition, offset, headers, value } = record;
    const { ce_id: batchId = '', ce_signature: signature } = headers;
    const id = batchId === '' ? `${partition}/${offset}` : batchId;
    const signed = signingKeys && isSigned(signingKeys, batchId, value, signature);
    const event = { partition, offset, id, data: value.toString(), signed };
    events.push({ ...event, origin: originIn(headers) });
  }
  return events;
}

/** The dispatcher writes it to whatever it delivers; in the topic of orders there is none. */
function originIn(headers: Readonly<Record<string, string>>): string | undefined {
  const { ce_knativekafkapartition: partition, ce_knativekafkaoffset: offset } = headers;
  return partition === undefined || offset === undefined ? undefined : `${partition}/${offset}`;
}
