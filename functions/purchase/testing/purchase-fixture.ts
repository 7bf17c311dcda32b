// Instances of `purchase` on real servers for tests: each has a lock manager, a publisher and a
// seller of its own, and faults can be forced where a test says so.

import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eq } from 'drizzle-orm';
import type { Redis } from 'ioredis';
import { migrate } from '#functions/persist-order/migrate.ts';
import { createWrite } from '#functions/persist-order/write.ts';
import { lockTtlMs, mysqlSilenceMaxMs, purchaseMysqlConnections } from '#lib/constants.ts';
import { readEnvironment } from '#lib/environment.ts';
import { connectEtcd } from '#lib/etcd/connect.ts';
import type { EtcdClient } from '#lib/etcd/etcd.ts';
import { type KafkaAccess, kafkaAccessIn } from '#lib/kafka/access.ts';
import { connectProducer } from '#lib/kafka/producer.ts';
import { readTopic } from '#lib/kafka/read-topic.ts';
import { queuePrefix } from '#lib/lock/keys.ts';
import type { HeldLock, LockManager } from '#lib/lock/lock.ts';
import { createLockManager } from '#lib/lock/lock-manager.ts';
import { connectMysql, type MysqlClient } from '#lib/mysql/connect.ts';
import { products, stockMovements } from '#lib/mysql/schema.ts';
import { ordersTopic } from '#lib/names.ts';
import { type OrderEvent, orderEventSchema } from '#lib/order-event.ts';
import { orderIdOf } from '#lib/order-id.ts';
import type { PurchaseAnswer } from '#lib/outcome.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import type { Purchase } from '#lib/sale/sale.ts';
import { connectTestRedis } from '#lib/sale/test-sale.ts';
import { createLog } from '#lib/telemetry/log.ts';
import { uniqueDatabase, uniqueName, uniqueProductId } from '#lib/testing/unique.ts';
import { findProduct, type ProductRow } from '../catalogue.ts';
import { answerOffSale } from '../orders.ts';
import { eventLogOf } from '../recover/read-events.ts';
import { type RebuildDependencies, rebuild } from '../recover/rebuild.ts';
import { findKnown } from '../sell/known-sale.ts';
import { createPublisher, type Publisher } from '../sell/publish.ts';
import { createSeller, type Seller, type SellerDependencies } from '../sell.ts';

export const log = createLog('purchase-test', 'silent');

/** Does a step, or not, or fails before or after it: what a test puts around it decides. */
export type Around = (step: () => Promise<void>) => Promise<void>;

export interface Instance {
  readonly seller: Seller;
  readonly locks: LockManager;
  readonly publisher: Publisher;
  /** The answers of each turn that came to its end. */
  readonly turns: (readonly PurchaseAnswer[])[];
  /** How often it loaded a sale. */
  rebuilds: number;
  aroundPublish: Around;
  /** Wraps the locks that it acquires. */
  wrapLock: (held: HeldLock) => HeldLock;
}

export interface PublishedRecord {
  readonly batchId: string;
  readonly data: string;
  readonly event: OrderEvent;
}

type Overrides = Partial<SellerDependencies> &
  Partial<Pick<RebuildDependencies, 'mysql' | 'mark' | 'readEvents' | 'rowsTimeoutMs'>>;

export interface Bench {
  readonly redis: Redis;
  readonly mysql: MysqlClient;
  readonly kafka: KafkaAccess;
  readonly etcd: EtcdClient;
  readonly signingKeys: readonly string[];
  /** Puts a product on sale in MySQL only, open for ever; the first turn loads it. */
  product(values?: Partial<ProductRow>): Promise<string>;
  update(productId: string, values: Partial<ProductRow>): Promise<void>;
  row(productId: string): Promise<ProductRow>;
  instance(overrides?: Overrides): Instance;
  /** The product's events in the topic, repeats included. */
  published(productId: string): Promise<PublishedRecord[]>;
  /** Does once what persist-order does. */
  persistAll(productId: string): Promise<void>;
  /** Ends the lease of whoever holds the product's lock, as if it had died a TTL ago. */
  endHolder(productId: string): Promise<void>;
  close(): Promise<void>;
}

