// Reads a topic once, up to the end it has when the reading starts: no consumer group, so nothing
// to join, to wait for or to leave behind, and nothing is ever committed.

import type { FetchedRecord } from 'kafkajs/src/cluster/index.js';
import type { KafkaAccess } from './access.ts';
import { type OpenCluster, openCluster } from './cluster.ts';
import { advance, fetchOnce, headersOf } from './fetch.ts';
import { positionsIn, type TopicMarks } from './topic-marks.ts';
import { KafkaUnavailable } from './unavailable.ts';

export interface TopicRecord {
  readonly partition: number;
  readonly offset: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly value: Buffer;
}

export interface ReadTopicOptions {
  readonly kafka: KafkaAccess;
  readonly topic: string;
  /** Told by its headers whether a record is wanted; the others cost next to nothing. */
  readonly filter?: (headers: Readonly<Record<string, string>>) => boolean;
  /**
   * Also what a transaction has not committed: otherwise anybody's open transaction would hide
   * what was acknowledged to us behind it. Then records of aborted ones come too.
   */
  readonly uncommittedToo?: boolean;
  /**
   * Only what was appended since these marks were made. The whole topic where they were made in
   * another of the same name.
   */
  readonly since?: TopicMarks | undefined;
  readonly signal?: AbortSignal;
  /** For the whole reading. */
  readonly timeoutMs?: number;
}

const readTimeoutMs = 60_000;
/** More than the largest record a broker takes (1 MiB), so that a fetch always gets on. */
const partitionBytesMax = 4 * 1_024 * 1_024;

/**
 * All records between the topic's start, or the marks, and the end offsets taken first, in order within each
 * partition. Records of aborted transactions and control records are left out. Throws
 * KafkaUnavailable when that could not be done in time; the signal's reason when it is aborted.
 */
export async function* readTopic(options: ReadTopicOptions): AsyncGenerator<TopicRecord> {
  const { topic, filter, signal, timeoutMs = readTimeoutMs } = options;
  const isolationLevel = options.uncommittedToo ? 0 : 1;
  let open: OpenCluster | undefined;
  try {
    open = await openCluster({ kafka: options.kafka, isolationLevel, timeoutMs, signal }, [topic]);
    const { cluster, persistently } = open;
    const positions = await persistently(() => positionsIn(cluster, topic, options.since));
    while (positions.length > 0) {
      const fetch = { cluster, topic, isolationLevel, partitionBytesMax } as const;
      for (const fetched of await persistently(() => fetchOnce(fetch, positions))) {
        const { partition } = fetched;
        yield* advance(topic, positions, fetched, (record) => wantedOf(record, partition, filter));
      }
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw new KafkaUnavailable(`the topic ${topic} could not be read`, { cause: error });
  } finally {
    open?.close();
  }
}

function wantedOf(
  record: FetchedRecord,
  partition: number,
  filter: ReadTopicOptions['filter'],
): TopicRecord | undefined {
  if (record.value === null) return undefined;
  const headers = Object.fromEntries(
    Object.entries(headersOf(record)).map(([name, value]) => [name, value.toString()]),
  );
  if (filter !== undefined && !filter(headers)) return undefined;
  // A copy: the message is a view of the whole answer, which it would keep in memory.
  return { partition, offset: Number(record.offset), headers, value: Buffer.from(record.value) };
}
