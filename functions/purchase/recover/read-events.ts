// What Kafka holds of one generation of a sale, the dead letters included: the rebuild must not
// lose what was acknowledged but never became a row.

import { isSigned } from '#lib/http/signature.ts';
import type { KafkaAccess } from '#lib/kafka/access.ts';
import { readTopic } from '#lib/kafka/read-topic.ts';
import { markTopics, type TopicMarks } from '#lib/kafka/topic-marks.ts';
import { deadLetterTopics, eventType, ordersTopic } from '#lib/names.ts';
import { type OrderEvent, readOrderEvent } from '#lib/order-event.ts';
import type { PublishedEvent } from '../sell/publish.ts';

/** An event as it lies in Kafka; it may lie there more than once. */
export interface TopicEvent extends PublishedEvent {
  /** Whether one of our keys signed it. Anybody else's word is not ours. */
  readonly signed: boolean;
  /** What it says; undefined where this release cannot read it. */
  readonly event: OrderEvent | undefined;
}

export interface EventLog {
  /** Where the topics end now, or ended up to a second ago. Throws KafkaUnavailable. */
  readonly mark: () => Promise<TopicMarks>;
  /**
   * Every event of the product since the marks, or since the beginning, up to the ends taken
   * first. Throws KafkaUnavailable.
   */
  readonly readEvents: (
    productId: string,
    since: TopicMarks | undefined,
  ) => AsyncIterable<TopicEvent>;
}

interface Dependencies {
  readonly kafka: KafkaAccess;
  /** All that were in use while the topic's records were written. */
  readonly signingKeys: readonly string[];
}

/** What is sold from now on lies behind earlier marks, too: many rebuilds at once share them. */
const marksSharedMs = 1_000;

export function eventLogOf({ kafka, signingKeys }: Dependencies): EventLog {
  const topics = [ordersTopic, ...Object.values(deadLetterTopics)];
  let shared: { readonly untilMs: number; readonly marks: Promise<TopicMarks> } | undefined;
  return {
    mark() {
      const nowMs = performance.now();
      if (shared && nowMs < shared.untilMs) return shared.marks;
      const marks = markTopics(kafka, topics);
      shared = { untilMs: nowMs + marksSharedMs, marks };
      marks.catch(() => {
        shared = undefined;
      });
      return marks;
    },
    async *readEvents(productId, since) {
      for (const topic of [ordersTopic, deadLetterTopics['persist-order']]) {
        const records = readTopic({
          ...{ kafka, topic, since },
          // We send without transactions: what was acknowledged counts, whoever's is open before.
          uncommittedToo: true,
          filter: (headers) => headers.ce_subject === productId,
        });
        for await (const { headers, value } of records) {
          const { ce_id: batchId = '', ce_signature: signature, ce_type: type } = headers;
          const signed = isSigned(signingKeys, batchId, value, signature);
          // Of a version that another release wrote: it may hold accepted orders all the same.
          if (type !== eventType && !signed) continue;
          const data = value.toString();
          const event = type === eventType ? readOrderEvent(data) : undefined;
          yield { productId, batchId, data, signed, event };
        }
      }
    },
  };
}
