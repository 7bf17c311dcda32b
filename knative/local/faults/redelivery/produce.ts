// Puts events into the topic, as many of them at once as Kafka takes, each in any partition: copies
// of one event lie in several, and are delivered at the same time.

import { sendBytesMax } from '#lib/constants.ts';
import { connectProducer, type Message } from '#lib/kafka/producer.ts';
import { ordersPartitions, ordersTopic } from '#lib/names.ts';
import type { Spool } from './spool.ts';

export interface ProduceOptions {
  readonly brokers: readonly string[];
  readonly spool: Spool;
  /** Which events, in which order. */
  readonly indexes: readonly number[];
  readonly random: () => number;
  /** Asked before each send, with how many have been sent. */
  readonly mayGoOn: (sent: number) => Promise<void>;
}

/** At once; a slow sale has more sends. */
const eventsPerSendMax = 10;

/** Resolves when all are in the topic. Throws KafkaUnavailable. */
export async function produce(options: ProduceOptions): Promise<void> {
  const { spool, indexes, random, mayGoOn } = options;
  const producer = await connectProducer(options.brokers);
  let parcel: Message[] = [];
  let bytes = 0;
  for (const [sent, index] of indexes.entries()) {
    const message = await spool.message(index);
    const length = Buffer.byteLength(message.value);
    if (parcel.length === eventsPerSendMax || bytes + length > sendBytesMax) {
      await mayGoOn(sent);
      await producer.send(ordersTopic, parcel);
      [parcel, bytes] = [[], 0];
    }
    parcel.push({ ...message, partition: Math.floor(random() * ordersPartitions) });
    bytes += length;
  }
  await producer.send(ordersTopic, parcel);
  producer.discard();
}
