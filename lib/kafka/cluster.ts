// Short-lived connections to a Kafka cluster, for whoever asks what no consumer or producer of
// kafkajs can be asked. kafkajs offers this only by its inner parts (`kafkajs-internals.d.ts`);
// they are frozen at 2.2.4, and the tests beside it ask a real broker.

import { setTimeout } from 'node:timers/promises';
import { type ISocketFactory, Kafka, logLevel } from 'kafkajs';
import Cluster from 'kafkajs/src/cluster/index.js';
import { unlessAborted } from '#lib/unless-aborted.ts';
import { connectSocket, type KafkaAccess, kafkaConfigOf } from './access.ts';

const requestTimeoutMs = 5_000;
const connectTimeoutMs = 2_000;
const metadataMaxAgeMs = 60_000;
const pauseAfterFaultMs = 200;
/** In a row: five seconds, in which a leader is elected. */
const faultsMax = 25;

/** Kafka's: 0 reads everything, 1 what is committed. */
export type IsolationLevel = 0 | 1;

/** Connected; whatever is done with it ends at its deadline. */
export interface OpenCluster {
  readonly cluster: Cluster;
  /** Does a step again while its fault may pass: a leader that moved, or is not elected yet. */
  readonly persistently: <T>(step: () => Promise<T>) => Promise<T>;
  /** Leaves at once. */
  readonly close: () => void;
}

export interface OpenOptions {
  readonly kafka: KafkaAccess;
  readonly isolationLevel: IsolationLevel;
  /** For everything that is done with it. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** Connects and knows where the topic's partitions are led. Throws what kafkajs throws. */
export async function openCluster(
  { kafka, isolationLevel, timeoutMs, signal }: OpenOptions,
  topics: readonly string[],
): Promise<OpenCluster> {
  const end = new AbortController();
  const timeout = AbortSignal.timeout(timeoutMs);
  const stop = AbortSignal.any([end.signal, timeout, ...(signal === undefined ? [] : [signal])]);
  const cluster = createCluster(kafka, isolationLevel, stop);
  const open: OpenCluster = {
    cluster,
    persistently: (step) => persistently(cluster, stop, step),
    close: () => {
      end.abort();
      cluster.disconnect().catch(() => undefined);
    },
  };
  try {
    await unlessAborted(stop, cluster.connect());
    for (const topic of topics) await open.persistently(() => cluster.addTargetTopic(topic));
    return open;
  } catch (error) {
    open.close();
    throw error;
  }
}

/** A cluster whose connections end with `stop`; it makes no new ones afterwards. */
function createCluster(
  kafka: KafkaAccess,
  isolationLevel: IsolationLevel,
  stop: AbortSignal,
): Cluster {
  const socketFactory: ISocketFactory = (options) => {
    stop.throwIfAborted();
    const socket = connectSocket(options);
    // A request in flight is rejected only by an error of its socket.
    const cut = () => socket.destroy(new Error('the reading has ended'));
    stop.addEventListener('abort', cut);
    return socket.on('close', () => {
      stop.removeEventListener('abort', cut);
    });
  };
  const config = kafkaConfigOf(kafka);
  return new Cluster({
    ...config,
    clientId: 'seckill-read-topic',
    logger: new Kafka({ ...config, logLevel: logLevel.NOTHING }).logger(),
    socketFactory,
    connectionTimeout: connectTimeoutMs,
    requestTimeout: requestTimeoutMs,
    enforceRequestTimeout: true,
    metadataMaxAge: metadataMaxAgeMs,
    allowAutoTopicCreation: false,
    isolationLevel,
    // One turn over the list of brokers.
    retry: { retries: kafka.brokers.length, initialRetryTime: 50, maxRetryTime: 500 },
  });
}

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