export const aPurchase = (productId: string, spec: Partial<Purchase> = {}): Purchase => {
  const userId = spec.userId ?? uniqueName('user-');
  return {
    orderId: orderIdOf(productId, userId, uniqueName('key-')),
    quantity: 1,
    ...spec,
    userId,
  };
};

/** With a database of its own: what drains all sales does not meet those of other tests. */
export async function openOwnBench(): Promise<Bench & { readonly mysqlUrl: string }> {
  const mysqlUrl = await uniqueDatabase();
  await migrate({ url: mysqlUrl });
  return { ...openBench(mysqlUrl), mysqlUrl };
}

/** On the stores of the environment; on a MySQL of the test's own where its URL is given. */
export function openBench(mysqlUrl?: string): Bench {
  const environment = readEnvironment([
    'SECKILL_ETCD_ENDPOINTS',
    'SECKILL_MYSQL_URL',
    'SECKILL_SIGNING_KEYS',
  ]);
  const kafka = kafkaAccessIn();
  const signingKeys = environment.SECKILL_SIGNING_KEYS;
  const redis = connectTestRedis();
  const url = mysqlUrl ?? environment.SECKILL_MYSQL_URL;
  const mysql = connectMysql({ url: url }, 2 * purchaseMysqlConnections, {
    silenceMaxMs: mysqlSilenceMaxMs,
  });
  const etcd = connectEtcd({ endpoints: environment.SECKILL_ETCD_ENDPOINTS });
  const closers: (() => Promise<unknown>)[] = [];
  const write = createWrite(mysql.pool, { nowUs: () => Date.now() * 1_000 });

  return {
    ...{ redis, mysql, kafka, etcd, signingKeys },
    product: (values = {}) => insertProduct(mysql, values),
    async update(productId, values) {
      await mysql.db.update(products).set(values).where(eq(products.productId, productId));
    },
    async row(productId) {
      const row = await findProduct(mysql, productId);
      if (!row) throw new Error('there is no such product');
      return row;
    },
    instance(overrides = {}) {
      const stores = { redis: overrides.redis ?? redis, mysql, kafka, etcd, signingKeys };
      const made = createInstance(stores, overrides);
      closers.push(made.close);
      return made.instance;
    },
    async published(productId) {
      const filter = ({ ce_subject: subject }: { ce_subject?: string }) => subject === productId;
      const records: PublishedRecord[] = [];
      for await (const { headers, value } of readTopic({ kafka, topic: ordersTopic, filter })) {
        const data = value.toString();
        const event = orderEventSchema.parse(JSON.parse(data));
        records.push({ batchId: headers.ce_id ?? '', data, event });
      }
      return records;
    },
    async persistAll(productId) {
      for (const { batchId, event } of await this.published(productId)) {
        await write({ batchId, event, acceptedAtMs: 0 });
      }
    },
    async endHolder(productId) {
      const then = [{ list: queuePrefix(productId), order: 'oldest', limit: 1 }] as const;
      const [place] = (await etcd.transact({ when: [], then })).reads[0] ?? [];
      if (!place) throw new Error('nobody holds the lock');
      await etcd.revokeLease(place.leaseId);
    },
    async close() {
      await Promise.all(closers.map((close) => close()));
      etcd.close();
      await mysql.pool.end();
      await redis.quit();
    },
  };
}

async function insertProduct({ db }: MysqlClient, values: Partial<ProductRow>): Promise<string> {
  const productId = uniqueProductId();
  const stock = values.stock ?? 10;
  await db.insert(products).values({
    productId,
    name: 'A test',
    unitPrice: 9_900,
    currency: 'CNY',
    stock,
    unsold: stock,
    limitPerUser: 1,
    state: 'on_sale',
    opensAt: 1_000_000,
    closesAt: null,
    generation: 0,
    createdAt: Date.now() * 1_000,
    ...values,
  });
  const onSale = { kind: 'on_sale', reference: productId, units: stock, at: 1_000_000 } as const;
  await db.insert(stockMovements).values({ productId, ...onSale });
  return productId;
}

