// What Kafka holds of one product, the dead letters included: the rebuild must not lose what was
// acknowledged but never became a row.

import { isSigned } from '#lib/http/signature.ts';
import { readTopic } from '#lib/kafka/read-topic.ts';
import { deadLetterTopics, eventType, ordersTopic } from '#lib/names.ts';
import type { Log } from '#lib/telemetry/log.ts';
import type { PublishedEvent } from './publish.ts';

interface Dependencies {
  readonly brokers: readonly string[];
  /** All that were in use while the topic's records were written. */
  readonly signingKeys: readonly string[];
  readonly log: Log;
}

/**
 * Reads every event of a product up to the end offsets taken first. What we have not signed was
 * accepted by nobody: it is left out, since the rebuild would sign it. Throws KafkaUnavailable.
 */
export function readEventsFrom({ brokers, signingKeys, log }: Dependencies) {
  return async function readEvents(productId: string): Promise<PublishedEvent[]> {
    const events = new Map<string, PublishedEvent>();
    let unsigned = 0;
    for (const topic of [ordersTopic, deadLetterTopics['persist-order']]) {
      const records = readTopic({
        brokers,
        topic,
        // We send without transactions: what was acknowledged counts, whoever's is open before it.
        uncommittedToo: true,
        filter: (headers) => headers.ce_subject === productId && headers.ce_type === eventType,
      });
      for await (const { headers, value } of records) {
        const { ce_id: batchId = '', ce_signature: signature } = headers;
        if (isSigned(signingKeys, batchId, value, signature)) {
          events.set(batchId, { productId, batchId, data: value.toString() });
        } else {
          unsigned += 1;
        }
      }
    }
    if (unsigned > 0) log.error({ productId, unsigned }, 'events without our signature');
    return [...events.values()];
  };
}
