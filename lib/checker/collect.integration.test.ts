import { and, eq } from 'drizzle-orm';
import type { Redis } from 'ioredis';
import { type Admin, type Consumer, Kafka, logLevel, type Producer } from 'kafkajs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { migrate } from '#functions/persist-order/migrate.ts';
import { readEnvironment } from '#lib/environment.ts';
import { sign } from '#lib/http/signature.ts';
import { kafkaAccessIn, kafkaConfigOf } from '#lib/kafka/access.ts';
import { markTopics } from '#lib/kafka/topic-marks.ts';
import { connectMysql, type MysqlClient } from '#lib/mysql/connect.ts';
import {
  generations,
  operations,
  orders,
  orderUnits,
  products,
  stockMovements,
} from '#lib/mysql/schema.ts';
import { boardKey, boardKinds, productsBoardKey, saleKeys } from '#lib/names.ts';
import { connectRedis } from '#lib/redis/connect.ts';
import { createLog } from '#lib/telemetry/log.ts';
import { uniqueDatabase, uniqueName, uniqueProductId, uniqueTopic } from '#lib/testing/unique.ts';
import { check } from './check.ts';
import { cleanFacts } from './clean-sale.ts';
import { collectFacts, type EventNames, StoreUnavailable } from './collect.ts';
import type { Facts } from './facts.ts';

const env = readEnvironment(['SECKILL_REDIS_URL']);
const kafka = kafkaAccessIn();
const client = new Kafka({ ...kafkaConfigOf(kafka), logLevel: logLevel.NOTHING });

let redis: Redis;
let mysql: MysqlClient;
let producer: Producer;
let admin: Admin;
let sources: readonly Consumer[];
let names: EventNames;

beforeAll(async () => {
  redis = connectRedis({ urls: env.SECKILL_REDIS_URL }, createLog('test', 'silent')) as Redis;
  await new Promise((resolve) => redis.once('ready', resolve));
  const url = await uniqueDatabase();
  await migrate({ url: url });
  mysql = connectMysql({ url: url }, 2);
  producer = client.producer({ idempotent: true });
  admin = client.admin();
  await Promise.all([producer.connect(), admin.connect()]);
  names = {
    topic: await uniqueTopic(4),
    deadLetterTopics: {
      'persist-order': await uniqueTopic(1),
      'update-rank': await uniqueTopic(1),
    },
    groups: { 'persist-order': uniqueName('g-'), 'update-rank': uniqueName('g-') },
  };
  sources = await Promise.all(Object.values(names.groups).map(joinGroup));
});

/** A member through which the group's offsets can be committed; it reads, but does nothing. */
async function joinGroup(groupId: string): Promise<Consumer> {
  const consumer = client.consumer({ groupId, maxWaitTimeInMs: 100 });
  await consumer.connect();
  await consumer.subscribe({ topic: names.topic, fromBeginning: true });
  const joined = new Promise((resolve) => consumer.on(consumer.events.GROUP_JOIN, resolve));
  await consumer.run({ autoCommit: false, eachMessage: () => Promise.resolve() });
  await joined;
  return consumer;
}

afterAll(async () => {
  redis.disconnect();
  const clients = [producer, admin, ...sources];
  await Promise.all([mysql.pool.end(), ...clients.map((client) => client.disconnect())]);
});

const stores = () => ({ redis, mysql, kafka });
const verdictOn = async (productId: string) =>
  check(await collectFacts(stores(), productId, names));

async function produce(topic: string, productId: string, event: Facts['kafka']['events'][number]) {
  const { partition, id, data } = event;
  const headers = { ce_id: id, ce_subject: productId };
  await producer.send({ topic, messages: [{ partition, headers, value: data }] });
}

/** Both sources have got an answer for everything that is in the topic. */
async function deliverAll() {
  const ends = await admin.fetchTopicOffsets(names.topic);
  const offsets = ends.map(({ partition, high: offset }) => ({
    topic: names.topic,
    partition,
    offset,
  }));
  for (const source of sources) await source.commitOffsets(offsets);
}

