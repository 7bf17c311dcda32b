// The check-up that `kn-seckill doctor` asks for: are the stores reachable, and rightly set? It
// looks only; a store that is away leaves its own checks open, and no others.

import journal from '#functions/persist-order/migrations/meta/_journal.json' with { type: 'json' };
import { type Check, checksOf, type Diagnosis, diagnosisOf } from '#lib/diagnosis.ts';
import type { EtcdAccess } from '#lib/etcd/access.ts';
import { type EtcdMember, inspectEtcd } from '#lib/etcd/inspect.ts';
import type { KafkaAccess } from '#lib/kafka/access.ts';
import { inspectKafka } from '#lib/kafka/inspect.ts';
import type { MysqlClient } from '#lib/mysql/connect.ts';
import { mysqlErrorOf } from '#lib/mysql/error.ts';
import { topics as allTopics, consumerGroups } from '#lib/names.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import { unlessAborted } from '#lib/unless-aborted.ts';
import { judgeClocks, mysqlSkew, redisSkews, type Skew } from './clocks.ts';
import { checkDeliveries } from './deliveries.ts';
import { judgeEtcd } from './etcd.ts';
import { type ExpectedTopic, judgeKafka } from './kafka.ts';
import { checkMysql } from './mysql.ts';
import { checkRedis } from './redis.ts';
import { checkSales } from './sales.ts';

export interface DoctorDependencies {
  readonly redis: RedisClient;
  readonly mysql: MysqlClient;
  readonly etcd: EtcdAccess;
  readonly kafka: KafkaAccess;
  /** Where they are others than the system's own; the first is the one that the groups read. */
  readonly topics?: readonly ExpectedTopic[];
  readonly groups?: readonly string[];
  /** Epoch milliseconds. */
  readonly now?: () => number;
  /** For how long a store may be silent on each of the checks. */
  readonly timeoutMs?: number;
}

/** One slow store does not keep whoever asks waiting for all. */
const timeoutByDefaultMs = 15_000;

const migrations = journal.entries.map(({ tag, when }) => ({ tag, madeAt: when }));

/** Makes the check-up; it never fails. */
export function createDoctor(dependencies: DoctorDependencies): () => Promise<Diagnosis> {
  const { redis, mysql, now = Date.now, timeoutMs = timeoutByDefaultMs } = dependencies;
  const look = async () => {
    const soon: InTime = (answer) => unlessAborted(AbortSignal.timeout(timeoutMs), answer);
    const lookAt = async (store: string, checks: Promise<readonly Check[]>) =>
      soon(checks).then(
        (found) => [checksOf(store).ok('reachable', 'it answers'), ...found],
        (error: unknown) => [isRefusal(error) ? refused(store, error) : away(store, error)],
      );
    const checks = await Promise.all([
      lookAt('Redis', checkRedis(redis)),
      lookAt('etcd', inspectEtcd(dependencies.etcd).then(checkEtcd)),
      lookAt('Kafka', checkKafka(dependencies)),
      lookAt('MySQL', checkMysql(mysql, migrations)),
      checkClocks(soon(redisSkews(redis, now)), soon(mysqlSkew(mysql, now))),
      soon(checkSales({ redis, mysql }, now())).catch((error: unknown) => [salesUnknown(error)]),
    ]);
    return diagnosisOf(new Date(now()), checks.flat());
  };
  return look;
}

/** The answer, or a rejection where it does not come in time. */
type InTime = <T>(answer: Promise<T>) => Promise<T>;

async function checkKafka({
  kafka,
  topics = allTopics,
  groups = Object.values(consumerGroups),
}: DoctorDependencies): Promise<Check[]> {
  const names = { topics: topics.map(({ name }) => name), groups };
  const state = await inspectKafka(kafka, names);
  const [read] = topics;
  const isRead = state.groups?.some(({ members }) => members > 0) && read !== undefined;
  return [
    ...judgeKafka(state, topics),
    ...(isRead ? [await checkDeliveries(kafka, read.name, groups)] : []),
  ];
}

function checkEtcd(members: readonly EtcdMember[]): Check[] {
  if (members.some(({ away }) => away === undefined)) return judgeEtcd(members);
  throw new Error(members[0]?.away ?? 'no endpoint is given');
}

/** The clocks of the stores that answer; those that don't are told of elsewhere. */
async function checkClocks(redis: Promise<Skew[]>, mysql: Promise<Skew>): Promise<Check> {
  const skews = await Promise.allSettled([redis, mysql]);
  return judgeClocks(skews.flatMap((one) => (one.status === 'fulfilled' ? one.value : [])));
}

function away(store: string, error: unknown): Check {
  return checksOf(store).unknown('reachable', {
    found: `it does not answer: ${reasonOf(error)}`,
    why: whyReachable,
    todo: 'see that it runs, and that its address in the Secret `purchase` is right',
  });
}

function refused(store: string, error: unknown): Check {
  return checksOf(store).wrong('reachable', {
    found: `it refuses this function: ${reasonOf(error)}`,
    why: whyReachable,
    todo: 'see user and password in the Secret `purchase`, and the rights of that user',
  });
}

function salesUnknown(error: unknown): Check {
  return checksOf('sales').unknown('leftovers', {
    found: `they could not be looked at: ${reasonOf(error)}`,
    why: 'what sales have left behind fills Redis',
    todo: 'bring Redis and MySQL back, and ask again',
  });
}

const whyReachable = 'while it is away nothing can be sold, and nothing else about it can be told';

/** It answers, and does not let us in. */
function isRefusal(error: unknown): boolean {
  const { code } = mysqlErrorOf(error);
  return (
    /^ER_(ACCESS|DBACCESS|TABLEACCESS|SPECIFIC_ACCESS)_DENIED/.test(code) ||
    /\b(NOAUTH|WRONGPASS|NOPERM)\b|SASL|authentication failed|permission denied/i.test(
      reasonOf(error),
    )
  );
}

/** The first cause's own words, in one line; stores name no passwords in them. */
function reasonOf(error: unknown): string {
  let cause = error;
  while (cause instanceof Error && cause.cause instanceof Error) cause = cause.cause;
  const message = cause instanceof Error ? cause.message || cause.name : String(cause);
  return message.replaceAll(/\s+/g, ' ').slice(0, 200);
}
