// Reads a topic's records as they lie there, byte by byte and one partition after the other, so
// that a reader may stop anywhere and go on later: for people who look at a topic, in a process
// that has other work. No consumer group, and nothing is ever committed.

import type { FetchedRecord } from 'kafkajs/src/cluster/index.js';
import type { KafkaAccess } from './access.ts';
import { type OpenCluster, openCluster } from './cluster.ts';
import { advance, fetchOnce, headersOf } from './fetch.ts';
import { type Position, positionsIn } from './topic-marks.ts';
import { KafkaUnavailable } from './unavailable.ts';

/** Its buffers are views of a larger one: whoever keeps them for long copies them. */
export interface RawRecord extends Place {
  /** Epoch milliseconds: when it was appended, or what its writer said. */
  readonly timestampMs: number;
  readonly key: Buffer | null;
  /** Of a name that comes twice, the last value. */
  readonly headers: Readonly<Record<string, Buffer>>;
  readonly value: Buffer | null;
}

/** Where a record lies in its topic. */
export interface Place {
  readonly partition: number;
  readonly offset: number;
}

export interface ReadRecordsOptions {
  readonly kafka: KafkaAccess;
  readonly topic: string;
  readonly signal?: AbortSignal | undefined;
}

const timeoutMs = 20_000;
/** Of one step, between which others have their turns. */
const stepBytesMax = 256 * 1_024;
/** What was acknowledged counts, even behind an open transaction of somebody's. */
const isolationLevel = 0;

/**
 * The topic's records from this place on (else from its start), by partition and offset, up to
 * the ends that it has now. Throws KafkaUnavailable, or the signal's reason.
 */
export async function* readRecords(
  options: ReadRecordsOptions,
  from: Place = { partition: 0, offset: 0 },
): AsyncGenerator<RawRecord> {
  yield* read(options, stepBytesMax, (positions) =>
    positions.flatMap(({ partition, next, end }) => {
      if (partition < from.partition) return [];
      const first = partition === from.partition ? Math.max(next, from.offset) : next;
      return first < end ? [{ partition, next: first, end }] : [];
    }),
  );
}

/**
 * The records at these places; those that are not there are left out. Throws KafkaUnavailable, or
 * the signal's reason.
 */
export async function readRecordsAt(
  options: ReadRecordsOptions,
  places: readonly Place[],
): Promise<RawRecord[]> {
  // One byte: of each place, nothing but the batch that it lies in.
  const records = read(options, 1, (positions) =>
    places.flatMap(({ partition, offset }) => {
      const range = positions.find((position) => position.partition === partition);
      const isThere = range !== undefined && offset >= range.next && offset < range.end;
      return isThere ? [{ partition, next: offset, end: offset + 1 }] : [];
    }),
  );
  const found: RawRecord[] = [];
  for await (const record of records) found.push(record);
  return found;
}

/** What was appended since the topic had these ends. Throws as `readRecords` does. */
export function readRecordsSince(
  options: ReadRecordsOptions,
  ends: Readonly<Record<string, number>>,
): AsyncGenerator<RawRecord> {
  return read(options, stepBytesMax, (positions) =>
    positions.flatMap(({ partition, next, end }) => {
      const first = Math.max(next, ends[partition] ?? next);
      return first < end ? [{ partition, next: first, end }] : [];
    }),
  );
}

/** Reads these parts of what the topic holds, one after the other. */
async function* read(
  { kafka, topic, signal }: ReadRecordsOptions,
  partitionBytesMax: number,
  partsOf: (positions: readonly Position[]) => readonly Position[],
): AsyncGenerator<RawRecord> {
  let open: OpenCluster | undefined;
  try {
    open = await openCluster({ kafka, isolationLevel, timeoutMs, signal }, [topic]);
    const { cluster, persistently } = open;
    const positions = await persistently(() => positionsIn(cluster, topic, undefined));
    positions.sort((one, other) => one.partition - other.partition);
    const fetch = { cluster, topic, isolationLevel, partitionBytesMax } as const;
    for (const part of partsOf(positions)) {
      const rest = [part];
      while (rest.length > 0) {
        for (const fetched of await persistently(() => fetchOnce(fetch, rest))) {
          yield* advance(topic, rest, fetched, (record) => rawOf(record, part.partition));
        }
      }
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw new KafkaUnavailable(`the topic ${topic} could not be read`, { cause: error });
  } finally {
    open?.close();
  }
}

function rawOf(record: FetchedRecord, partition: number): RawRecord {
  const { key, value } = record;
  return {
    ...{ partition, offset: Number(record.offset), timestampMs: Number(record.timestamp) },
    ...{ key, headers: headersOf(record), value },
  };
}