/** Writes the clean sale into the stores; resolves with its facts. */
async function writeCleanSale(productId: string): Promise<Facts> {
  const facts = cleanFacts(productId);
  const keys = saleKeys(productId);
  const info = (await redis.info('server')) + (await redis.info('replication'));
  const write = redis
    .pipeline()
    .hset(keys.sale, facts.redis.sale)
    .hset(keys.sale, {
      run_id: /run_id:(\w+)/.exec(info)?.[1] ?? '',
      replid: /master_replid:(\w+)/.exec(info)?.[1] ?? '',
    })
    .hset(keys.orders, facts.redis.orders)
    .hset(keys.buyers, facts.redis.buyers)
    .zadd(productsBoardKey, facts.redis.productScore ?? 0, productId);
  for (const kind of boardKinds) {
    for (const [member, score] of facts.redis.boards[kind]) {
      write.zadd(boardKey(productId, kind), score, member);
    }
  }
  await write.exec();
  for (const event of facts.kafka.events) await produce(names.topic, productId, event);
  if (facts.mysql.product) await mysql.db.insert(products).values(facts.mysql.product);
  await mysql.db.insert(orders).values([...facts.mysql.orders]);
  await mysql.db.insert(orderUnits).values([...facts.mysql.units]);
  for (const line of facts.mysql.audit) {
    await mysql.db.insert(operations).values({ ...line, productId, operator: 'ann' });
  }
  for (const line of facts.mysql.ledger) {
    await mysql.db.insert(stockMovements).values({ ...line, productId, at: 1_000_000 });
  }
  await deliverAll();
  return facts;
}

test('a small sale written by hand is read back as it is, and is ok', async () => {
  const productId = uniqueProductId();
  await writeCleanSale(uniqueProductId());
  const written = await writeCleanSale(productId);
  const read = await collectFacts(stores(), productId, names);
  expect(read.mysql).toEqual({
    product: written.mysql.product,
    orders: expect.arrayContaining([...written.mysql.orders]) as unknown,
    units: expect.arrayContaining([...written.mysql.units]) as unknown,
    audit: written.mysql.audit,
    ledger: expect.arrayContaining([...written.mysql.ledger]) as unknown,
  });
  expect(read.redis.orders).toEqual(written.redis.orders);
  expect(read.redis.boards).toEqual(written.redis.boards);
  expect(read.kafka.events.map(({ id, data }) => [id, data]).sort()).toEqual(
    written.kafka.events.map(({ id, data }) => [id, data]).sort(),
  );
  expect(check(read)).toMatchObject({
    ...{ stock: 10, sold: 7, rows: 4, units: 7, oversold: 0, lost: 0, duplicated: 0, ranked: 3 },
    ...{ ok: true, problems: [], waiting: [] },
  });
});

test('what no key of ours has signed is told apart where the keys are at hand', async () => {
  const productId = uniqueProductId();
  const send = async (headers: Record<string, string>, value: string) => {
    await producer.send({
      topic: names.topic,
      messages: [{ partition: 1, headers: { ce_subject: productId, ...headers }, value }],
    });
  };
  const keys = ['a key of at least 32 characters, ours'];
  const id = `${productId}.1.1`;
  await send({ ce_id: id, ce_signature: sign(keys, id, 'x') }, 'x');
  await send({ ce_id: id, ce_signature: sign(['another key'], id, 'x') }, 'x');
  await send({}, 'x');
  const collect = async (signingKeys?: readonly string[]) => {
    const from = { ...stores(), ...(signingKeys && { signingKeys }) };
    return (await collectFacts(from, productId, names)).kafka.events;
  };
  const events = await collect(keys);
  const place = `1/${events[2]?.offset ?? ''}`;
  expect(events.map((event) => [event.id, event.signed])).toEqual([
    [id, true],
    [id, false],
    [place, false],
  ]);
  expect((await collect()).map(({ signed }) => signed)).toEqual([undefined, undefined, undefined]);
});

