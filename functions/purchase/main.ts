// Starts `purchase`: the only place that reads its environment, opens its connections, listens
// and drains.

import { setTimeout } from 'node:timers/promises';
import { checkInSteps } from '#lib/checker/check.ts';
import { collectFacts } from '#lib/checker/collect.ts';
import {
  lockTtlMs,
  mysqlSilenceMaxMs,
  purchaseMysqlConnections,
  purchaseUpkeepConnections,
} from '#lib/constants.ts';
import { lockTtlOr } from '#lib/crash-point.ts';
import {
  type Environment,
  etcdNames,
  kafkaNames,
  mysqlNames,
  readEnvironment,
  redisNames,
  telemetryNames,
  tracingNames,
} from '#lib/environment.ts';
import { etcdAccessOf } from '#lib/etcd/access.ts';
import { connectEtcd } from '#lib/etcd/connect.ts';
import { readyWhen } from '#lib/http/ready-when.ts';
import { close, createReadiness, listen, onTermination } from '#lib/http/serve.ts';
import { kafkaAccessOf } from '#lib/kafka/access.ts';
import { connectProducer } from '#lib/kafka/producer.ts';
import { readProgress } from '#lib/kafka/read-progress.ts';
import { queuePrefix, read } from '#lib/lock/keys.ts';
import { createLockManager } from '#lib/lock/lock-manager.ts';
import { mysqlAccessOf } from '#lib/mysql/access.ts';
import { connectMysql } from '#lib/mysql/connect.ts';
import { assertMigrated } from '#lib/mysql/migrated.ts';
import { consumerGroups, deadLetterTopics, ordersTopic, standingPath } from '#lib/names.ts';
import { productClassOf } from '#lib/product-class.ts';
import { redisAccessOf } from '#lib/redis/access.ts';
import { connectRedis } from '#lib/redis/connect.ts';
import { run } from '#lib/run.ts';
import { createLog, type Log } from '#lib/telemetry/log.ts';
import { createRegistry } from '#lib/telemetry/metrics.ts';
import { startTelling } from '#lib/telemetry/telling.ts';
import { createTracing, type Tracing } from '#lib/telemetry/tracing.ts';
import { createApp } from './app.ts';
import { countOpenLetters } from './dead-letters/count-letters.ts';
import { createDeadLetters } from './dead-letters/dead-letters.ts';
import { createDoctor } from './doctor/doctor.ts';
import { createMetrics, type PurchaseMetrics } from './metrics.ts';
import { answerOffSale } from './orders.ts';
import { createDecide } from './purchase.ts';
import { eventLogOf } from './recover/read-events.ts';
import { rebuild } from './recover/rebuild.ts';
import { reconcile } from './recover/reconcile.ts';
import { sharedReading } from './recover/reconcile-delivery.ts';
import { tellOf } from './recover/reconcile-report.ts';
import { dropOldProducts, restoreSettledBoards } from './recover/settled-boards.ts';
import { findKnown } from './sell/known-sale.ts';
import { createPublisher } from './sell/publish.ts';
import { createSeller } from './sell.ts';
import { createStanding } from './standing.ts';
import { oldestPendingAtUs, watchStanding } from './standing-metrics.ts';
import { createUpkeep, drainAll, publishedWithinMs, reconcileDue } from './tick.ts';

async function start(): Promise<void> {
  const environment = readEnvironment(environmentNames);
  const log = createLog('purchase', environment.SECKILL_LOG_LEVEL);
  const registry = createRegistry('purchase');
  const classOf = productClassOf(environment.SECKILL_HOT_PRODUCTS);
  const metrics = createMetrics(registry, classOf);
  const stores = connectStores(environment, log, metrics);
  const { redis, mysql, kafka, etcdAccess, locks, publisher } = stores;

  const tracing = createTracing('purchase', environment, log);
  const signingKeys = environment.SECKILL_SIGNING_KEYS;
  const { seller, decide, drain, upkeep, reconcileOne } = createDomain(stores, {
    ...{ signingKeys, metrics, tracing, log },
  });
  const readiness = createReadiness();
  const app = createApp({
    redis,
    mysql,
    seller,
    ...{ decide, tick: upkeep.tick, reconcile: reconcileOne },
    onUnknownLookup: (hit) => {
      metrics.countCacheLookup('unknown_products', hit);
    },
    deadLetters: createDeadLetters({ kafka, mysql, signingKeys }),
    doctor: createDoctor({ ...stores, etcd: etcdAccess, mysql: stores.upkeepMysql }),
    verify: async (productId) =>
      checkInSteps(await collectFacts({ ...stores, signingKeys }, productId)),
    signingKeys,
    ...{ tracing, readiness, log },
  });

  const host = environment.SECKILL_HOST;
  const read = standingOf(stores);
  watchStanding(registry, {
    ...{ read, classOf, now: Date.now },
    oldestPendingAtUs: (productIds) => oldestPendingAtUs(redis, productIds),
  });
  const telling = await startTelling({
    ...{ registry, readiness, log },
    ...{ env: environment, documents: { [standingPath]: read } },
  });
  const { server } = await listen(app, { host, port: environment.PORT, log });
  /** If a store is away now, the next tick tries. */
  const drainNow = () =>
    drain(0).catch((error: unknown) => {
      log.warn({ err: error }, 'the outboxes could not be drained');
    });
  onTermination(log, async () => {
    readiness.drain();
    void telling.leaving();
    await close(server);
    // Nobody may come after us for a long time.
    await Promise.race([Promise.all([drainNow(), upkeep.stop()]), setTimeout(leavingDrainMs)]);
    await seller.stop();
    await publisher.stop();
    await locks.stop();
    await Promise.all([telling.left(), tracing.stop()]);
  });
  await readyWhen(readiness, storeChecks(stores), log);
  void telling.arrived();
  // Whatever an instance before us left pending; where it left nothing others may sell at once.
  await drainNow();
  locks.giveUpUnclaimed();
}

