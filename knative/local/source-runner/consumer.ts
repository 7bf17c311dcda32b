// kafkajs as far as the runner reads with it: every option said, and nothing committed by itself.

import {
  type Cluster,
  type Consumer,
  type ConsumerRunConfig,
  type Kafka,
  type KafkaMessage,
  PartitionAssigners,
} from 'kafkajs';
import {
  fetchBytesPerPartitionMax,
  fetchWaitMaxMs,
  heartbeatIntervalMs,
  rebalanceTimeoutMs,
  sessionTimeoutMs,
} from './constants.ts';
import type { TopicPartition } from './fetch-buffer.ts';
import type { FetchedRecord } from './record-to-request.ts';

export interface GroupOptions {
  readonly groupId: string;
  readonly topics: readonly string[];
  /** Where to start in a partition of which the group has committed nothing. */
  readonly initialOffset: 'earliest' | 'latest';
}

/** Records of one partition, in order, and the offset of the next one to be written there. */
export type OnFetched = (records: readonly FetchedRecord[], end: bigint) => void;

/** The part of kafkajs' broker that leaves a group for a member; its types leave it out. */
interface Coordinator {
  leaveGroup(request: { groupId: string; memberId: string }): Promise<unknown>;
}

export interface CreatedConsumer {
  readonly consumer: Consumer;
  /**
   * Removes a member that crashed: else the group would wait until its session ends before it
   * gives its partitions to anybody. Does nothing where there is no such member.
   */
  readonly strikeOff: (memberId: string) => Promise<void>;
}

/** A consumer of the group, not connected yet. */
export function createConsumer(kafka: Kafka, groupId: string): CreatedConsumer {
  let cluster: Cluster | undefined;
  const consumer = kafka.consumer({
    groupId,
    sessionTimeout: sessionTimeoutMs,
    heartbeatInterval: heartbeatIntervalMs,
    rebalanceTimeout: rebalanceTimeoutMs,
    maxBytesPerPartition: fetchBytesPerPartitionMax,
    // A record is handed over as soon as it is there; the wait bounds empty fetches only.
    minBytes: 1,
    maxWaitTimeInMs: fetchWaitMaxMs,
    // Only what is committed: kafkajs' name for isolation.level=read_committed.
    readUncommitted: false,
    allowAutoTopicCreation: false,
    // Never restarted by kafkajs, which does so for some errors only; always by us.
    retry: { retries: 4, initialRetryTime: 100, restartOnFailure: () => Promise.resolve(false) },
    partitionAssigners: [
      (config) => {
        ({ cluster } = config);
        return PartitionAssigners.roundRobin(config);
      },
    ],
  });
  return {
    consumer,
    async strikeOff(memberId) {
      const coordinator: unknown = await cluster?.findGroupCoordinator({ groupId });
      await (coordinator as Coordinator).leaveGroup({ groupId, memberId }).catch(() => undefined);
    },
  };
}

/** Connects it and looks its topics up. Rejects where there is no such topic. */
export async function connect(consumer: Consumer, options: GroupOptions): Promise<void> {
  await consumer.connect();
  const fromBeginning = options.initialOffset === 'earliest';
  await consumer.subscribe({ topics: [...options.topics], fromBeginning });
}

/** Resolves once it has joined; from then on `onFetched` is told what is fetched. */
export async function run(consumer: Consumer, onFetched: OnFetched): Promise<void> {
  const eachBatch: ConsumerRunConfig['eachBatch'] = (payload) => {
    const { batch } = payload;
    const { topic, partition, messages } = batch;
    onFetched(
      messages.map((message) => recordOf({ topic, partition }, message)),
      BigInt(batch.highWatermark),
    );
    // Only moves the place of the next fetch; what is committed is ours to say.
    payload.resolveOffset(batch.lastOffset());
    return Promise.resolve();
  };
  await consumer.run({ autoCommit: false, eachBatchAutoResolve: false, eachBatch });
}

function recordOf(from: TopicPartition, message: KafkaMessage): FetchedRecord {
  const { key, value, offset, timestamp, headers = {} } = message;
  return {
    ...from,
    offset: BigInt(offset),
    timestampMs: Number(timestamp),
    key,
    value,
    headers: Object.entries(headers).flatMap(([name, values]) =>
      (Array.isArray(values) ? values : [values]).map(
        // kafkajs types headers as they are sent; fetched ones are buffers, or null.
        (one) => [name, (one ?? null) as Buffer | null] as const,
      ),
    ),
  };
}

/** An assignment as kafkajs tells it. */
export function partitionsIn(
  assignment: Readonly<Record<string, readonly number[]>>,
): TopicPartition[] {
  return Object.entries(assignment).flatMap(([topic, partitions]) =>
    partitions.map((partition) => ({ topic, partition })),
  );
}