type Corrupt = (productId: string, facts: Facts) => Promise<unknown>;
const redisSale =
  (field: string, value: string): Corrupt =>
  (productId) =>
    redis.hset(saleKeys(productId).sale, field, value);
const redisOrder =
  (change: (text: string) => string): Corrupt =>
  async (productId, facts) => {
    const [orderId, text] = [...facts.redis.orders][0] ?? ['', ''];
    expect(change(text)).not.toBe(text);
    await redis.hset(saleKeys(productId).orders, orderId, change(text));
  };
const product =
  (values: Partial<typeof products.$inferInsert>): Corrupt =>
  (productId) =>
    mysql.db.update(products).set(values).where(eq(products.productId, productId));
const row =
  (values: Partial<typeof orders.$inferInsert>): Corrupt =>
  (_, facts) =>
    mysql.db
      .update(orders)
      .set(values)
      .where(eq(orders.orderId, facts.mysql.orders[0]?.orderId ?? ''));
const unit =
  (values: Partial<typeof orderUnits.$inferInsert>): Corrupt =>
  (_, facts) =>
    mysql.db
      .update(orderUnits)
      .set(values)
      .where(eq(orderUnits.orderId, facts.mysql.orders[1]?.orderId ?? ''));
const ledger =
  (values: Partial<typeof stockMovements.$inferInsert>): Corrupt =>
  (productId) =>
    mysql.db
      .update(stockMovements)
      .set(values)
      .where(
        and(
          eq(stockMovements.productId, productId),
          eq(stockMovements.reference, `${productId}.1.2`),
        ),
      );
/** The first event, produced once more with something else in it. */
const event =
  (change: (data: string) => string): Corrupt =>
  async (productId, facts) => {
    const [first] = facts.kafka.events;
    if (first === undefined) throw new Error('there is no event');
    expect(change(first.data)).not.toBe(first.data);
    await produce(names.topic, productId, { ...first, data: change(first.data) });
    await deliverAll();
  };

