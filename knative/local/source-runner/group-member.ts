// kafkajs as far as the runner reads with it: a member of a consumer group that comes back by
// itself, whatever happens to it or to Kafka.

import { setTimeout as pause } from 'node:timers/promises';
import type { Consumer, ConsumerRunConfig, Kafka, KafkaMessage } from 'kafkajs';
import type { Log } from '#lib/telemetry/log.ts';
import {
  fetchBytesPerPartitionMax,
  fetchWaitMaxMs,
  heartbeatIntervalMs,
  rebalanceTimeoutMs,
  sessionTimeoutMs,
  stuckAfterMs,
} from './constants.ts';
import type { TopicPartition } from './fetch-buffer.ts';
import type { FetchedRecord } from './record-to-request.ts';

export interface PartitionOffset extends TopicPartition {
  readonly offset: bigint;
}

/** What happens to a member: assigned, fetched…, revoked, assigned, … Nothing may throw. */
export interface MemberListener {
  /** The group gave these partitions; reading starts at their committed offsets. */
  assigned(partitions: readonly TopicPartition[]): void;
  /** Records of one partition, in order, and the offset of the next record to be written. */
  fetched(records: readonly FetchedRecord[], end: bigint): void;
  /** All partitions are gone. A commit begun here may still be taken. May come twice. */
  revoked(): void;
}

export interface GroupMember {
  /** Rejects if the group did not take the offsets. */
  commit(offsets: readonly PartitionOffset[]): Promise<void>;
  /** Stops and starts fetching a partition; a new assignment starts with none paused. */
  setPaused(partition: TopicPartition, isPaused: boolean): void;
  /** Leaves the group. */
  leave(): Promise<void>;
}

export interface GroupOptions {
  readonly groupId: string;
  readonly topics: readonly string[];
  /** Where to start in a partition of which the group has committed nothing. */
  readonly initialOffset: 'earliest' | 'latest';
}

const restartPauseMs = 500;
const disposeTimeoutMs = 5_000;
const progressCheckMs = 5_000;

/** Joins the group and stays in it: a member that crashed or got stuck is replaced, for ever. */
export function joinGroup(
  kafka: Kafka,
  options: GroupOptions,
  listener: MemberListener,
  log: Log,
): GroupMember {
  const stopping = new AbortController();
  let current: Consumer | undefined;
  let isAway = false;

  async function live(): Promise<void> {
    const consumer = createConsumer(kafka, options.groupId);
    const ended = endOf(consumer, stopping.signal);
    forwardAssignments(consumer, {
      ...listener,
      assigned(partitions) {
        isAway = false;
        listener.assigned(partitions);
      },
    });
    try {
      const started = start(consumer, options, listener, () => {
        current = consumer;
      });
      await Promise.race([ended.promise, started.then(() => ended.promise)]);
    } finally {
      ended.forget();
      current = undefined;
      listener.revoked();
      await dispose(consumer);
    }
  }

  async function liveOn(): Promise<void> {
    while (!stopping.signal.aborted) {
      await live().catch((error: unknown) => {
        const { groupId, topics } = options;
        if (!isAway) log.warn({ err: error, groupId, topics }, 'not consuming, trying again');
        isAway = true;
      });
      await pause(restartPauseMs, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  }

  const lives = liveOn();
  return {
    async commit(offsets) {
      if (current === undefined) throw new Error('not a member of the group now');
      await current.commitOffsets(offsets.map((one) => ({ ...one, offset: String(one.offset) })));
    },
    setPaused({ topic, partition }, isPaused) {
      const partitions = [{ topic, partitions: [partition] }];
      if (isPaused) current?.pause(partitions);
      else current?.resume(partitions);
    },
    async leave() {
      stopping.abort();
      await lives;
    },
  };
}

function createConsumer(kafka: Kafka, groupId: string): Consumer {
  return kafka.consumer({
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
  });
}

async function start(
  consumer: Consumer,
  options: GroupOptions,
  listener: MemberListener,
  onConnected: () => void,
): Promise<void> {
  await consumer.connect();
  const fromBeginning = options.initialOffset === 'earliest';
  await consumer.subscribe({ topics: [...options.topics], fromBeginning });
  onConnected();
  const eachBatch: ConsumerRunConfig['eachBatch'] = (payload) => {
    const { batch } = payload;
    const { topic, partition, messages } = batch;
    listener.fetched(
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

function forwardAssignments(consumer: Consumer, listener: MemberListener): void {
  consumer.on('consumer.group_join', ({ payload }) => {
    listener.assigned(
      Object.entries(payload.memberAssignment).flatMap(([topic, partitions]) =>
        partitions.map((partition) => ({ topic, partition })),
      ),
    );
  });
  consumer.on('consumer.rebalancing', () => {
    listener.revoked();
  });
}

/** Rejects when the consumer crashed or stopped getting on, resolves when it is told to stop. */
function endOf(
  consumer: Consumer,
  stop: AbortSignal,
): { readonly promise: Promise<void>; readonly forget: () => void } {
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  let progressAtMs = performance.now();
  const progressed = () => {
    progressAtMs = performance.now();
  };
  consumer.on('consumer.fetch', progressed);
  consumer.on('consumer.heartbeat', progressed);
  consumer.on('consumer.group_join', progressed);
  consumer.on('consumer.crash', ({ payload }) => {
    reject(payload.error);
  });
  const watch = setInterval(() => {
    if (performance.now() - progressAtMs > stuckAfterMs) reject(new Error('the consumer is stuck'));
  }, progressCheckMs);
  const onStop = () => {
    resolve(undefined);
  };
  stop.addEventListener('abort', onStop);
  promise.catch(() => undefined);
  return {
    promise,
    forget() {
      clearInterval(watch);
      stop.removeEventListener('abort', onStop);
    },
  };
}

/** Disconnecting hangs at times; nobody waits for it for ever. */
async function dispose(consumer: Consumer): Promise<void> {
  const enough = new AbortController();
  await Promise.race([
    consumer.disconnect().catch(() => undefined),
    pause(disposeTimeoutMs, undefined, { signal: enough.signal }).catch(() => undefined),
  ]);
  enough.abort();
}
