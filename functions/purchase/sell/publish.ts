// Publishes outbox batches to Kafka: whatever waits goes out as one send, one send at a time, and
// a producer that failed once is never used again. A batch may be published many times, always
// with the same bytes; its id tells the sinks that they have it.

import { createHash } from 'node:crypto';
import { sendBytesMax } from '#lib/constants.ts';
import { sign } from '#lib/http/signature.ts';
import type { EventProducer, Message, RawMessage } from '#lib/kafka/producer.ts';
import { ordersPartitions, ordersTopic } from '#lib/names.ts';
import { eventAttributes, traceparentsIn } from '#lib/order-event.ts';

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
  /** Told of every send: how many events it had, whether it was acknowledged, how long it took. */
  readonly onSend?: (events: number, acknowledged: boolean, tookMs: number) => void;
}

/** What one caller gave; it is published when nothing of it is open any more. */
interface Parcel {
  open: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

interface Entry {
  readonly message: Message;
  readonly parcel: Parcel;
}

const messageIn = ({ message }: Entry): Message => message;

export function createPublisher(dependencies: PublisherDependencies): Publisher {
  const { signingKeys, onSend } = dependencies;
  let waiting: Entry[] = [];
  let producer: Promise<EventProducer> | undefined;
  let pumping: Promise<void> | undefined;

  const leave = () => {
    producer?.then(
      (left) => {
        left.discard();
      },
      () => undefined,
    );
    producer = undefined;
  };

  /** The producer in use; all who ask while it connects get the same. */
  async function connected(): Promise<EventProducer> {
    producer ??= dependencies.connect();
    const connecting = producer;
    try {
      return await connecting;
    } catch (error) {
      if (producer === connecting) producer = undefined;
      throw error;
    }
  }

  async function sendAll(entries: readonly Entry[]): Promise<void> {
    const sinceMs = performance.now();
    try {
      const current = await connected();
      await current.send(
        ordersTopic,
        entries.map(({ message }) => message),
      );
    } catch (error) {
      leave();
      onSend?.(entries.length, false, performance.now() - sinceMs);
      const failed = new Set(entries.map(({ parcel }) => parcel));
      waiting = waiting.filter(({ parcel }) => !failed.has(parcel));
      for (const { reject } of failed) reject(error);
      return;
    }
    onSend?.(entries.length, true, performance.now() - sinceMs);
    for (const { parcel } of entries) {
      parcel.open -= 1;
      if (parcel.open === 0) parcel.resolve();
    }
  }

  async function pump(): Promise<void> {
    while (waiting.length > 0) await sendAll(waiting.splice(0, countThatFit(waiting, messageIn)));
    pumping = undefined;
  }

  return {
    async connect() {
      await connected();
    },
    async publish(events) {
      if (events.length === 0) return;
      // Made here, so that one that is no event fails its own caller and nobody else.
      const messages = events.map((event) => messageOf(event, signingKeys));
      await new Promise<void>((resolve, reject) => {
        const parcel = { open: events.length, resolve, reject };
        for (const message of messages) waiting.push({ message, parcel });
        pumping ??= pump();
      });
    },
    async stop() {
      await pumping;
      leave();
    },
  };
}

/** How many from the front may go out as one send: at least one, where there is one. */
export function countThatFit<Carrier>(
  entries: readonly Carrier[],
  carriedBy: (entry: Carrier) => Pick<RawMessage, 'value'>,
): number {
  let bytes = 0;
  const excess = entries.findIndex((entry, index) => {
    bytes += Buffer.byteLength(carriedBy(entry).value ?? '') + messageOverheadBytes;
    return index > 0 && bytes > sendBytesMax;
  });
  return excess === -1 ? entries.length : excess;
}

/** What headers and framing add to an event, at most. */
const messageOverheadBytes = 1_024;

/** A batch as it is published. Throws where its data are no event. */
export function messageOf(
  { productId, batchId, data }: PublishedEvent,
  keys: readonly string[],
): Message {
  const attributes = eventAttributes(productId, batchId, acceptedAtUsOf(data));
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  for (const [name, value] of Object.entries(attributes)) headers[`ce_${name}`] = value;
  // Of the first that is sampled: like all else, it is the same whenever these data are published.
  const [traceparent] = traceparentsIn(data);
  if (traceparent !== undefined) headers['ce_traceparent'] = traceparent;
  headers['ce_signature'] = sign(keys, batchId, data);
  return { partition: partitionOf(batchId), headers, value: data };
}

/** The same batch always goes to the same partition; batches spread over all of them. */
export function partitionOf(batchId: string): number {
  return createHash('sha1').update(batchId).digest().readUInt32BE(0) % ordersPartitions;
}

/** The script writes it third, before anything a buyer could have chosen. */
function acceptedAtUsOf(data: string): number {
  const acceptedAt = /^\{"productId":"[\w-]+","generation":\d+,"acceptedAt":(\d+),/.exec(data)?.[1];
  if (acceptedAt === undefined) throw new Error('a batch in the outbox is not an event');
  return Number(acceptedAt);
}