const corruptions: Record<string, Corrupt> = {
  'Redis: no sale': (productId) => redis.del(saleKeys(productId).sale),
  'Redis: version': redisSale('version', '9'),
  'Redis: generation': redisSale('generation', '2'),
  'Redis: revision': redisSale('revision', ''),
  'Redis: incarnation': redisSale('incarnation', ''),
  'Redis: name': redisSale('name', 'x'),
  'Redis: unit_price': redisSale('unit_price', '1'),
  'Redis: currency': redisSale('currency', 'USD'),
  'Redis: limit': redisSale('limit', '9'),
  'Redis: stock': redisSale('stock', '11'),
  'Redis: left': redisSale('left', '4'),
  'Redis: sold': redisSale('sold', '8'),
  'Redis: free': redisSale('free', '7-10'),
  'Redis: state': redisSale('state', 'paused'),
  'Redis: opens_at': redisSale('opens_at', ''),
  'Redis: closes_at': redisSale('closes_at', '1'),
  'Redis: batches': redisSale('batches', '1'),
  'Redis: last_at': redisSale('last_at', '1'),
  'Redis: order status': redisOrder((text) => text.replace('confirmed', 'rejected')),
  'Redis: order quantity': redisOrder((text) => text.replace('|2|', '|3|')),
  'Redis: order units': redisOrder((text) => text.replace('1-2', '2-3')),
  'Redis: order user': redisOrder((text) => text.replace(/ann$/, 'eve')),
  'Redis: order gone': (productId, facts) =>
    redis.hdel(saleKeys(productId).orders, [...facts.redis.orders.keys()][0] ?? ''),
  'Redis: order too many': (productId) =>
    redis.hset(saleKeys(productId).orders, `${productId}.x`, 'accepted|1|3|1|8-8|eve'),
  'Redis: buyer': (productId) => redis.hset(saleKeys(productId).buyers, 'ann', '1|3'),
  'Redis: buyer gone': (productId) => redis.hdel(saleKeys(productId).buyers, 'ann'),
  'Redis: outbox': (productId) => redis.hset(saleKeys(productId).outbox, '4', 'x'),
  ...Object.fromEntries(
    boardKinds.flatMap((kind): [string, Corrupt][] => [
      [`board by ${kind}`, (id) => redis.zincrby(boardKey(id, kind), 1, 'ann')],
      [`board by ${kind}, one missing`, (id) => redis.zrem(boardKey(id, kind), 'ann')],
    ]),
  ),
  'board of products': (productId) => redis.zincrby(productsBoardKey, 1, productId),
  'Kafka: another content': event((data) => data.replace('"quantity":2', '"quantity":1')),
  'Kafka: not JSON': event(() => '{'),
  'Kafka: an event nobody accepted': async (productId, facts) => {
    const data = (facts.kafka.events[0]?.data ?? '').replaceAll(
      `"${productId}.`,
      `"${productId}.0`,
    );
    await produce(names.topic, productId, {
      partition: 0,
      offset: 0,
      id: `${productId}.1.4`,
      data,
    });
    await deliverAll();
  },
  'MySQL: product gone': (id) => mysql.db.delete(products).where(eq(products.productId, id)),
  'MySQL: product name': product({ name: 'x' }),
  'MySQL: product price': product({ unitPrice: 1 }),
  'MySQL: product currency': product({ currency: 'USD' }),
  'MySQL: product stock': product({ stock: 11 }),
  'MySQL: product unsold': product({ unsold: 2 }),
  'MySQL: product limit': product({ limitPerUser: 2 }),
  'MySQL: product state': product({ state: 'closed' }),
  'MySQL: product opens': product({ opensAt: null }),
  'MySQL: product closes': product({ closesAt: 1_795_000_000_000_000 }),
  'MySQL: order gone': (_, { mysql: { orders: rows } }) =>
    mysql.db.delete(orders).where(eq(orders.orderId, rows[0]?.orderId ?? '')),
  'MySQL: order product': row({ productId: 'another' }),
  'MySQL: order user': row({ userId: 'eve' }),
  'MySQL: order quantity': row({ quantity: 3 }),
  'MySQL: order status': row({ status: 'rejected' }),
  'MySQL: order reason': row({ reason: 'x' }),
  'MySQL: order price': row({ unitPrice: 1 }),
  'MySQL: order currency': row({ currency: 'USD' }),
  'MySQL: order batch': row({ batchId: 'x' }),
  'MySQL: order first-at': row({ userFirstAt: 1_795_000_000_000_009 }),
  'MySQL: order user total': row({ userQuantity: 9 }),
  'MySQL: order running total': row({ sold: 9 }),
  'MySQL: order accepted-at': row({ acceptedAt: 1_795_000_000_000_009 }),
  'MySQL: order cancelled by nobody': row({ status: 'cancelled' }),
  'MySQL: audit log of another stock': (productId) =>
    mysql.db
      .update(operations)
      .set({ details: { stock: 9 } })
      .where(eq(operations.productId, productId)),
  'MySQL: unit number': unit({ unit: 8 }),
  'MySQL: unit beyond the stock': unit({ unit: 11 }),
  'MySQL: unit of another order': unit({ orderId: 'x' }),
  'MySQL: unit of another product': unit({ productId: 'another' }),
  'MySQL: ledger of other units': ledger({ units: -2 }),
  'MySQL: ledger of another kind': ledger({ kind: 'cancelled' }),
  'MySQL: ledger of another batch': ledger({ reference: 'x' }),
  'MySQL: ledger of another product': ledger({ productId: 'another' }),
  'MySQL: no ledger': (productId) =>
    mysql.db.delete(stockMovements).where(eq(stockMovements.productId, productId)),
};

