// Publishes outbox batches to Kafka: whatever waits goes out as one send, one send at a time, and
// a producer that failed once is never used again. A batch may be published many times, always
// with the same bytes; its id tells the sinks that they have it.

import { createHash } from 'node:crypto';
import { sign } from '#lib/http/signature.ts';
import type { EventProducer, Message } from '#lib/kafka/producer.ts';
import { ordersTopic, topics } from '#lib/names.ts';
import { eventAttributes } from '#lib/order-event.ts';

/** A batch on its way: the data are the outbox' bytes. */
export interface PublishedEvent {
  readonly productId: string;
  readonly batchId: string;
  readonly data: string;
}

export interface Publisher {
  /** Resolves once Kafka can be reached. Throws KafkaUnavailable. */
  connect(): Promise<void>;
  /**
   * Resolves when all of these are acknowledged by every in-sync replica. Throws KafkaUnavailable
   * when that is not known: they may be in the topic all the same.
   */
  publish(events: readonly PublishedEvent[]): Promise<void>;
  /** Waits for the send in flight and leaves. */
  stop(): Promise<void>;
}

export interface PublisherDependencies {
  readonly connect: () => Promise<EventProducer>;
  readonly signingKeys: readonly string[];
  /** Told of every send: how many events it had, and whether it was acknowledged. */
  readonly onSend?: (events: number, acknowledged: boolean) => void;
}

interface Parcel {
  readonly events: readonly PublishedEvent[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export function createPublisher(dependencies: PublisherDependencies): Publisher {
  const { connect, signingKeys, onSend } = dependencies;
  let waiting: Parcel[] = [];
  let producer: EventProducer | undefined;
  let pumping: Promise<void> | undefined;

  async function sendAll(parcels: readonly Parcel[]): Promise<void> {
    const events = parcels.flatMap((parcel) => parcel.events);
    try {
      const messages = events.map((event) => messageOf(event, signingKeys));
      producer ??= await connect();
      await producer.send(ordersTopic, messages);
    } catch (error) {
      producer?.discard();
      producer = undefined;
      onSend?.(events.length, false);
      for (const { reject } of parcels) reject(error);
      return;
    }
    onSend?.(events.length, true);
    for (const { resolve } of parcels) resolve();
  }

  async function pump(): Promise<void> {
    while (waiting.length > 0) {
      const parcels = waiting;
      waiting = [];
      await sendAll(parcels);
    }
    pumping = undefined;
  }

  return {
    async connect() {
      producer ??= await connect();
    },
    publish(events) {
      return new Promise((resolve, reject) => {
        waiting.push({ events, resolve, reject });
        pumping ??= pump();
      });
    },
    async stop() {
      await pumping;
      producer?.discard();
      producer = undefined;
    },
  };
}

const partitionCount = topics.find(({ name }) => name === ordersTopic)?.partitions ?? 1;

function messageOf({ productId, batchId, data }: PublishedEvent, keys: readonly string[]): Message {
  const attributes = eventAttributes(productId, batchId, acceptedAtUsOf(data));
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  for (const [name, value] of Object.entries(attributes)) headers[`ce_${name}`] = value;
  headers['ce_signature'] = sign(keys, batchId, data);
  return { partition: partitionOf(batchId), headers, value: data };
}

/** The same batch always goes to the same partition; batches spread over all of them. */
function partitionOf(batchId: string): number {
  return createHash('sha1').update(batchId).digest().readUInt32BE(0) % partitionCount;
}

/** The script writes it third, before anything a buyer could have chosen. */
function acceptedAtUsOf(data: string): number {
  const acceptedAt = /^\{"productId":"[\w-]+","generation":\d+,"acceptedAt":(\d+),/.exec(data)?.[1];
  if (acceptedAt === undefined) throw new Error('a batch in the outbox is not an event');
  return Number(acceptedAt);
}
