// How the sales stand, for whoever watches: `GET /standing` on the port of the metrics, which
// nobody outside reaches and whose readers keep no instance awake. It is read when it is asked
// for, and says what no counter can: what is left, what is pending, which store does not answer.

import { lagOf, type Progress } from '#lib/kafka/read-progress.ts';
import type { MysqlClient } from '#lib/mysql/connect.ts';
import { consumerGroups } from '#lib/names.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import { listCurrentSales, type Sale } from './catalogue.ts';

export type StoreName = 'Redis' | 'MySQL' | 'etcd' | 'Kafka';
type SinkName = keyof typeof consumerGroups;

/** What could not be read is null. */
export interface Standing {
  /** ISO 8601, by this instance's clock. */
  readonly at: string;
  /** Those that are not settled, and those that have ended within the hour; the newest first. */
  readonly sales: readonly Sale[] | null;
  /** `true`: it answers; else why it does not. */
  readonly stores: Readonly<Record<StoreName, true | string>>;
  /** Events that each sink has not answered for. */
  readonly lagEvents: Readonly<Record<SinkName, number>> | null;
  /** Dead letters that nobody has decided about. */
  readonly deadLetters: Readonly<Record<SinkName, number>> | null;
}

interface Dependencies {
  readonly redis: RedisClient;
  readonly mysql: MysqlClient;
  /** Rejects where etcd does not answer. */
  readonly askEtcd: () => Promise<unknown>;
  readonly readProgress: () => Promise<Progress>;
  readonly countOpenLetters: () => Promise<Readonly<Record<SinkName, number>>>;
}

/** Longer than the clients themselves take to say what is wrong. */
const storeTimeoutMs = 2_500;
/** Kafka is asked on a new connection each time, so for several lookers at once. */
const kafkaKeptMs = 3_000;

/** Makes the reader. It never rejects, and answers within seconds whichever store hangs. */
export function createStanding(dependencies: Dependencies): () => Promise<Standing> {
  const { redis, mysql } = dependencies;
  const lag = keptFor(kafkaKeptMs, async () => lagBy(await dependencies.readProgress()));
  const letters = keptFor(kafkaKeptMs, dependencies.countOpenLetters);
  return async () => {
    const [sales, lagEvents, deadLetters, redisAnswer, mysqlAnswer, etcdAnswer] = await Promise.all(
      [
        answerOf(() => listCurrentSales({ redis, mysql })),
        answerOf(lag),
        answerOf(letters),
        answerOf(() => redis.ping()),
        answerOf(() => mysql.pool.query('select 1')),
        answerOf(dependencies.askEtcd),
      ],
    );
    return {
      at: new Date().toISOString(),
      sales: sales.value,
      stores: {
        Redis: redisAnswer.why,
        MySQL: mysqlAnswer.why,
        etcd: etcdAnswer.why,
        Kafka: lagEvents.why,
      },
      lagEvents: lagEvents.value,
      deadLetters: deadLetters.value,
    };
  };
}

function lagBy(progress: Progress): Record<SinkName, number> {
  return {
    'persist-order': lagOf(consumerGroups['persist-order'], progress, progress.ends),
    'update-rank': lagOf(consumerGroups['update-rank'], progress, progress.ends),
  };
}

interface Answer<T> {
  readonly value: T | null;
  readonly why: true | string;
}

async function answerOf<T>(ask: () => Promise<T>): Promise<Answer<T>> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const text = `no answer in ${storeTimeoutMs / 1_000} s`;
    timer = setTimeout(() => {
      reject(new Error(text));
    }, storeTimeoutMs);
  });
  try {
    return { value: await Promise.race([ask(), late]), why: true };
  } catch (error) {
    return { value: null, why: reasonOf(error) };
  } finally {
    clearTimeout(timer);
  }
}

/** The first line of what is at the bottom of it. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.cause instanceof Error) return reasonOf(error.cause);
  return (error.message.split('\n')[0] ?? '') || error.name;
}

/** Who asks within this time of a reading that went well, or during one, gets that one. */
function keptFor<T>(keptMs: number, read: () => Promise<T>): () => Promise<T> {
  let reading: Promise<T> | undefined;
  return () => {
    if (reading !== undefined) return reading;
    const started = read();
    reading = started;
    const forget = () => {
      if (reading === started) reading = undefined;
    };
    started.then(() => setTimeout(forget, keptMs).unref(), forget);
    return started;
  };
}