test.each(Object.entries(corruptions))('what is wrong in a store shows: %s', async (_, corrupt) => {
  const productId = uniqueProductId();
  const facts = await writeCleanSale(productId);
  expect(await verdictOn(productId)).toMatchObject({ ok: true });
  await corrupt(productId, facts);
  const verdict = await verdictOn(productId);
  expect(verdict).toMatchObject({ ok: false, settling: false });
  expect(verdict.problems).not.toEqual([]);
});

test('after Redis was restarted the sale is not judged by it', async () => {
  const productId = uniqueProductId();
  await writeCleanSale(productId);
  await redis.hset(saleKeys(productId).sale, 'run_id', 'of-another-process');
  expect(await verdictOn(productId)).toMatchObject({ ok: false, settling: true });
});

test('an order in the dead letters is lost', async () => {
  const productId = uniqueProductId();
  const { kafka: inKafka, mysql: inMysql } = await writeCleanSale(productId);
  const [dead] = inKafka.events;
  if (dead === undefined) throw new Error('there is no event');
  await produce(names.deadLetterTopics['persist-order'], productId, { ...dead, partition: 0 });
  expect(await verdictOn(productId)).toMatchObject({ lost: 0, ok: true });
  for (const { orderId } of inMysql.orders.slice(0, 2)) {
    await mysql.db.delete(orders).where(eq(orders.orderId, orderId));
  }
  expect(await verdictOn(productId)).toMatchObject({ lost: 2, ok: false, settling: false });
});

test('a product that no store knows', async () => {
  const verdict = await verdictOn(uniqueProductId());
  expect(verdict).toMatchObject({ known: false, stock: 0, sold: 0, ok: false });
  expect(verdict.problems).toEqual(['MySQL does not know this product']);
});

test('a store that is away is named', async () => {
  const away = { ...stores(), kafka: { brokers: ['127.0.0.1:1'] } };
  const collecting = collectFacts(away, uniqueProductId(), names);
  await expect(collecting).rejects.toThrow(new StoreUnavailable('Kafka', undefined));
  const noMysql = connectMysql({ url: 'mysql://root@127.0.0.1:1/x' }, 1);
  await expect(
    collectFacts({ ...stores(), mysql: noMysql }, uniqueProductId(), names),
  ).rejects.toMatchObject({ store: 'MySQL' });
  await noMysql.pool.end();
  const noRedis = connectRedis({ urls: ['redis://127.0.0.1:1'] }, createLog('test', 'silent'));
  await expect(
    collectFacts({ ...stores(), redis: noRedis }, uniqueProductId(), names),
  ).rejects.toMatchObject({ store: 'Redis' });
  noRedis.disconnect();
});

test('what was in the topics before the first load is not read, and may have been deleted', async () => {
  const productId = uniqueProductId();
  const topic = await uniqueTopic(1);
  const own = { ...names, topic };
  const anHourAgo = Date.now() - 3_600_000;
  const send = (id: string, timestamp: number) => {
    const headers = { ce_id: id, ce_subject: productId };
    const messages = [{ partition: 0, headers, value: '{}', timestamp: String(timestamp) }];
    return producer.send({ topic, messages });
  };
  const kafkaOf = async () => (await collectFacts(stores(), productId, own)).kafka;
  await send('before', anHourAgo);
  const marks = await markTopics(kafka, [topic]);
  await send('after', Date.now());
  expect((await kafkaOf()).events.map(({ id }) => id)).toEqual(['before', 'after']);
  await mysql.db.insert(generations).values({
    ...{ productId, generation: 1, reason: 'first' },
    ...{ topicEnds: marks.ends, at: marks.atMs * 1_000 },
  });
  expect((await kafkaOf()).events.map(({ id }) => id)).toEqual(['after']);

  const deleteTo = async (offset: string) => {
    await admin.fetchTopicOffsets(topic);
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset }] });
    return (await kafkaOf()).complete;
  };
  expect(await deleteTo('1')).toBe(true);
  expect(await deleteTo('2')).toBe(false);
});
