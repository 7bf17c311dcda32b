// One step of reading a topic: a fetch from each leader, and what it moves on. The two readers
// beside it differ in what they want and where they begin.

import type Cluster from 'kafkajs/src/cluster/index.js';
import type { FetchedPartition, FetchedRecord } from 'kafkajs/src/cluster/index.js';
import Batch from 'kafkajs/src/consumer/batch.js';
import type { IsolationLevel } from './cluster.ts';
import type { Position } from './topic-marks.ts';

/** How long a broker may hold a fetch that finds nothing; it does so only in an outage. */
const fetchWaitMs = 500;
const fetchBytesMax = 16 * 1_024 * 1_024;

export interface Fetch {
  readonly cluster: Cluster;
  readonly topic: string;
  readonly isolationLevel: IsolationLevel;
  /** Of one partition; a batch on disk that is larger comes all the same, alone. */
  readonly partitionBytesMax: number;
}

/** One fetch from each leader of these positions. */
export async function fetchOnce(
  { cluster, topic, isolationLevel, partitionBytesMax }: Fetch,
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

/**
 * Yields what is wanted of one fetched partition, views of the whole answer, and moves its
 * position behind it; a position that has come to its end is taken out.
 */
export function* advance<Wanted>(
  topic: string,
  positions: Position[],
  fetched: FetchedPartition,
  wanted: (record: FetchedRecord) => Wanted | undefined,
): Generator<Wanted> {
  const position = positions.find(({ partition }) => partition === fetched.partition);
  if (position === undefined) return;
  const { messages, rawMessages } = new Batch(topic, String(position.next), fetched);
  for (const message of messages) {
    if (Number(message.offset) >= position.end) continue;
    const one = wanted(message);
    if (one !== undefined) yield one;
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

/** Of a name that comes twice, the last value; one without a value is left out. */
export function headersOf({ headers }: FetchedRecord): Record<string, Buffer> {
  const lasts: [name: string, value: Buffer][] = [];
  for (const [name, given] of Object.entries(headers)) {
    const last = Array.isArray(given) ? (given.at(-1) as Buffer | null | undefined) : given;
    if (last) lasts.push([name, last as Buffer]);
  }
  return Object.fromEntries(lasts);
}
