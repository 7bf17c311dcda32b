// What the runner holds of its partitions from the moment the group gives them until it takes
// them: fetched records, which offsets are done, which partitions have fetched enough for now.
// A later assignment shares nothing with it.

import { bufferedBytesHigh, bufferedBytesLow } from './constants.ts';
import { createFetchBuffer, partitionKey, type TopicPartition } from './fetch-buffer.ts';
import type { PartitionOffset } from './group-member.ts';
import { createOffsetTracker, type OffsetTracker } from './offsets.ts';
import type { FetchedRecord } from './record-to-request.ts';

export interface Assignment {
  readonly partitions: readonly TopicPartition[];
  /** Aborted when the partitions are gone, or the runner leaves. */
  readonly signal: AbortSignal;
  /** Gives up what waits to be sent again; what is done may still be committed. */
  abandon(): void;
  /** Records of one partition, and the offset of the next one to be written there. */
  add(records: readonly FetchedRecord[], end: bigint): void;
  take(max: number, isSkipped?: (partition: string) => boolean): FetchedRecord[];
  buffered(): number;
  /** A taken record is under way; call the result when it is done. In order of offsets. */
  received(record: FetchedRecord): () => void;
  /** What is done and not committed. */
  committable(): PartitionOffset[];
  committed(offsets: readonly PartitionOffset[]): void;
  /** How many offsets lie between what is done and the ends seen last. */
  lag(): number;
}

/** `setPaused` stops and starts the fetching of one partition. */
export function createAssignment(
  partitions: readonly TopicPartition[],
  setPaused: (partition: TopicPartition, isPaused: boolean) => void,
): Assignment {
  interface Progress extends TopicPartition {
    readonly tracker: OffsetTracker;
    end: bigint;
    isPaused: boolean;
  }
  const buffer = createFetchBuffer();
  const abandoned = new AbortController();
  const progress = new Map<string, Progress>();

  function pause(one: Progress, isPaused: boolean): void {
    if (one.isPaused === isPaused) return;
    one.isPaused = isPaused;
    setPaused(one, isPaused);
  }

  return {
    partitions,
    signal: abandoned.signal,
    abandon() {
      abandoned.abort();
      for (const one of progress.values()) pause(one, false);
    },
    add(records, end) {
      const [first] = records;
      if (first === undefined) return;
      const { topic, partition, offset } = first;
      const known = progress.get(partitionKey(first));
      const tracker = known?.tracker ?? createOffsetTracker(offset);
      const one = known ?? { topic, partition, tracker, end, isPaused: false };
      one.end = end;
      progress.set(partitionKey(first), one);
      buffer.add(records);
      if (buffer.bytesOf(first) > bufferedBytesHigh) pause(one, true);
    },
    take(max, isSkipped) {
      const records = buffer.take(max, isSkipped);
      for (const one of progress.values()) {
        if (one.isPaused && buffer.bytesOf(one) < bufferedBytesLow) pause(one, false);
      }
      return records;
    },
    buffered: () => buffer.size(),
    received(record) {
      const tracker = progress.get(partitionKey(record))?.tracker;
      return tracker?.received(record.offset) ?? (() => undefined);
    },
    committable: () =>
      [...progress.values()].flatMap(({ topic, partition, tracker }) => {
        const offset = tracker.committable();
        return offset === undefined ? [] : [{ topic, partition, offset }];
      }),
    committed(offsets) {
      for (const one of offsets) progress.get(partitionKey(one))?.tracker.committed(one.offset);
    },
    lag: () =>
      [...progress.values()]
        .map(({ end, tracker }) => Number(end - tracker.position()))
        .reduce((sum, lag) => sum + Math.max(lag, 0), 0),
  };
}
