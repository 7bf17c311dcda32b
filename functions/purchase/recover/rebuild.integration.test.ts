import { and, eq } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { redis as redisStore } from '#knative/local/stores/redis.ts';
import { sign } from '#lib/http/signature.ts';
import { connectProducer } from '#lib/kafka/producer.ts';
import { markTopics, type TopicEnds } from '#lib/kafka/topic-marks.ts';
import { deadLetterDecisions, generations, orders, orderUnits } from '#lib/mysql/schema.ts';
import { deadLetterTopics, eventType, ordersTopic, saleKeys, topics } from '#lib/names.ts';
import { batchIdOf } from '#lib/order-event.ts';
import { connectRedis } from '#lib/redis/connect.ts';
import { parseOrderRecord } from '#lib/sale/order-record.ts';
import { claim, sell } from '#lib/sale/sale.ts';
import { anEvent } from '#lib/testing/order-events.ts';
import { startOwnStore } from '#lib/testing/own-store.ts';
import { uniqueName } from '#lib/testing/unique.ts';
import { ignoreUnsigned } from '../operate/ignore-unsigned.ts';
import { openApp } from '../testing/app-fixture.ts';
import {
  accepted,
  aPurchase,
  type Bench,
  gate,
  log,
  many,
  openOwnBench,
  replayed,
  unavailable,
  unitsPublished,
} from '../testing/purchase-fixture.ts';
import { eventLogOf } from './read-events.ts';
import { NotOnSale, RebuildBlocked, RebuildFailed } from './rebuild.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await openOwnBench();
});
afterAll(() => bench.close());

const statusesOf = async (productId: string) => {
  const rows = await bench.mysql.db.select().from(orders).where(eq(orders.productId, productId));
  return rows.map(({ status }) => status);
};

/** A product of which one instance has sold 3 units; what Kafka has of it has no rows yet. */
async function soldWithoutRows() {
  const productId = await bench.product({ stock: 10 });
  const instance = bench.instance();
  const purchases = many(productId, 3);
  for (const purchase of purchases) {
    expect(await instance.seller.purchase(productId, [purchase])).toEqual([accepted]);
  }
  expect(await bench.published(productId)).toHaveLength(3);
  return { productId, instance, purchases, keys: saleKeys(productId) };
}

