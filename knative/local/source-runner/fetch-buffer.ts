// What was fetched and not polled yet, in the order it came, as the Kafka client of the
// dispatcher holds it: a poll empties the oldest fetch first.

import type { FetchedRecord } from './record-to-request.ts';

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

export interface FetchBuffer {
  add(records: readonly FetchedRecord[]): void;
  /** Up to `max` records, none of a partition that `isSkipped`; in order within a partition. */
  take(max: number, isSkipped?: (partition: string) => boolean): FetchedRecord[];
  /** How many bytes of a partition wait here. */
  bytesOf(partition: TopicPartition): number;
  size(): number;
}

/** A partition's name, for maps. */
export function partitionKey({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}

export function createFetchBuffer(): FetchBuffer {
  interface Chunk {
    readonly partition: string;
    readonly records: readonly FetchedRecord[];
    next: number;
  }
  let chunks: Chunk[] = [];
  let size = 0;
  const bytes = new Map<string, number>();

  function takeFrom(chunk: Chunk, max: number): readonly FetchedRecord[] {
    const taken = chunk.records.slice(chunk.next, chunk.next + max);
    chunk.next += taken.length;
    const takenBytes = taken.reduce((sum, record) => sum + bytesIn(record), 0);
    bytes.set(chunk.partition, (bytes.get(chunk.partition) ?? 0) - takenBytes);
    size -= taken.length;
    return taken;
  }

  return {
    add(records) {
      const [first] = records;
      if (first === undefined) return;
      const partition = partitionKey(first);
      chunks.push({ partition, records, next: 0 });
      const added = records.reduce((sum, record) => sum + bytesIn(record), 0);
      bytes.set(partition, (bytes.get(partition) ?? 0) + added);
      size += records.length;
    },
    take(max, isSkipped = () => false) {
      const taken: FetchedRecord[] = [];
      for (const chunk of chunks) {
        if (taken.length === max) break;
        if (!isSkipped(chunk.partition)) taken.push(...takeFrom(chunk, max - taken.length));
      }
      chunks = chunks.filter((chunk) => chunk.next < chunk.records.length);
      return taken;
    },
    bytesOf: (partition) => bytes.get(partitionKey(partition)) ?? 0,
    size: () => size,
  };
}

function bytesIn(record: FetchedRecord): number {
  return (record.key?.length ?? 0) + (record.value?.length ?? 0);
}
