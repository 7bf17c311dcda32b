// Kafka below the shipped producer: the real producer of kafkajs on a cluster that is not there. So what
// kafkajs does with answers, failures and sequence numbers is its own doing.

import { Kafka, logLevel, type ProducerConfig } from 'kafkajs';
import KafkaErrors from 'kafkajs/src/errors.js';
import createKafkajsProducer from 'kafkajs/src/producer/index.js';
import type { KafkaClient } from '#lib/kafka/producer.ts';
import type { TopicMarks } from '#lib/kafka/topic-marks.ts';
import { deadLetterTopics, ordersTopic } from '#lib/names.ts';
import { readOrderEvent } from '#lib/order-event.ts';
import type { EventLog, TopicEvent } from '../recover/read-events.ts';
import { Brokers, brokerCount, type ProduceRequest, type TopicRecord } from './kafka-brokers.ts';
import type { Network } from './network.ts';
import type { Random } from './random.ts';
import type { VirtualTime } from './virtual-time.ts';

const deadLetters = deadLetterTopics['persist-order'];
const requestTimeoutMs = 3_000;
const silent = new Kafka({ brokers: ['simulated:1'], logLevel: logLevel.NOTHING }).logger();

interface Broker {
  readonly nodeId: number;
  readonly produce: (request: ProduceRequest) => Promise<unknown>;
  readonly initProducerId: () => Promise<{ producerId: number; producerEpoch: number }>;
}

export class SimulatedKafka {
  /** Told of each record that is appended to the topic of orders. */
  onAppend: (record: TopicRecord) => void = () => undefined;
  readonly #time: VirtualTime;
  readonly #network: Network;
  readonly #random: Random;
  readonly #brokers = new Brokers((record) => {
    this.onAppend(record);
  });
  #producerIds = 0;

  constructor(time: VirtualTime, network: Network, random: Random) {
    this.#time = time;
    this.#network = network;
    this.#random = random;
  }

  /** What the shipped producer is given for a client. */
  createClient(): KafkaClient {
    return {
      producer: (config?: ProducerConfig) =>
        createKafkajsProducer({ ...config, logger: silent, cluster: this.#createCluster() }),
    };
  }

  /** What a rebuild reads the topics with. */
  eventLog(): EventLog {
    return {
      mark: () =>
        this.#ask('topic ends read', () => {
          return { atMs: Math.floor(this.#time.epochMs), ends: this.#brokers.ends() };
        }),
      readEvents: (productId, since) => this.#read(productId, since),
    };
  }

  /** A record that its source could not deliver goes to the dead letters. */
  bury(record: TopicRecord): void {
    this.#brokers.append(deadLetters, 0, record);
  }

  /** Some partitions, or the ones that are named, get another leader; who asks the old is refused. */
  moveLeaders(to?: ReadonlyMap<number, number>): void {
    this.#time.note('kafka: partitions get other leaders');
    for (const [partition] of this.#brokers.leaders().entries()) {
      const leader = to?.get(partition) ?? this.#random.below(brokerCount);
      if (to ? to.has(partition) : this.#random.chance(0.5)) this.#brokers.move(partition, leader);
    }
  }

  async *#read(productId: string, since: TopicMarks | undefined): AsyncGenerator<TopicEvent> {
    for (const topic of [ordersTopic, deadLetters]) {
      const step = topic === deadLetters ? 'dead letters read' : 'topic read';
      const records = await this.#ask(step, () =>
        this.#brokers.log.filter((record) => record.topic === topic),
      );
      for (const { partition, offset, headers, value: data } of records) {
        if (offset < (since?.ends[topic]?.[String(partition)] ?? 0)) continue;
        if (headers['ce_subject'] !== productId) continue;
        const event = readOrderEvent(data);
        yield { productId, batchId: headers['ce_id'] ?? '', data, signed: true, event };
      }
    }
  }

  #ask<T>(step: string, effect: () => T): Promise<T> {
    return this.#network.call<T>('kafka', step, {
      timeoutMs: requestTimeoutMs,
      errorOf: (reason) =>
        reason === 'timeout'
          ? new KafkaErrors.KafkaJSRequestTimeoutError('timeout')
          : new KafkaErrors.KafkaJSConnectionClosedError('closed', { host: 'simulated', port: 1 }),
      serve: effect,
    });
  }

  #brokerOf(nodeId: number): Broker {
    return {
      nodeId,
      produce: (request) => this.#ask('produce', () => this.#brokers.produce(nodeId, request)),
      initProducerId: () =>
        this.#ask('producer id', () => {
          this.#producerIds += 1;
          return { producerId: this.#producerIds, producerEpoch: 0 };
        }),
    };
  }

  /** What kafkajs' Cluster is to its producer: connections, and what it believes about leaders. */
  #createCluster(): object {
    let leaders: readonly number[] = [];
    let brokers: readonly Broker[] = [];
    const open = () => {
      brokers = Array.from({ length: brokerCount }, (_, nodeId) => this.#brokerOf(nodeId));
    };
    const refresh = async () => {
      leaders = await this.#ask('metadata', () => this.#brokers.leaders());
    };
    return {
      retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 5, factor: 0.2, multiplier: 2 },
      targetTopics: new Set([ordersTopic]),
      async connect() {
        if (brokers.length === 0) open();
        await refresh();
      },
      disconnect() {
        brokers = [];
        return Promise.resolve();
      },
      isConnected: () => brokers.length > 0,
      removeBroker: open,
      addMultipleTargetTopics: () => Promise.resolve(),
      refreshMetadata: refresh,
      refreshMetadataIfNecessary: () => Promise.resolve(),
      findTopicPartitionMetadata: () => leaders.map((_, partitionId) => ({ partitionId })),
      findLeaderForPartitions: (_: string, wanted: readonly (string | number)[]) =>
        Object.groupBy(wanted.map(Number), (partition) => leaders[partition] ?? 0),
      findBroker: ({ nodeId }: { nodeId: string | number }) =>
        Promise.resolve(brokers[Number(nodeId)]),
      findControllerBroker: () => Promise.resolve(brokers[0]),
    };
  }
}