describe('Redis has lost the sale', () => {
  type Keys = ReturnType<typeof saleKeys>;

  test.each<[string, (keys: Keys) => Promise<unknown>]>([
    ['its keys are gone', (keys) => bench.redis.del(...Object.values(keys))],
    ['its orders are gone', (keys) => bench.redis.del(keys.orders)],
    ['Redis is another process', (keys) => bench.redis.hset(keys.sale, 'run_id', 'f'.repeat(40))],
    ['another Redis took over', (keys) => bench.redis.hset(keys.sale, 'replid', 'f'.repeat(40))],
    ['a rebuild was not finished', (keys) => bench.redis.hset(keys.sale, 'state', 'loading')],
  ])('%s: what was accepted is published again, awaited, and stays accepted', async (_, lose) => {
    const { productId, purchases, keys } = await soldWithoutRows();
    await lose(keys);
    const { seller } = bench.instance();
    const answer = seller.purchase(productId, purchases);
    // Nobody has written the rows, so nothing may be decided before they are published again.
    await vi.waitFor(async () => {
      expect(await bench.published(productId)).toHaveLength(6);
    }, 20_000);
    expect(await statusesOf(productId)).toEqual([]);
    await bench.persistAll(productId);
    expect(await answer).toEqual([replayed, replayed, replayed]);

    expect((await bench.row(productId)).generation).toBe(2);
    const [next] = await seller.purchase(productId, [aPurchase(productId)]);
    expect(next).toEqual(accepted);
    await bench.persistAll(productId);
    expect(await unitsPublished(bench, productId)).toEqual([1, 2, 3, 4]);
    expect(await statusesOf(productId)).toEqual(Array.from({ length: 4 }, () => 'confirmed'));
  });

  test('Redis is killed and started again, with the last second missing or not', async () => {
    const store = await startOwnStore(redisStore);
    const client = connectRedis({ urls: [store.address] }, log);
    try {
      const productId = await bench.product({ stock: 10 });
      const { seller, rebuilds } = bench.instance({ redis: client });
      expect(rebuilds).toBe(0);
      const purchases = many(productId, 3);
      await vi.waitFor(async () => {
        expect(await seller.purchase(productId, purchases)).not.toContainEqual(unavailable);
      }, 20_000);
      await store.stop();
      expect(await seller.purchase(productId, purchases)).toEqual(purchases.map(() => unavailable));
      await bench.persistAll(productId);
      await store.start();
      await vi.waitFor(async () => {
        expect(await seller.purchase(productId, purchases)).toEqual(purchases.map(() => replayed));
      }, 20_000);
      expect((await bench.row(productId)).generation).toBe(2);
      expect(await seller.purchase(productId, many(productId, 1))).toEqual([accepted]);
      expect(await unitsPublished(bench, productId)).toEqual([1, 2, 3, 4]);
    } finally {
      client.disconnect();
      await store.remove();
    }
  });

  test('what was never published is forgotten: its buyer was told nothing, and may buy', async () => {
    const productId = await bench.product({ stock: 1 });
    const instance = bench.instance();
    instance.aroundPublish = () => Promise.reject(new Error('Kafka is away'));
    const purchase = aPurchase(productId);
    expect(await instance.seller.purchase(productId, [purchase])).toEqual([unavailable]);
    await bench.redis.del(...Object.values(saleKeys(productId)));
    instance.aroundPublish = (publish) => publish();
    const another = aPurchase(productId);
    expect(await instance.seller.purchase(productId, [another, purchase])).toEqual([
      accepted,
      { outcome: 'sold_out', left: 0 },
    ]);
  });

  test('what is published only after the generation was raised is dropped, and sold anew', async () => {
    const productId = await bench.product({ stock: 1 });
    const late = bench.instance();
    const publishing = gate();
    late.aroundPublish = async (publish) => {
      await publishing.pass();
      await publish();
    };
    const purchase = aPurchase(productId);
    const lateAnswer = late.seller.purchase(productId, [purchase]);
    await publishing.isReached;
    await bench.endHolder(productId);
    await bench.redis.del(...Object.values(saleKeys(productId)));
    const { seller } = bench.instance();
    const another = aPurchase(productId);
    expect(await seller.purchase(productId, [another])).toEqual([accepted]);
    publishing.open();
    expect(await lateAnswer).toEqual([unavailable]);

    // Both are in the topic, for the same unit.
    expect(await unitsPublished(bench, productId)).toEqual([1, 1]);
    await bench.persistAll(productId);
    expect(await statusesOf(productId)).toEqual(['confirmed']);
    expect(await seller.purchase(productId, [purchase, another])).toEqual([
      { outcome: 'sold_out', left: 0 },
      replayed,
    ]);
  });
});

