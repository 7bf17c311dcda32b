// The part of the facts that lies in Kafka: this product's events and dead letters up to the ends
// that the topics have now, and how far the two sources have delivered.

import { readProgress } from '#lib/kafka/read-progress.ts';
import { type ReadTopicOptions, readTopic } from '#lib/kafka/read-topic.ts';
import type { TopicMarks } from '#lib/kafka/topic-marks.ts';
import type { EventNames } from './collect.ts';
import type { EventFact, KafkaFacts, Sink } from './facts.ts';

export async function collectKafka(
  brokers: readonly string[],
  productId: string,
  { topic, deadLetterTopics, groups }: EventNames,
  signal: AbortSignal,
  since?: TopicMarks,
): Promise<KafkaFacts> {
  const { committed, complete } = await readProgress(brokers, topic, Object.values(groups), since);
  const read = (name: string) => readEvents(brokers, name, productId, { since, signal });
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
  brokers: readonly string[],
  topic: string,
  productId: string,
  bounds: Pick<ReadTopicOptions, 'since' | 'signal'>,
): Promise<EventFact[]> {
  const events: EventFact[] = [];
  const filter = (headers: Readonly<Record<string, string>>) => headers.ce_subject === productId;
  for await (const record of readTopic({ brokers, topic, filter, ...bounds })) {
    const { partition, offset, headers, value } = record;
    const event = { partition, offset, id: headers.ce_id ?? '', data: value.toString() };
    events.push({ ...event, origin: originIn(headers) });
  }
  return events;
}

/** The dispatcher writes it to whatever it delivers; in the topic of orders there is none. */
function originIn(headers: Readonly<Record<string, string>>): string | undefined {
  const { ce_knativekafkapartition: partition, ce_knativekafkaoffset: offset } = headers;
  return partition === undefined || offset === undefined ? undefined : `${partition}/${offset}`;
}
