// A member of a consumer group that comes back by itself, whatever happens to it or to Kafka.

import { setTimeout as pause } from 'node:timers/promises';
import type { Consumer, Kafka } from 'kafkajs';
import type { Log } from '#lib/telemetry/log.ts';
import { stuckAfterMs } from './constants.ts';
import { connect, createConsumer, type GroupOptions, partitionsIn, run } from './consumer.ts';
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
  const { groupId, topics } = options;
  const stopping = new AbortController();
  let current: Consumer | undefined;
  let memberId: string | undefined;
  let isAway = false;

  async function live(): Promise<void> {
    const { consumer, strikeOff } = createConsumer(kafka, groupId);
    const ended = endOf(consumer, stopping.signal);
    consumer.on('consumer.group_join', ({ payload }) => {
      isAway = false;
      memberId = payload.memberId;
      listener.assigned(partitionsIn(payload.memberAssignment));
    });
    consumer.on('consumer.rebalancing', () => {
      listener.revoked();
    });
    const start = async () => {
      await connect(consumer, options);
      if (memberId !== undefined) await strikeOff(memberId);
      current = consumer;
      await run(consumer, (records, end) => {
        listener.fetched(records, end);
      });
    };
    try {
      await Promise.race([ended.promise, start().then(() => ended.promise)]);
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
      try {
        if (isPaused) current?.pause(partitions);
        else current?.resume(partitions);
      } catch (error) {
        // It is just crashing; its successor starts with none paused.
        log.debug({ err: error }, 'a partition could not be paused or resumed');
      }
    },
    async leave() {
      stopping.abort();
      await lives;
    },
  };
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
  // When its coordinator goes away while it joins anew, kafkajs tries again by fetching on: if
  // Kafka then finds nothing wrong with the group, nobody is told that the partitions are back.
  let isJoiningAnew = false;
  consumer.on('consumer.rebalancing', () => {
    isJoiningAnew = true;
  });
  consumer.on('consumer.group_join', () => {
    isJoiningAnew = false;
  });
  consumer.on('consumer.fetch_start', () => {
    if (isJoiningAnew) reject(new Error('the consumer went on without joining its group anew'));
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