describe('what Kafka holds', () => {
  const event = (productId: string, unit: number, generation = 1) =>
    anEvent(productId, [{ units: [[unit, unit]] }], { generation });

  async function send(
    topic: string,
    { productId, generation, ...rest }: ReturnType<typeof anEvent>,
    others: { value?: string; signature?: string; number?: number; type?: string } = {},
  ): Promise<void> {
    const batchId = batchIdOf(productId, generation, others.number ?? 7);
    const value = others.value ?? JSON.stringify({ productId, generation, ...rest });
    const headers = {
      'content-type': 'application/json',
      ce_specversion: '1.0',
      ce_type: others.type ?? eventType,
      ce_id: batchId,
      ce_subject: productId,
      ce_signature: others.signature ?? sign(bench.signingKeys, batchId, value),
    };
    const producer = await connectProducer(bench.kafka);
    await producer.send(topic, [{ partition: 0, headers, value }]);
    producer.discard();
  }

  test('an acceptance that is only in the dead letters gets its row', async () => {
    const productId = await bench.product({ generation: 1 });
    const dead = event(productId, 4);
    await send(deadLetterTopics['persist-order'], dead);
    const { seller } = bench.instance();
    const [order] = dead.orders;
    const same = { orderId: order?.orderId ?? '', userId: order?.userId ?? '', quantity: 1 };
    const answer = seller.purchase(productId, [same]);
    await vi.waitFor(async () => {
      expect(await bench.published(productId)).toHaveLength(1);
    }, 20_000);
    await bench.persistAll(productId);
    expect(await answer).toEqual([replayed]);
    expect(await bench.redis.hget(saleKeys(productId).sale, 'free')).toBe('1-3,5-10');
  });

  test('what an operator has dropped is not waited for, until it is to be replayed', async () => {
    const productId = await bench.product({ generation: 1 });
    const topic = deadLetterTopics['persist-order'];
    await send(topic, event(productId, 4));
    const decide = (action: 'dropped' | 'replayed', at: number) =>
      bench.mysql.db.insert(deadLetterDecisions).values({
        // Of the same batch, which died twice.
        ...{ topic, partition: 0, offset: Date.now() + at, diedMs: at, at },
        ...{ productId, batchId: batchIdOf(productId, 1, 7), action },
        ...{ operator: 'ann', operationId: uniqueName('op-') },
      });
    const rebuild = () =>
      bench.instance({ rowsTimeoutMs: 200 }).seller.exclusively(productId, () => Promise.resolve());
    await expect(rebuild()).rejects.toThrow(RebuildFailed);
    await decide('dropped', 1);
    await decide('replayed', 2);
    await expect(rebuild()).rejects.toThrow(RebuildFailed);
    await decide('dropped', 3);
    const published = (await bench.published(productId)).length;
    await rebuild();
    expect(await bench.published(productId)).toHaveLength(published);
    expect(await bench.redis.hget(saleKeys(productId).sale, 'free')).toBe('1-10');
    expect((await bench.row(productId)).generation).toBe(2);
  });

  describe('that a key of ours has signed and nobody can read', () => {
    const batchId = (productId: string) => batchIdOf(productId, 3, 777);
    const drop = async (productId: string) => {
      const at = Date.now();
      await bench.mysql.db.insert(deadLetterDecisions).values({
        ...{ topic: deadLetterTopics['persist-order'], partition: 0, offset: at, diedMs: at, at },
        ...{ productId, batchId: batchId(productId), action: 'dropped' },
        ...{ operator: 'ann', operationId: uniqueName('op-') },
      });
    };

    test.each(['no JSON', '{}', '{"productId":7}'])(
      '%s: keeps the sale from being loaded, until it is dropped',
      async (value) => {
        const productId = await bench.product({ generation: 3 });
        await send(ordersTopic, event(productId, 4, 3), { value, number: 777 });
        const told = vi.spyOn(log, 'error');
        const { seller } = bench.instance();
        const app = openApp(bench, { seller });
        const why = new RegExp(
          `cannot be read .*: ${batchId(productId)}\\. .*dead-letters list --product ${productId}`,
        );
        for (const change of ['warm', 'open']) {
          expect(await app.operate(`sales/${productId}/${change}`)).toMatchObject({
            ...{ status: 503, body: { detail: expect.stringMatching(why) as string } },
          });
        }
        const { body } = await app.operate('sales/warm', { body: { productIds: [productId] } });
        expect(body.sales).toEqual([
          { productId, result: 'failed', reason: expect.stringMatching(why) as string },
        ]);
        expect(await seller.purchase(productId, many(productId, 1))).toEqual([unavailable]);
        expect((await bench.row(productId)).generation).toBe(3);
        expect(told).toHaveBeenCalledExactlyOnceWith(
          { productId, err: expect.any(RebuildBlocked) as Error },
          'a sale waits for an operator',
        );
        told.mockRestore();

        await drop(productId);
        expect((await app.operate(`sales/${productId}/warm`)).status).toBe(200);
        expect(await seller.purchase(productId, many(productId, 1))).toEqual([accepted]);
        expect((await bench.row(productId)).generation).toBe(4);
      },
    );

    test('of another version of ours, it may hold accepted orders; nobody’s is left alone', async () => {
      const productId = await bench.product({ generation: 3 });
      const type = 'seckill.orders.accepted.v2';
      const { seller } = bench.instance();
      await send(ordersTopic, event(productId, 4, 3), { type, number: 777, signature: '' });
      await seller.exclusively(productId, () => Promise.resolve());
      const another = await bench.product({ generation: 3 });
      await send(ordersTopic, event(another, 4, 3), { type, number: 777 });
      const loading = () => seller.exclusively(another, () => Promise.resolve());
      await expect(loading()).rejects.toThrow(RebuildBlocked);
      await drop(another);
      await loading();
      expect(await bench.published(another)).toHaveLength(1);
    });

    test('of a generation that was left behind is left alone, of a newer one keeps its name', async () => {
      const productId = await bench.product({ generation: 2 });
      await send(ordersTopic, event(productId, 4, 1), { value: '{}' });
      await bench.instance().seller.exclusively(productId, () => Promise.resolve());
      expect((await bench.row(productId)).generation).toBe(3);

      const another = await bench.product({ generation: 1 });
      await send(ordersTopic, event(another, 4, 3), { value: '{}', number: 777 });
      await drop(another);
      await bench.instance().seller.exclusively(another, () => Promise.resolve());
      expect((await bench.row(another)).generation).toBe(4);
    });
  });

  test('what an older generation left without a row is not waited for', async () => {
    const productId = await bench.product({ generation: 3 });
    await send(ordersTopic, event(productId, 4, 2));
    const { seller } = bench.instance();
    expect(await seller.purchase(productId, many(productId, 1))).toEqual([accepted]);
    expect(await unitsPublished(bench, productId)).toEqual([1, 4]);
  });

  test('what MySQL knew before it was put back to an earlier state is known again', async () => {
    const productId = await bench.product({ generation: 2 });
    const events = [event(productId, 4, 2), event(productId, 5, 4)];
    for (const one of events) await send(ordersTopic, one);
    const { seller } = bench.instance();
    const same = events.map(({ orders: [order] }) => ({
      orderId: order?.orderId ?? '',
      userId: order?.userId ?? '',
      quantity: 1,
    }));
    const answer = seller.purchase(productId, same);
    await vi.waitFor(async () => {
      expect(await bench.published(productId)).toHaveLength(4);
    }, 20_000);
    await bench.persistAll(productId);
    expect(await answer).toEqual([replayed, replayed]);
    // Beyond every event's: the names of their batches are taken.
    expect((await bench.row(productId)).generation).toBe(5);
  });

  // Whoever may write to the topic but has no key must not get orders signed by the rebuild.
  describe('that is not signed by a key of ours', () => {
    test('and cannot be an accepted order is left alone', async () => {
      const productId = await bench.product({ generation: 2 });
      await send(ordersTopic, event(productId, 4, 1), { signature: 'f'.repeat(64) });
      await send(ordersTopic, event(productId, 5, 2), { value: 'no event at all', signature: '' });
      const ofAnother = JSON.stringify(event('another', 1, 2));
      await send(ordersTopic, event(productId, 5, 2), { value: ofAnother, signature: '' });
      await send(deadLetterTopics['persist-order'], event(productId, 6), {
        value: '{}',
        signature: '',
      });
      const { seller } = bench.instance();
      expect(await seller.purchase(productId, many(productId, 1))).toEqual([accepted]);
      expect((await bench.row(productId)).generation).toBe(3);
      expect(await unitsPublished(bench, productId).catch(() => 'unreadable')).toBe('unreadable');
    });

    test('and has its rows is left alone', async () => {
      const { productId, purchases, keys } = await soldWithoutRows();
      await bench.persistAll(productId);
      await bench.redis.del(...Object.values(keys));
      const { seller } = bench.instance({ ...eventLogOf({ ...bench, signingKeys: ['another'] }) });
      expect(await seller.purchase(productId, purchases)).toEqual([replayed, replayed, replayed]);
    });

    const rebuildWith = (productId: string, signingKeys: readonly string[]) =>
      bench
        .instance({ ...eventLogOf({ ...bench, signingKeys }) })
        .seller.exclusively(productId, () => Promise.resolve());

    test('may be of a retired key: nothing is loaded until that is there again', async () => {
      const { productId, purchases, keys } = await soldWithoutRows();
      await bench.redis.del(...Object.values(keys));
      const alone = rebuildWith(productId, ['a new key']);
      await expect(alone).rejects.toThrow(
        /3 events of .* put the retired key back .* kn-seckill sale ignore-unsigned/,
      );
      expect((await bench.row(productId)).generation).toBe(1);
      const { seller } = bench.instance({
        ...eventLogOf({ ...bench, signingKeys: ['a new key', ...bench.signingKeys] }),
      });
      const answer = seller.purchase(productId, purchases);
      await vi.waitFor(async () => {
        expect(await bench.published(productId)).toHaveLength(6);
      }, 20_000);
      await bench.persistAll(productId);
      expect(await answer).toEqual([replayed, replayed, replayed]);
    });

    test('is none of ours where an operator says so, for this generation', async () => {
      const productId = await bench.product({ generation: 1 });
      await send(ordersTopic, event(productId, 4), { signature: 'f'.repeat(64) });
      await expect(rebuildWith(productId, bench.signingKeys)).rejects.toThrow(RebuildFailed);
      const operation = { operationId: uniqueName('op-'), operator: 'ops' };
      await ignoreUnsigned(bench, productId, operation);
      await ignoreUnsigned(bench, productId, operation);
      await rebuildWith(productId, bench.signingKeys);
      expect((await bench.row(productId)).generation).toBe(2);
      expect(await bench.redis.hget(saleKeys(productId).sale, 'free')).toBe('1-10');

      await send(ordersTopic, event(productId, 5, 2), { signature: 'f'.repeat(64) });
      await expect(rebuildWith(productId, bench.signingKeys)).resolves.toBeUndefined();
      await bench.redis.del(saleKeys(productId).sale);
      await expect(rebuildWith(productId, bench.signingKeys)).rejects.toThrow(RebuildFailed);
    });
  });

  describe('is read from where its generation began', () => {
    /** How many events a rebuild gets to see. */
    function counting() {
      const { readEvents: read } = eventLogOf(bench);
      const seen = { events: 0 };
      const readEvents: typeof read = async function* (...args) {
        for await (const one of read(...args)) {
          seen.events += 1;
          yield one;
        }
      };
      return { seen, readEvents };
    }
    const notesOf = (productId: string) =>
      bench.mysql.db.select().from(generations).where(eq(generations.productId, productId));

    test('each generation is noted, with where the topics ended before it', async () => {
      const { productId, keys } = await soldWithoutRows();
      await bench.persistAll(productId);
      await bench.redis.del(...Object.values(keys));
      await bench.instance().seller.exclusively(productId, () => Promise.resolve());
      const [first, second, ...more] = await notesOf(productId);
      expect(more).toEqual([]);
      expect([first?.generation, second?.generation]).toEqual([1, 2]);
      const { ends } = await markTopics(bench.kafka, Object.keys(first?.topicEnds ?? {}));
      expect(Object.keys(ends).sort()).toEqual(topics.map(({ name }) => name).sort());
      const sum = (all: TopicEnds | undefined) =>
        Object.values(all?.[ordersTopic] ?? {}).reduce((total, end) => total + end, 0);
      expect(sum(second?.topicEnds) - sum(first?.topicEnds)).toBeGreaterThanOrEqual(3);
    });

    test('a later rebuild sees the events of its own generation only', async () => {
      const { productId, keys, instance } = await soldWithoutRows();
      await bench.persistAll(productId);
      const rebuildCounting = async () => {
        // The whole topic is younger than a minute: then marks might be those of another one.
        await bench.mysql.db
          .update(generations)
          .set({ at: (Date.now() + 120_000) * 1_000 })
          .where(eq(generations.productId, productId));
        await bench.redis.del(...Object.values(keys));
        const { seen, readEvents } = counting();
        const { seller } = bench.instance({ readEvents });
        await seller.exclusively(productId, () => Promise.resolve());
        await seller.stop();
        return seen.events;
      };
      await instance.seller.stop();
      expect(await rebuildCounting()).toBe(3);
      expect(await rebuildCounting()).toBe(0);
      const { seller } = bench.instance();
      expect(await seller.purchase(productId, many(productId, 1))).toEqual([accepted]);
      await bench.persistAll(productId);
      await seller.stop();
      expect(await rebuildCounting()).toBe(1);
    });

    test('a generation of which nothing is noted is read from the beginning', async () => {
      const { productId, purchases, keys } = await soldWithoutRows();
      await bench.persistAll(productId);
      await bench.mysql.db.delete(generations).where(eq(generations.productId, productId));
      await bench.redis.del(...Object.values(keys));
      const { seen, readEvents } = counting();
      const { seller } = bench.instance({ readEvents });
      expect(await seller.purchase(productId, purchases)).toEqual([replayed, replayed, replayed]);
      expect(seen.events).toBe(3);
    });
  });

  test('rows that do not come in time: nothing is raised, nothing is sold', async () => {
    const { productId, keys } = await soldWithoutRows();
    await bench.redis.del(...Object.values(keys));
    const { seller } = bench.instance({ rowsTimeoutMs: 300 });
    expect(await seller.purchase(productId, many(productId, 1))).toEqual([unavailable]);
    expect((await bench.row(productId)).generation).toBe(1);
    expect(await bench.redis.hget(keys.sale, 'state')).toBe('loading');
    await bench.persistAll(productId);
    expect(await seller.purchase(productId, many(productId, 1))).toEqual([accepted]);
  });
});

