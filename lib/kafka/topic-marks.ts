// Where topics ended at a moment. What is appended later lies at these offsets or behind them, so
// whoever looks only for that need not read what was there before.

import type Cluster from 'kafkajs/src/cluster/index.js';
import * as z from 'zod';
import type { KafkaAccess } from './access.ts';
import { openCluster } from './cluster.ts';
import { KafkaUnavailable } from './unavailable.ts';

const offsets = z.record(z.string().regex(/^\d+$/), z.int().nonnegative());

/** As they are kept: topic → partition → end offset. */
const topicEndsSchema = z.record(z.string(), offsets);
export type TopicEnds = z.infer<typeof topicEndsSchema>;

export interface TopicMarks {
  /** Not later than the ends were asked for; epoch milliseconds. */
  readonly atMs: number;
  readonly ends: TopicEnds;
}

/**
 * Marks as MySQL keeps them (`generations`), noted at this epoch microsecond; undefined where the
 * ends are not readable: whoever looks then begins at the topics' starts.
 */
export function marksNoted(atUs: number, ends: unknown): TopicMarks | undefined {
  const read = topicEndsSchema.safeParse(ends);
  return read.success ? { atMs: Math.floor(atUs / 1_000), ends: read.data } : undefined;
}

const markTimeoutMs = 10_000;

/** The ends of these topics now. Throws KafkaUnavailable. */
export async function markTopics(
  kafka: KafkaAccess,
  topics: readonly string[],
): Promise<TopicMarks> {
  const atMs = Date.now();
  try {
    // What is not committed counts as well: the high watermark.
    const options = { kafka, isolationLevel: 0, timeoutMs: markTimeoutMs } as const;
    const { cluster, persistently, close } = await openCluster(options, topics);
    try {
      const ends: TopicEnds = {};
      for (const topic of topics) {
        const found = await persistently(() => offsetsOf(cluster, topic, { fromBeginning: false }));
        ends[topic] = Object.fromEntries(found);
      }
      return { atMs, ends };
    } finally {
      close();
    }
  } catch (error) {
    throw new KafkaUnavailable('the ends of the topics could not be read', { cause: error });
  }
}

/** Where one partition is read next, and where its reading ends. */
export interface Position {
  readonly partition: number;
  next: number;
  readonly end: number;
}

/** The partitions that hold anything since the marks. The ends are asked for first. */
export async function positionsIn(
  cluster: Cluster,
  topic: string,
  since: TopicMarks | undefined,
): Promise<Position[]> {
  const ends = await offsetsOf(cluster, topic, { fromBeginning: false });
  const starts = await offsetsOf(cluster, topic, { fromBeginning: true });
  const marked = since?.ends[topic];
  const younger =
    since && (await offsetsOf(cluster, topic, { fromTimestamp: since.atMs - clocksApartMaxMs }));
  return [...ends]
    .map(([partition, end]) => {
      const start = starts.get(partition);
      if (start === undefined) throw new Error(`partition ${partition} has no start`);
      const mark = marked?.[partition] ?? start;
      // All of it is younger than the mark, or it ends before: it was made in another topic.
      const isOther = younger?.get(partition) === start || mark > end;
      return { partition, next: isOther ? start : Math.max(start, mark), end };
    })
    .filter(({ next, end }) => next < end);
}

/** Records carry the time of whoever sent them. */
const clocksApartMaxMs = 60_000;

/** Partition → offset; -1 where there is none so young. */
async function offsetsOf(
  cluster: Cluster,
  topic: string,
  where: { readonly fromBeginning: boolean } | { readonly fromTimestamp: number },
): Promise<ReadonlyMap<number, number>> {
  const partitions = cluster
    .findTopicPartitionMetadata(topic)
    .map(({ partitionId }) => ({ partition: partitionId }));
  const [answer] = await cluster.fetchTopicsOffset([{ topic, partitions, ...where }]);
  const found = new Map(
    answer?.partitions.map(({ partition, offset }) => [partition, Number(offset)]),
  );
  const missing = partitions.find(({ partition }) => !found.has(partition));
  if (missing) throw new Error(`the broker did not name offsets of partition ${missing.partition}`);
  return found;
}