interface DomainOptions {
  readonly signingKeys: readonly string[];
  readonly metrics: PurchaseMetrics;
  readonly tracing: Tracing;
  readonly log: Log;
}

/** What decides about purchases, and what looks after the sales beside them. */
function createDomain(stores: Stores, { signingKeys, metrics, tracing, log }: DomainOptions) {
  const { redis, mysql, upkeepMysql, locks, publisher, kafka } = stores;
  const rebuilding = {
    redis,
    mysql: upkeepMysql,
    publisher,
    ...eventLogOf({ kafka, signingKeys }),
  };
  const loads = new Map<string, number>();
  const loadsOf = (productId: string) => loads.get(productId) ?? 0;
  const seller = createSeller({
    redis,
    ...{ publisher, tracing, log },
    acquire: (productId, signal) => locks.acquire(productId, { signal }),
    rebuild: (productId, held, reason) => {
      loads.set(productId, loadsOf(productId) + 1);
      return rebuild(rebuilding, productId, held, reason);
    },
    findKnown: (productId) => findKnown(mysql, productId),
    answerOffSale: (productId, purchases) => answerOffSale({ mysql }, productId, purchases),
    onRebuild: metrics.countRebuild,
    onTurn: metrics.countTurn,
    onPublished: metrics.countPublished,
    onFenceRefusal: metrics.countFenceRefusal,
  });
  const drain = async (sparedMs: number) => {
    const helped = await drainAll({ redis, mysql: upkeepMysql, seller, log }, sparedMs);
    try {
      await restoreSettledBoards({ redis, mysql: upkeepMysql });
      await dropOldProducts({ redis, mysql: upkeepMysql });
    } catch (error) {
      log.warn({ err: error }, 'boards of settled sales could not be looked after');
    }
    return helped;
  };
  const reconciling = {
    ...{ ...rebuilding, seller, log },
    readProgress: sharedReading(() =>
      readProgress(kafka, ordersTopic, Object.values(consumerGroups)),
    ),
  };
  const tell = tellOf(metrics, log);
  return {
    ...{ seller, drain },
    decide: createDecide({
      ...{ redis, mysql, seller, loadsOf },
      onStockLookups: metrics.countStockLookups,
      onWhereabouts: (hit) => {
        metrics.countCacheLookup('whereabouts', hit);
      },
    }),
    upkeep: createUpkeep(
      () => drain(publishedWithinMs),
      (signal) => reconcileDue(reconciling, tell, signal),
      log,
    ),
    reconcileOne: async (productId: string, dryRun: boolean) =>
      tell(await reconcile(reconciling, productId, { dryRun, deep: true })),
  };
}

function standingOf({ redis, mysql, etcd, kafka }: Stores) {
  const groups = Object.values(consumerGroups);
  return createStanding({
    ...{ redis, mysql },
    askEtcd: () => read(etcd, queuePrefix(nobodysProduct)),
    readProgress: () => readProgress(kafka, ordersTopic, groups),
    countOpenLetters: () => countOpenLetters({ kafka, mysql, topics: deadLetterTopics }),
  });
}

/** No sale has this name. */
const nobodysProduct = 'products';

/** Somebody else may hold a lock for long; then it is his to drain. */
const leavingDrainMs = 4_000;

const environmentNames = [
  ...etcdNames,
  ...kafkaNames,
  ...mysqlNames,
  ...redisNames,
  ...telemetryNames,
  ...tracingNames,
  'PORT',
  'SECKILL_HOST',
  'SECKILL_HOT_PRODUCTS',
  'SECKILL_SIGNING_KEYS',
  'SECKILL_STATE_DIR',
] as const;

type OwnEnvironment = Pick<Environment, (typeof environmentNames)[number]>;

function connectStores(environment: OwnEnvironment, log: Log, metrics: PurchaseMetrics) {
  const etcdAccess = etcdAccessOf(environment);
  const etcd = connectEtcd(etcdAccess);
  const kafka = kafkaAccessOf(environment);
  const locks = createLockManager({
    etcd,
    directory: environment.SECKILL_STATE_DIR,
    ttlMs: lockTtlOr(lockTtlMs),
    onEvent: metrics.countLockEvent,
  });
  metrics.watchLocks(() => locks.state());
  const publisher = createPublisher({
    connect: () => connectProducer(kafka),
    signingKeys: environment.SECKILL_SIGNING_KEYS,
    onSend: metrics.countSend,
  });
  const mysql = mysqlAccessOf(environment);
  const options = { silenceMaxMs: mysqlSilenceMaxMs };
  return {
    redis: connectRedis(redisAccessOf(environment), log),
    mysql: connectMysql(mysql, purchaseMysqlConnections, options),
    upkeepMysql: connectMysql(mysql, purchaseUpkeepConnections, options),
    etcd,
    locks,
    publisher,
    kafka,
    etcdAccess,
  };
}

type Stores = ReturnType<typeof connectStores>;

function storeChecks({ redis, mysql, locks, publisher }: Stores) {
  return {
    etcd: () => locks.start(),
    Kafka: () => publisher.connect(),
    // The tables, too: a new revision sells nothing before its migration has ended.
    MySQL: () => assertMigrated(mysql.pool),
    Redis: () => redis.ping(),
  };
}

run('purchase', start);
