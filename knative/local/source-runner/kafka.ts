// kafkajs as far as the runner writes with it: a client without noise, and a producer whose
// answer counts only if it names what was written. `consumer.ts` reads.

import { setTimeout as pause } from 'node:timers/promises';
import { Kafka, logLevel, Partitioners, type Producer } from 'kafkajs';
import { connectSocket, type KafkaAccess, kafkaConfigOf } from '#lib/kafka/access.ts';
import type { Log } from '#lib/telemetry/log.ts';

export type KafkaClient = Kafka;

export interface OutgoingRecord {
  readonly key: string | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly value: Buffer | null;
}

export interface RecordWriter {
  /** Resolves once all in-sync replicas have the record; rejects where that is not known. */
  write(topic: string, record: OutgoingRecord): Promise<void>;
  close(): Promise<void>;
}

const connectionTimeoutMs = 3_000;
const requestTimeoutMs = 10_000;
const allInSyncReplicas = -1;

/** A client whose own noise goes to the debug log; what matters is said by who uses it. */
export function createKafka(access: KafkaAccess, log: Log): KafkaClient {
  return new Kafka({
    ...kafkaConfigOf(access),
    clientId: 'seckill-source-runner',
    socketFactory: connectSocket,
    connectionTimeout: connectionTimeoutMs,
    requestTimeout: requestTimeoutMs,
    enforceRequestTimeout: true,
    // Short: a client that cannot go on is replaced, and its successor starts afresh.
    retry: { retries: 4, initialRetryTime: 100, maxRetryTime: 1_000 },
    logLevel: logLevel.WARN,
    logCreator:
      () =>
      ({ namespace, log: { message } }) => {
        log.debug({ kafkajs: namespace }, message);
      },
  });
}

/** A producer that is replaced after any failure, so that an outage leaves nothing behind. */
export function createRecordWriter(kafka: KafkaClient, timeoutMs: number): RecordWriter {
  let connected: Promise<Producer> | undefined;

  async function open(): Promise<Producer> {
    const producer = kafka.producer({
      allowAutoTopicCreation: false,
      createPartitioner: Partitioners.DefaultPartitioner,
    });
    await producer.connect();
    return producer;
  }

  async function send(topic: string, record: OutgoingRecord): Promise<void> {
    connected ??= open();
    const producer = await connected;
    const written = await producer.send({
      topic,
      acks: allInSyncReplicas,
      messages: [{ ...record, headers: { ...record.headers } }],
    });
    // kafkajs also resolves when a leader moved away, and then names no partition.
    if (written.length !== 1 || written.some(({ errorCode }) => errorCode !== 0)) {
      throw new Error('Kafka did not confirm the record');
    }
  }

  return {
    async write(topic, record) {
      const timer = new AbortController();
      const late = pause(timeoutMs, undefined, { signal: timer.signal }).then(() => {
        throw new Error('Kafka did not confirm the record in time');
      });
      const used = connected;
      try {
        await Promise.race([send(topic, record), late]);
      } catch (error) {
        const failed = used ?? connected;
        if (connected === failed) connected = undefined;
        failed?.then((producer) => producer.disconnect()).catch(() => undefined);
        throw error;
      } finally {
        timer.abort();
        late.catch(() => undefined);
      }
    },
    async close() {
      await connected?.then((producer) => producer.disconnect()).catch(() => undefined);
    },
  };
}
