// What Kafka holds of one product, the dead letters included: the rebuild must not lose what was
// acknowledged but never became a row.

import { readTopic } from '#lib/kafka/read-topic.ts';
import { deadLetterTopics, eventType, ordersTopic } from '#lib/names.ts';
import type { PublishedEvent } from './publish.ts';

/** Every event of the product up to the end offsets taken first. Throws KafkaUnavailable. */
export async function readEventsOf(
  brokers: readonly string[],
  productId: string,
): Promise<PublishedEvent[]> {
  const events = new Map<string, PublishedEvent>();
  for (const topic of [ordersTopic, deadLetterTopics['persist-order']]) {
    const records = readTopic({
      brokers,
      topic,
      filter: (headers) => headers.ce_subject === productId && headers.ce_type === eventType,
    });
    for await (const { headers, value } of records) {
      const batchId = headers.ce_id ?? '';
      events.set(batchId, { productId, batchId, data: value.toString() });
    }
  }
  return [...events.values()];
}