/** The lines of a product's ledger of stock, as `kind reference units`, in no order that counts. */
export async function ledgerOf({ mysql }: Pick<Bench, 'mysql'>, productId: string) {
  const lines = await mysql.db
    .select()
    .from(stockMovements)
    .where(eq(stockMovements.productId, productId));
  return lines.map(({ kind, reference, units }) => `${kind} ${reference} ${units}`).sort();
}

/** Answers as tests expect them. */
export const accepted: PurchaseAnswer = { outcome: 'accepted', quantity: 1 };
export const replayed: PurchaseAnswer = { outcome: 'replayed', quantity: 1 };
export const unavailable: PurchaseAnswer = { outcome: 'unavailable' };

type Stores = Pick<Bench, 'mysql' | 'kafka' | 'etcd' | 'signingKeys'> & { redis: RedisClient };

function createInstance(
  { redis, kafka, etcd, signingKeys, ...stores }: Stores,
  { mysql = stores.mysql, mark, readEvents, rowsTimeoutMs, ...overrides }: Overrides,
): { instance: Instance; close: () => Promise<void> } {
  const directory = mkdtempSync(join(tmpdir(), 'seckill-purchase-'));
  const locks = createLockManager({ etcd, directory, ttlMs: lockTtlMs });
  const real = createPublisher({ connect: () => connectProducer(kafka), signingKeys });
  const publisher: Publisher = {
    ...real,
    publish: (events) => instance.aroundPublish(() => real.publish(events)),
  };
  const eventLog = eventLogOf({ kafka, signingKeys });
  const rebuilding: RebuildDependencies = {
    ...{ redis, mysql, publisher },
    mark: mark ?? eventLog.mark,
    readEvents: readEvents ?? eventLog.readEvents,
    ...(rowsTimeoutMs === undefined ? {} : { rowsTimeoutMs }),
  };
  const seller = createSeller({
    redis,
    publisher,
    log,
    acquire: async (productId, signal) =>
      instance.wrapLock(await locks.acquire(productId, { signal })),
    rebuild: (productId, held, reason) => rebuild(rebuilding, productId, held, reason),
    findKnown: (productId) => findKnown(mysql, productId),
    answerOffSale: (productId, purchases) => answerOffSale({ mysql }, productId, purchases),
    onTurn: (answers) => instance.turns.push(answers),
    onRebuild: () => {
      instance.rebuilds += 1;
    },
    ...overrides,
  });
  const instance: Instance = {
    ...{ seller, locks, publisher },
    turns: [],
    rebuilds: 0,
    aroundPublish: (step) => step(),
    wrapLock: (held) => held,
  };
  const close = async () => {
    await real.stop();
    await locks.stop();
    await rm(directory, { recursive: true, force: true });
  };
  return { instance, close };
}

export const many = (productId: string, count: number): Purchase[] =>
  Array.from({ length: count }, () => aPurchase(productId));
export const countOf = (answers: readonly PurchaseAnswer[], wanted: string) =>
  answers.filter(({ outcome }) => outcome === wanted).length;

/** The units that the topic says were sold, each event counted once. */
export async function unitsPublished(bench: Bench, productId: string): Promise<number[]> {
  const byId = new Map((await bench.published(productId)).map((one) => [one.batchId, one]));
  return [...byId.values()]
    .flatMap(({ event }) => event.orders.flatMap(({ units }) => units))
    .flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, at) => first + at))
    .sort((a, b) => a - b);
}
export const numbersTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

/** A step that waits until it is let go. */
export function gate() {
  let open: () => void = () => undefined;
  let reached: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const isReached = new Promise<void>((resolve) => {
    reached = resolve;
  });
  return {
    open,
    isReached,
    async pass() {
      reached();
      await opened;
    },
  };
}

/** Whether it has come to its end already. */
export async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const open = Symbol();
  // Long enough for what is decided already to be said.
  const soon = new Promise((resolve) => setTimeout(resolve, 50, open));
  return (await Promise.race([promise, soon])) !== open;
}

/** A lock that says it ran out once it was asked so often. */
export const heldFor = (asks: number) => (held: HeldLock) => {
  let asked = 0;
  return new Proxy(held, {
    get(target, name) {
      if (name === 'isHeld') return () => ++asked <= asks && target.isHeld();
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
};
