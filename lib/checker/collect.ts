// Reads what Redis, Kafka and MySQL hold about one sale, in the order that lets `check.ts` draw
// conclusions while the system runs: what was acknowledged before is looked for afterwards.
//
//   Redis: an order that is not in the outbox was acked by Kafka      → it is in the events
//   Kafka: committed offsets first; what lies before them is delivered → its rows are in MySQL
//   MySQL: one consistent snapshot
//   boards, and once more the sale's fields: unchanged means that nothing was sold meanwhile

import type { KafkaAccess } from '#lib/kafka/access.ts';
import type { MysqlClient } from '#lib/mysql/connect.ts';
import { consumerGroups, deadLetterTopics, ordersTopic } from '#lib/names.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import { unlessAborted } from '#lib/unless-aborted.ts';
import { collectKafka } from './collect-kafka.ts';
import { collectMysql, readBeginning } from './collect-mysql.ts';
import { readBoards, readSale, readSaleFields } from './collect-redis.ts';
import type { Facts, Sink } from './facts.ts';

export interface Stores {
  readonly redis: RedisClient;
  readonly mysql: MysqlClient;
  readonly kafka: KafkaAccess;
  /** Without them, whatever names the sale counts as its event. */
  readonly signingKeys?: readonly string[];
}

/** Topics and consumer groups; a test has its own. */
export interface EventNames {
  readonly topic: string;
  readonly deadLetterTopics: Readonly<Record<Sink, string>>;
  readonly groups: Readonly<Record<Sink, string>>;
}

const eventNames: EventNames = {
  topic: ordersTopic,
  deadLetterTopics,
  groups: consumerGroups,
};

/** A store did not answer, so nothing can be said about the sale. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable';
  readonly store: 'Redis' | 'Kafka' | 'MySQL';

  constructor(store: StoreUnavailable['store'], cause: unknown) {
    super(`${store} does not answer`, { cause });
    this.store = store;
  }
}

/** Whoever asks through the edge gives up after a minute. */
const collectTimeoutMs = 45_000;

/**
 * The facts about one sale. Changes nothing in any store. Throws StoreUnavailable where one does
 * not answer in time.
 */
export async function collectFacts(
  { redis, mysql, kafka: kafkaAccess, signingKeys }: Stores,
  productId: string,
  names: EventNames = eventNames,
): Promise<Facts> {
  const stop = AbortSignal.timeout(collectTimeoutMs);
  const from = async <T>(store: StoreUnavailable['store'], reading: Promise<T>): Promise<T> => {
    try {
      return await unlessAborted(stop, reading);
    } catch (error) {
      throw new StoreUnavailable(store, error);
    }
  };
  const topics = { kafka: kafkaAccess, signingKeys };
  const sale = await from('Redis', readSale(redis, productId));
  const since = await from('MySQL', readBeginning(mysql, productId));
  const kafka = await from('Kafka', collectKafka(topics, productId, names, stop, since));
  const rows = await from('MySQL', collectMysql(mysql, productId));
  const boards = await from('Redis', readBoards(redis, productId));
  const saleAfter = await from('Redis', readSaleFields(redis, productId));
  return { productId, redis: { ...sale, ...boards, saleAfter }, kafka, mysql: rows };
}
