// One idempotent kafkajs producer, narrowed to what it can be trusted with: one send in flight,
// a send that counts only if every partition answered, and no second use after a failure
// (kafkajs resolves sends whose leader moved and reuses sequence numbers after an error).

import { Kafka, type KafkaConfig, logLevel, type Producer } from 'kafkajs';
import { kafkaSendTimeoutMs } from '#lib/constants.ts';
import { type KafkaAccess, kafkaConfigOf } from './access.ts';
import { KafkaUnavailable } from './unavailable.ts';

export interface Message {
  readonly partition: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly value: string;
}

/** A record that is written as it was, byte by byte. */
export interface RawMessage {
  readonly partition: number;
  readonly key?: Buffer | null;
  readonly headers: Readonly<Record<string, string | Buffer>>;
  readonly value: string | Buffer | null;
}

export interface EventProducer {
  /**
   * Resolves once every message is on all in-sync replicas. Throws KafkaUnavailable otherwise:
   * the messages may be in the topic all the same, and this producer must be discarded.
   */
  send(topic: string, messages: readonly RawMessage[]): Promise<void>;
  /** Leaves without waiting for anything. */
  discard(): void;
}

/** What makes producers: kafkajs, or what takes its place in a simulation. */
export type KafkaClient = Pick<Kafka, 'producer'>;

const createKafka = (config: KafkaConfig): KafkaClient => new Kafka(config);

/** Connects a new producer, with sequence numbers of its own. Throws KafkaUnavailable. */
export async function connectProducer(
  access: KafkaAccess,
  createClient = createKafka,
): Promise<EventProducer> {
  // kafkajs tries again for as long as it may, and tells only its log why that is in vain.
  let fault = '';
  const kafka = createClient({
    clientId: 'seckill-purchase',
    ...kafkaConfigOf(access),
    connectionTimeout: 1_000,
    requestTimeout: kafkaSendTimeoutMs,
    logLevel: logLevel.ERROR,
    logCreator:
      () =>
      ({ log: { message } }) => {
        fault = `: ${message}`;
      },
  });
  const producer = kafka.producer({
    idempotent: true,
    // One request at a time keeps a retry on the sequence number of what it repeats.
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
    // We always name the partition; kafkajs asks all the same.
    createPartitioner:
      () =>
      ({ message }) =>
        message.partition ?? 0,
    // Short waits: how long a send may take in all is bounded by our own deadline.
    retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 20 },
  });
  // kafkajs goes on with what we gave up, and connects again for it: so leave then once more.
  let working: Promise<unknown> = Promise.resolve();
  const leave = () => {
    producer.disconnect().catch(() => undefined);
  };
  const discard = () => {
    leave();
    working.then(leave, leave);
  };
  try {
    working = producer.connect();
    await within(kafkaSendTimeoutMs, working);
  } catch (error) {
    discard();
    throw new KafkaUnavailable(`Kafka cannot be reached${fault}`, { cause: error });
  }
  return {
    discard,
    async send(topic, messages) {
      try {
        const sending = sendOnce(producer, topic, messages);
        working = sending;
        await within(kafkaSendTimeoutMs, sending);
      } catch (error) {
        throw new KafkaUnavailable(`a send to ${topic} was not acknowledged`, { cause: error });
      }
    },
  };
}

async function sendOnce(
  producer: Producer,
  topic: string,
  messages: readonly RawMessage[],
): Promise<void> {
  const answers = await producer.send({
    topic,
    acks: -1,
    messages: messages.map(({ partition, key = null, headers, value }) => ({
      ...{ partition, key, headers, value },
    })),
  });
  const acknowledged = new Set(
    answers.filter(({ errorCode }) => errorCode === 0).map(({ partition }) => partition),
  );
  const missing = messages.find(({ partition }) => !acknowledged.has(partition));
  if (missing) throw new Error(`partition ${missing.partition} did not answer`);
}

async function within<T>(timeoutMs: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const expiry = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`no answer within ${timeoutMs} ms`));
    }, timeoutMs);
  });
  try {
    return await Promise.race([promise, expiry]);
  } finally {
    clearTimeout(timer);
  }
}
