// Puts events into the topic, as many of them at once as Kafka takes, each in any partition: copies
// of one event lie in several, and are delivered at the same time.

import { sendBytesMax } from '#lib/constants.ts';
import type { KafkaAccess } from '#lib/kafka/access.ts';
import { connectProducer, type EventProducer, type Message } from '#lib/kafka/producer.ts';
import { KafkaUnavailable } from '#lib/kafka/unavailable.ts';
import { ordersPartitions, ordersTopic } from '#lib/names.ts';
import type { Spool } from './spool.ts';

export interface ProduceOptions {
  readonly kafka: KafkaAccess;
  readonly spool: Spool;
  /** Which events, in which order. */
  readonly indexes: readonly number[];
  readonly random: () => number;
  /** Asked before each send, with how many have been sent. */
  readonly mayGoOn: (sent: number) => Promise<void>;
}

/** At once; a slow sale has more sends. */
const eventsPerSendMax = 10;

const triesMax = 20;

/** Resolves when all are in the topic; some may be there once more, as `purchase` would have it. */
export async function produce(options: ProduceOptions): Promise<void> {
  const { spool, indexes, random, mayGoOn } = options;
  const sender = createSender(options.kafka);
  let parcel: Message[] = [];
  let bytes = 0;
  for (const [sent, index] of indexes.entries()) {
    const message = await spool.message(index);
    const length = Buffer.byteLength(message.value);
    if (parcel.length === eventsPerSendMax || bytes + length > sendBytesMax) {
      await mayGoOn(sent);
      await sender.send(parcel);
      [parcel, bytes] = [[], 0];
    }
    parcel.push({ ...message, partition: Math.floor(random() * ordersPartitions) });
    bytes += length;
  }
  await sender.send(parcel);
  sender.leave();
}

/** Sends again, by another producer, what Kafka did not acknowledge in time. */
function createSender(kafka: KafkaAccess) {
  let producer: EventProducer | undefined;
  const leave = () => {
    producer?.discard();
    producer = undefined;
  };
  const sendOnce = async (messages: readonly Message[]) => {
    producer ??= await connectProducer(kafka);
    await producer.send(ordersTopic, messages);
  };
  return {
    leave,
    async send(messages: readonly Message[]): Promise<void> {
      for (let tries = 1; ; tries += 1) {
        try {
          await sendOnce(messages);
          return;
        } catch (error) {
          leave();
          if (!(error instanceof KafkaUnavailable) || tries === triesMax) throw error;
        }
      }
    },
  };
}