describe('what MySQL holds', () => {
  test('becomes the sale: only confirmed orders hold units and count for the limit', async () => {
    const productId = await bench.product({
      generation: 4,
      stock: 10,
      unsold: 7,
      limitPerUser: 3,
      name: 'Schuh “42”',
      unitPrice: 1,
      currency: 'EUR',
      opensAt: 1_700_000_000_000_001,
      closesAt: 1_900_000_000_000_002,
      state: 'paused',
    });
    const row = (orderId: string, values: Partial<typeof orders.$inferInsert>) => ({
      ...{ orderId, productId, userId: 'ann', quantity: 1, status: 'confirmed' as const },
      ...{ unitPrice: 1, currency: 'EUR', batchId: 'b', userFirstAt: 1_800_000_000_000_005 },
      ...{ userQuantity: 1, sold: 1, acceptedAt: 1_800_000_000_000_001, createdAt: 1_000_000 },
      ...values,
    });
    await bench.mysql.db
      .insert(orders)
      .values([
        row('one', { quantity: 2 }),
        row('two', { userFirstAt: 1_800_000_000_000_003 }),
        row('three', { userId: 'bob|x', status: 'rejected', reason: 'unit_taken' }),
        row('four', { userId: 'ann ', status: 'cancelled' }),
      ]);
    await bench.mysql.db.insert(orderUnits).values([
      { productId, unit: 3, orderId: 'one' },
      { productId, unit: 4, orderId: 'one' },
      { productId, unit: 9, orderId: 'two' },
    ]);
    const { seller } = bench.instance();
    await seller.exclusively(productId, () => Promise.resolve());

    const keys = saleKeys(productId);
    expect(await bench.redis.hgetall(keys.sale)).toMatchObject({
      generation: '5',
      name: 'Schuh “42”',
      unit_price: '1',
      currency: 'EUR',
      limit: '3',
      stock: '10',
      left: '7',
      sold: '3',
      free: '1-2,5-8,10-10',
      state: 'paused',
      opens_at: '1700000000000001',
      closes_at: '1900000000000002',
      batches: '0',
    });
    expect(await bench.redis.hgetall(keys.buyers)).toEqual({ ann: '1800000000000003|3' });
    const records = await bench.redis.hgetall(keys.orders);
    const found = Object.entries(records).map(([id, text]) => [id, parseOrderRecord(text)]);
    expect(Object.fromEntries(found)).toMatchObject({
      one: { status: 'confirmed', quantity: 2, batchNumber: 0, units: [[3, 4]], userId: 'ann' },
      two: { status: 'confirmed', units: [[9, 9]], userId: 'ann' },
      three: { status: 'rejected', units: [], userId: 'bob|x' },
      four: { status: 'cancelled', units: [], userId: 'ann ' },
    });
    // Later than everything that was accepted, by more than an event is long.
    const lastAt = Number(await bench.redis.hget(keys.sale, 'last_at'));
    expect(lastAt).toBeGreaterThanOrEqual(1_800_000_000_000_005 + 200);
  });

  test('a sale of thousands of orders is loaded whole', async () => {
    const stock = 2_500;
    const productId = await bench.product({ stock, unsold: 0, generation: 1 });
    const numbers = Array.from({ length: stock }, (_, index) => index + 1);
    await bench.mysql.db.insert(orders).values(
      numbers.map((unit) => ({
        ...{ orderId: `${productId}.${unit}`, productId, userId: `user-${unit}`, quantity: 1 },
        ...{ status: 'confirmed' as const, unitPrice: 1, currency: 'CNY', batchId: 'b' },
        ...{ userFirstAt: 1_000_000, userQuantity: 1, sold: unit, acceptedAt: 1_000_000 },
        createdAt: 1_000_000,
      })),
    );
    await bench.mysql.db
      .insert(orderUnits)
      .values(numbers.map((unit) => ({ productId, unit, orderId: `${productId}.${unit}` })));
    const { seller } = bench.instance();
    expect(await seller.purchase(productId, many(productId, 1))).toEqual([
      { outcome: 'sold_out', left: 0 },
    ]);
    const keys = saleKeys(productId);
    expect(await bench.redis.hlen(keys.orders)).toBe(stock);
    expect(await bench.redis.hlen(keys.buyers)).toBe(stock);
  });
});

