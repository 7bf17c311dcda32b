// Reads a whole topic once, up to the end it has when the reading starts: no consumer group, so
// nothing to join, to wait for or to leave behind, and nothing is ever committed.
// kafkajs can only do this with its inner parts (`kafkajs-internals.d.ts`); they are frozen at
// 2.2.4, and the test reads from a real broker.

import { connect } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { type ISocketFactory, Kafka, logLevel } from 'kafkajs';
import Cluster, { type FetchedPartition, type FetchedRecord } from 'kafkajs/src/cluster/index.js';
import Batch from 'kafkajs/src/consumer/batch.js';
import { unlessAborted } from '#lib/unless-aborted.ts';
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
  readonly signal?: AbortSignal;
  /** For the whole reading. */
  readonly timeoutMs?: number;
}

const readTimeoutMs = 60_000;
const requestTimeoutMs = 5_000;
const connectTimeoutMs = 2_000;
/** How long a broker may hold a fetch that finds nothing; it does so only in an outage. */
const fetchWaitMs = 500;
const fetchBytesMax = 16 * 1_024 * 1_024;
/** More than the largest record a broker takes (1 MiB), so that a fetch always gets on. */
const partitionBytesMax = 4 * 1_024 * 1_024;
const pauseAfterFaultMs = 200;
/** In a row: five seconds, in which a leader is elected. */
const faultsMax = 25;

/**
 * All records between the topic's start and the end offsets taken first, in order within each
 * partition. Records of aborted transactions and control records are left out. Throws
 * KafkaUnavailable when that could not be done in time; the signal's reason when it is aborted.
 */
export async function* readTopic(options: ReadTopicOptions): AsyncGenerator<TopicRecord> {
  const { topic, filter, signal, timeoutMs = readTimeoutMs } = options;
  const end = new AbortController();
  const timeout = AbortSignal.timeout(timeoutMs);
  const stop = AbortSignal.any([end.signal, timeout, ...(signal === undefined ? [] : [signal])]);
  const isolationLevel = options.uncommittedToo ? 0 : 1;
  const cluster = createCluster(options.brokers, isolationLevel, stop);
  try {
    await unlessAborted(stop, cluster.connect());
    await persistently(cluster, stop, () => cluster.addTargetTopic(topic));
    const positions = await persistently(cluster, stop, () => positionsIn(cluster, topic));
    while (positions.length > 0) {
      const fetch = () => fetchOnce(cluster, topic, isolationLevel, positions);
      for (const fetched of await persistently(cluster, stop, fetch)) {
        yield* advance(topic, positions, fetched, filter);
      }
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw new KafkaUnavailable(`the topic ${topic} could not be read`, { cause: error });
  } finally {
    end.abort();
    cluster.disconnect().catch(() => undefined);
  }
}

/** Kafka's: 0 reads everything, 1 what is committed. */
type IsolationLevel = 0 | 1;

/** A cluster whose connections end with `stop`; it makes no new ones afterwards. */
function createCluster(
  brokers: readonly string[],
  isolationLevel: IsolationLevel,
  stop: AbortSignal,
): Cluster {
  const socketFactory: ISocketFactory = ({ host, port, onConnect }) => {
    stop.throwIfAborted();
    const socket = connect({ host, port, noDelay: true }, onConnect);
    // A request in flight is rejected only by an error of its socket.
    const cut = () => socket.destroy(new Error('the reading has ended'));
    stop.addEventListener('abort', cut);
    return socket.on('close', () => {
      stop.removeEventListener('abort', cut);
    });
  };
  return new Cluster({
    brokers,
    clientId: 'seckill-read-topic',
    logger: new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING }).logger(),
    socketFactory,
    connectionTimeout: connectTimeoutMs,
    requestTimeout: requestTimeoutMs,
    enforceRequestTimeout: true,
    metadataMaxAge: readTimeoutMs,
    allowAutoTopicCreation: false,
    isolationLevel,
    // One turn over the list of brokers.
    retry: { retries: brokers.length, initialRetryTime: 50, maxRetryTime: 500 },
  });
}

/** Where one partition is read next, and where its reading ends. */
interface Position {
  readonly partition: number;
  next: number;
  readonly end: number;
}

/** The partitions that hold anything. The ends are asked for first. */
async function positionsIn(cluster: Cluster, topic: string): Promise<Position[]> {
  const partitions = cluster
    .findTopicPartitionMetadata(topic)
    .map(({ partitionId }) => ({ partition: partitionId }));
  const offsets = async (fromBeginning: boolean) => {
    const [answer] = await cluster.fetchTopicsOffset([{ topic, partitions, fromBeginning }]);
    return new Map(answer?.partitions.map(({ partition, offset }) => [partition, Number(offset)]));
  };
  const ends = await offsets(false);
  const starts = await offsets(true);
  return partitions
    .map(({ partition }) => {
      const next = starts.get(partition);
      const end = ends.get(partition);
      if (next === undefined || end === undefined) {
        throw new Error(`the broker did not name the offsets of partition ${partition}`);
      }
      return { partition, next, end };
    })
    .filter(({ next, end }) => next < end);
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

/** Does a step again while its fault may pass: a leader that moved, or is not elected yet. */
async function persistently<T>(
  cluster: Cluster,
  stop: AbortSignal,
  step: () => Promise<T>,
): Promise<T> {
  const attempt = async (faults: number) => {
    if (faults > 0) await cluster.refreshMetadata();
    return step();
  };
  for (let faults = 0; ; faults += 1) {
    try {
      return await unlessAborted(stop, attempt(faults));
    } catch (error) {
      const mayPass = error instanceof Error && 'retriable' in error && error.retriable === true;
      if (!mayPass || faults >= faultsMax) throw error;
    }
    await setTimeout(pauseAfterFaultMs, undefined, { signal: stop });
  }
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
