// Reads a topic once, up to the end it has when the reading starts: no consumer group, so nothing
// to join, to wait for or to leave behind, and nothing is ever committed.

import type Cluster from 'kafkajs/src/cluster/index.js';
import type { FetchedPartition, FetchedRecord } from 'kafkajs/src/cluster/index.js';
import Batch from 'kafkajs/src/consumer/batch.js';
import { type IsolationLevel, type OpenCluster, openCluster } from './cluster.ts';
import { type Position, positionsIn, type TopicMarks } from './topic-marks.ts';
import { KafkaUnavailable } from './unavailable.ts';

export interface TopicRecord {
  readonly partition: number;
  readonly offset: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly value: Buffer;
}

export interface ReadTopicOptions {
  readonly brokers: readonly string[];
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
/** How long a broker may hold a fetch that finds nothing; it does so only in an outage. */
const fetchWaitMs = 500;
const fetchBytesMax = 16 * 1_024 * 1_024;
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
    open = await openCluster({ brokers: options.brokers, isolationLevel, timeoutMs, signal }, [
      topic,
    ]);
    const { cluster, persistently } = open;
    const positions = await persistently(() => positionsIn(cluster, topic, options.since));
    while (positions.length > 0) {
      const fetch = () => fetchOnce(cluster, topic, isolationLevel, positions);
      for (const fetched of await persistently(fetch)) {
        yield* advance(topic, positions, fetched, filter);
      }
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw new KafkaUnavailable(`the topic ${topic} could not be read`, { cause: error });
  } finally {
    open?.close();
  }
}

/** One fetch from each leader. */
async function fetchOnce(
  cluster: Cluster,
  topic: string,
  isolationLevel: IsolationLevel,
  positions: readonly Position[],
): Promise<FetchedPartition[]> {
  const partitionIds = positions.map(({ partition }) => partition);
  const leaders = Object.entries(cluster.findLeaderForPartitions(topic, partitionIds));
  const answers = await Promise.all(
    leaders.map(async ([nodeId, led]) => {
      const partitions = positions
        .filter(({ partition }) => led.includes(partition))
        .map(({ partition, next }) => ({
          partition,
          fetchOffset: String(next),
          maxBytes: partitionBytesMax,
        }));
      const broker = await cluster.findBroker({ nodeId });
      return broker.fetch({
        isolationLevel,
        maxWaitTime: fetchWaitMs,
        minBytes: 1,
        maxBytes: fetchBytesMax,
        topics: [{ topic, partitions }],
      });
    }),
  );
  return answers.flatMap(({ responses }) => responses.flatMap(({ partitions }) => partitions));
}

/** Yields what is wanted of one fetched partition and moves its position behind it. */
function* advance(
  topic: string,
  positions: Position[],
  fetched: FetchedPartition,
  filter: ReadTopicOptions['filter'],
): Generator<TopicRecord> {
  const position = positions.find(({ partition }) => partition === fetched.partition);
  if (position === undefined) return;
  const { messages, rawMessages } = new Batch(topic, String(position.next), fetched);
  for (const message of messages) {
    const offset = Number(message.offset);
    if (offset >= position.end || message.value === null) continue;
    const headers = textHeaders(message.headers);
    if (filter !== undefined && !filter(headers)) continue;
    // A copy: the message is a view of the whole answer, which it would keep in memory.
    yield { partition: position.partition, offset, headers, value: Buffer.from(message.value) };
  }
  const last = rawMessages.at(-1);
  if (last !== undefined) position.next = Math.max(position.next, offsetAfter(last));
  if (position.next >= position.end) positions.splice(positions.indexOf(position), 1);
}

/** The last offset of a batch need not be a record: it may be a marker, or compacted away. */
function offsetAfter({ offset, batchContext }: FetchedRecord): number {
  const last = batchContext
    ? Number(batchContext.firstOffset) + batchContext.lastOffsetDelta
    : Number(offset);
  return last + 1;
}

function textHeaders(headers: FetchedRecord['headers']): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    const last = Array.isArray(value) ? (value.at(-1) as Buffer | undefined) : value;
    if (last !== undefined) texts[name] = last.toString();
  }
  return texts;
}