describe('a rebuild that may not be', () => {
  test('a settled sale and an unknown product stay out of Redis', async () => {
    const settled = await bench.product({ state: 'settled' });
    const { seller } = bench.instance();
    for (const productId of [settled, 'no-such-product']) {
      const work = seller.exclusively(productId, () => Promise.resolve());
      await expect(work).rejects.toThrow(NotOnSale);
      expect(await bench.redis.exists(...Object.values(saleKeys(productId)))).toBe(0);
    }
  });

  test('a closed sale is rebuilt, and stays closed', async () => {
    const productId = await bench.product({ state: 'closed' });
    const { seller } = bench.instance();
    expect(await seller.purchase(productId, many(productId, 1))).toEqual([{ outcome: 'ended' }]);
  });

  test('without the lock nothing is touched', async () => {
    const productId = await bench.product();
    const instance = bench.instance();
    instance.wrapLock = (held) => ({
      ...{ productId, token: held.token, lost: held.lost },
      deadlineMs: () => held.deadlineMs(),
      isHeld: () => true,
      othersWait: () => held.othersWait(),
      onContended: (listener) => {
        held.onContended(listener);
      },
      confirm: () => Promise.resolve(false),
      release: () => held.release(),
    });
    const work = instance.seller.exclusively(productId, () => Promise.resolve());
    await expect(work).rejects.toThrow(RebuildFailed);
    expect(await bench.redis.exists(saleKeys(productId).sale)).toBe(0);
    expect((await bench.row(productId)).generation).toBe(0);
  });

  test('whose claim is overtaken loads nothing', async () => {
    const productId = await bench.product();
    const instance = bench.instance({
      // The reading of events is the last step before the generation is raised.
      async *readEvents() {
        await claim(bench.redis, productId, 'another');
        yield* [];
      },
    });
    await bench.update(productId, { generation: 1 });
    const work = instance.seller.exclusively(productId, () => Promise.resolve());
    await expect(work).rejects.toThrow('another rebuild has claimed the sale');
    const fence = { generation: 2, revision: Number.MAX_SAFE_INTEGER, incarnation: 1 };
    expect((await sell(bench.redis, productId, fence, [])).kind).toBe('loading');
    expect(await bench.instance().seller.purchase(productId, many(productId, 1))).toEqual([
      accepted,
    ]);
    expect((await bench.row(productId)).generation).toBe(3);
  });

  test('that finds the generation raised meanwhile raises nothing', async () => {
    const productId = await bench.product({ generation: 1 });
    const instance = bench.instance({
      async *readEvents() {
        await bench.update(productId, { generation: 2 });
        yield* [];
      },
    });
    const work = instance.seller.exclusively(productId, () => Promise.resolve());
    await expect(work).rejects.toThrow('another rebuild has raised the generation');
    expect((await bench.row(productId)).generation).toBe(2);
    const rows = await bench.mysql.db
      .select()
      .from(orders)
      .where(and(eq(orders.productId, productId)));
    expect(rows).toEqual([]);
  });
});
