// Kafka's brokers: leaders that move, logs that are only appended to, and repeats of an idempotent
// producer told by their sequence numbers alone, whatever is in them.

import protocolErrors from 'kafkajs/src/protocol/error.js';
import type { TopicEnds } from '#lib/kafka/topic-marks.ts';
import { ordersPartitions, ordersTopic } from '#lib/names.ts';

interface Message {
  readonly headers: Readonly<Record<string, string>>;
  readonly value: string;
}

export interface TopicRecord extends Message {
  readonly topic: string;
  readonly partition: number;
  /** In its partition. */
  readonly offset: number;
}

/** As kafkajs makes it. */
export interface ProduceRequest {
  readonly producerId: number;
  readonly topicData: readonly {
    readonly partitions: readonly {
      readonly partition: number;
      readonly firstSequence: number;
      readonly messages: readonly {
        readonly value: string | Buffer;
        readonly headers?: Readonly<Record<string, string>>;
      }[];
    }[];
  }[];
}

type PartitionData = ProduceRequest['topicData'][number]['partitions'][number];

interface Partition {
  leader: number;
  /** Producer → the first sequence numbers and lengths of its last batches. */
  readonly batches: Map<number, readonly { readonly first: number; readonly count: number }[]>;
}

export const brokerCount = 3;
/** Kafka keeps so many of a producer's last batches to tell repeats from what is out of order. */
const batchesKept = 5;
const errorCodes = { none: 0, notLeader: 6, outOfOrder: 45 } as const;

export class Brokers {
  readonly log: TopicRecord[] = [];
  readonly #partitions = Array.from({ length: ordersPartitions }, (_, index): Partition => {
    return { leader: index % brokerCount, batches: new Map() };
  });
  readonly #onAppend: (record: TopicRecord) => void;

  constructor(onAppend: (record: TopicRecord) => void) {
    this.#onAppend = onAppend;
  }

  /** Partition → the broker that leads it. */
  leaders(): readonly number[] {
    return this.#partitions.map(({ leader }) => leader);
  }

  move(partition: number, leader: number): void {
    const state = this.#partitions[partition];
    if (state) state.leader = leader;
  }

  append(topic: string, partition: number, { value, headers }: Message): TopicRecord {
    const before = this.log.filter((one) => one.topic === topic && one.partition === partition);
    const record = { topic, partition, offset: before.length, value, headers };
    this.log.push(record);
    return record;
  }

  ends(): TopicEnds {
    const ends: Record<string, Record<string, number>> = {};
    for (const { topic, partition, offset } of this.log) {
      ends[topic] = { ...ends[topic], [partition]: offset + 1 };
    }
    return ends;
  }

  /** One request to one broker. Throws kafkajs' error for the first partition that failed. */
  produce(broker: number, { producerId, topicData }: ProduceRequest): object {
    const answers = topicData.flatMap(({ partitions }) =>
      partitions.map((data) => ({
        partition: data.partition,
        errorCode: this.#take(broker, producerId, data),
      })),
    );
    const failed = answers.find(({ errorCode }) => errorCode !== errorCodes.none);
    // Whatever became of the others: that is how kafkajs reads the answer.
    if (failed) throw protocolErrors.createErrorFromCode(failed.errorCode);
    return { topics: [{ topicName: ordersTopic, partitions: answers }] };
  }

  #take(broker: number, producerId: number, data: PartitionData): number {
    const { partition, firstSequence: first, messages } = data;
    const state = this.#partitions[partition];
    if (state?.leader !== broker) return errorCodes.notLeader;
    const known = state.batches.get(producerId) ?? [];
    const count = messages.length;
    if (known.some((batch) => batch.first === first && batch.count === count)) {
      return errorCodes.none;
    }
    const last = known.at(-1);
    if (last !== undefined && first !== last.first + last.count) return errorCodes.outOfOrder;
    state.batches.set(producerId, [...known, { first, count }].slice(-batchesKept));
    for (const { value, headers = {} } of messages) {
      const message = { value: value.toString(), headers: { ...headers } };
      this.#onAppend(this.append(ordersTopic, partition, message));
    }
    return errorCodes.none;
  }
}
