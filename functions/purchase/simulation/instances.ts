// Instances of the shipped functions in simulated processes, put together as their `main.ts` does.

import { createWrite } from '#functions/persist-order/write.ts';
import { lockTtlMs, mysqlSilenceMaxMs } from '#lib/constants.ts';
import { readOrderBatch } from '#lib/http/cloud-event.ts';
import type { HeaderFields } from '#lib/http/content-modes.ts';
import { connectProducer, type EventProducer, type KafkaClient } from '#lib/kafka/producer.ts';
import type { HeldLock } from '#lib/lock/lock.ts';
import { createLockManager } from '#lib/lock/lock-manager.ts';
import { noteStatus } from '#lib/sale/note-status.ts';
import { createLog } from '#lib/telemetry/log.ts';
import type { OperateDependencies } from '../operate.ts';
import { answerOffSale } from '../orders.ts';
import { createDecide, type Decide } from '../purchase.ts';
import { rebuild } from '../recover/rebuild.ts';
import { findKnown } from '../sell/known-sale.ts';
import { createPublisher } from '../sell/publish.ts';
import { createSeller } from '../sell.ts';
import { drainAll } from '../tick.ts';
import type { SimulatedEtcd } from './etcd.ts';
import type { SimulatedKafka } from './kafka.ts';
import type { TopicRecord } from './kafka-brokers.ts';
import type { SimulatedMysql } from './mysql.ts';
import type { Network } from './network.ts';
import type { SimulatedRedis } from './redis.ts';
import type { Process, VirtualTime } from './virtual-time.ts';

export interface Stores {
  readonly time: VirtualTime;
  readonly network: Network;
  readonly etcd: SimulatedEtcd;
  readonly redis: SimulatedRedis;
  readonly kafka: SimulatedKafka;
  readonly mysql: SimulatedMysql;
  readonly without: Without;
}

/** Guards that a test takes away, to see what they are good for. */
export interface Without {
  readonly script?: (source: string) => string;
  readonly lock?: (held: HeldLock) => HeldLock;
  readonly kafkaClient?: (client: KafkaClient) => KafkaClient;
  readonly connect?: (connect: () => Promise<EventProducer>) => () => Promise<EventProducer>;
}

export interface PurchaseInstance extends OperateDependencies {
  readonly process: Process;
  /** Where its write-ahead record is. */
  readonly directory: string;
  readonly decide: Decide;
  /** Begins: locks, and what others left pending. */
  start(): Promise<void>;
  tick(): Promise<unknown>;
  /** As at SIGTERM. */
  stop(): Promise<void>;
}

export const signingKeys = ['the key of the simulation, which is long enough'];
const log = createLog('simulation', 'silent');
const unchanged = <T>(value: T): T => value;

/** Runs inside its process. */
export function createPurchase(
  { etcd, kafka, without, ...stores }: Stores,
  process: Process,
  directory: string,
): PurchaseInstance {
  const redis = stores.redis.connect();
  const mysql = stores.mysql.connect({ silenceMaxMs: mysqlSilenceMaxMs });
  const locks = createLockManager({ etcd: etcd.connect(), directory, ttlMs: lockTtlMs });
  const { lock = unchanged, kafkaClient = unchanged, connect = unchanged } = without;
  const createClient = () => kafkaClient(kafka.createClient());
  const publisher = createPublisher({
    connect: connect(() => connectProducer({ brokers: ['simulated:1'] }, createClient)),
    signingKeys,
  });
  const eventLog = kafka.eventLog();
  const seller = createSeller({
    ...{ redis, publisher, log },
    acquire: async (productId, signal) => lock(await locks.acquire(productId, { signal })),
    rebuild: (productId, held, reason) =>
      rebuild({ redis, mysql, publisher, ...eventLog }, productId, held, reason),
    findKnown: (productId) => findKnown(mysql, productId),
    answerOffSale: (productId, purchases) => answerOffSale({ mysql }, productId, purchases),
  });
  const tick = () => drainAll({ redis, mysql, seller, log });
  return {
    ...{ process, directory, redis, mysql, seller, tick },
    decide: createDecide({ redis, mysql, seller }),
    async start() {
      await locks.start();
      await publisher.connect();
      await tick();
    },
    async stop() {
      await seller.stop();
      await publisher.stop();
      await locks.stop();
    },
  };
}

export interface PersistInstance {
  readonly process: Process;
  /** Delivers a record as the KafkaSource does. Throws where it asks for another delivery. */
  deliver(record: TopicRecord): Promise<'done' | 'never'>;
}

/** Runs inside its process. */
export function createPersist(
  { mysql, redis, ...stores }: Stores,
  process: Process,
): PersistInstance {
  const { pool } = mysql.connect();
  const client = redis.connect();
  const { time } = stores;
  const write = createWrite(pool, { nowUs: () => Date.now() * 1_000 });
  return {
    process,
    async deliver({ headers, value }) {
      const fields: HeaderFields = Object.fromEntries(
        Object.entries(headers).map(([name, text]) => [name.replace(/^ce_/, 'ce-'), text]),
      );
      const batch = readOrderBatch(fields, Buffer.from(value), signingKeys);
      if ('refused' in batch) {
        time.note(`an event is refused: ${batch.refused}`);
        return 'never';
      }
      const result = await write(batch);
      if ('refused' in result) return 'never';
      noteStatus(client, batch.event.productId, result.statuses).catch(() => undefined);
      return 'done';
    },
  };
}
