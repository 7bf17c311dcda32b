import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { purchaseDeadlineMs, sellerQueuePerProductMax, turnOrdersMax } from '#lib/constants.ts';
import { saleKeys } from '#lib/names.ts';
import { type PurchaseAnswer } from '#lib/outcome.ts';
import { type Purchase } from '#lib/sale/sale.ts';
import {
  accepted,
  aPurchase,
  type Bench,
  countOf,
  gate,
  isSettled,
  log,
  many,
  numbersTo,
  openOwnBench,
  replayed,
  unavailable,
  unitsPublished,
} from './testing/purchase-fixture.ts';
import { drainAll } from './tick.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await openOwnBench();
});
afterAll(() => bench.close());

describe('a sale from end to end', () => {
  test('200 buyers for 50 units: 50 are accepted and durable, and asking again changes nothing', async () => {
    const productId = await bench.product({ stock: 50 });
    const { seller, rebuilds } = bench.instance();
    expect(rebuilds).toBe(0);
    const purchases = many(productId, 200);
    const ask = () =>
      Promise.all(purchases.map((purchase) => seller.purchase(productId, [purchase])));

    const answers = (await ask()).flat();
    expect(countOf(answers, 'accepted')).toBe(50);
    expect(countOf(answers, 'sold_out')).toBe(150);
    expect(await unitsPublished(bench, productId)).toEqual(numbersTo(50));
    const events = await bench.published(productId);

    const again = (await ask()).flat();
    expect(again.map(({ outcome }) => outcome)).toEqual(
      answers.map(({ outcome }) => (outcome === 'accepted' ? 'replayed' : outcome)),
    );
    expect(await bench.published(productId)).toEqual(events);
  });

  test('answers come in the order of the purchases, each its own', async () => {
    const productId = await bench.product({ stock: 5, limitPerUser: 3 });
    const { seller } = bench.instance();
    const one = aPurchase(productId, { userId: 'one', quantity: 3 });
    expect(
      await seller.purchase(productId, [
        one,
        { ...one, quantity: 2 },
        one,
        aPurchase(productId, { userId: 'one' }),
        aPurchase(productId, { userId: 'two', quantity: 3 }),
        aPurchase(productId, { userId: 'two', quantity: 2 }),
      ]),
    ).toEqual([
      { outcome: 'accepted', quantity: 3 },
      { outcome: 'key_reused' },
      { outcome: 'replayed', quantity: 3 },
      { outcome: 'limit_reached' },
      { outcome: 'sold_out', left: 0 },
      { outcome: 'accepted', quantity: 2 },
    ]);
  });

  test('two instances contend for one product: both sell, and never too much', async () => {
    const productId = await bench.product({ stock: 60 });
    const instances = [bench.instance(), bench.instance()];
    const purchases = many(productId, 90);
    const ask = async (purchase: Purchase, index: number) =>
      (await instances[index % 2]?.seller.purchase(productId, [purchase])) ?? [];
    const answers: PurchaseAnswer[] = [];
    for (let at = 0; at < purchases.length; at += 10) {
      const some = await Promise.all(purchases.slice(at, at + 10).map(ask));
      answers.push(...some.flat());
    }
    expect(countOf(answers, 'accepted')).toBe(60);
    expect(countOf(answers, 'sold_out')).toBe(30);
    expect(await unitsPublished(bench, productId)).toEqual(numbersTo(60));
    for (const { turns } of instances) {
      expect(countOf(turns.flat(), 'accepted')).toBeGreaterThan(0);
    }
    // Each knows what the other has sold.
    const crosswise = await Promise.all(purchases.map((one, at) => ask(one, at + 1)));
    expect(countOf(crosswise.flat(), 'replayed')).toBe(60);
  });

  test('a product that is not on sale sells nothing, and fails nobody else', async () => {
    const { seller } = bench.instance();
    const productId = await bench.product();
    const [nothing, something] = await Promise.all([
      seller.purchase('no-such-product', [aPurchase('no-such-product')]),
      seller.purchase(productId, [aPurchase(productId)]),
    ]);
    expect([nothing, something]).toEqual([[{ outcome: 'unknown_product' }], [accepted]]);
  });

  test('no purchases have no answers, and the product sells on', async () => {
    const productId = await bench.product();
    const { seller } = bench.instance();
    expect(await seller.purchase(productId, [])).toEqual([]);
    expect(await seller.purchase(productId, [aPurchase(productId)])).toEqual([accepted]);
  });
});

describe('nobody is told accepted before it is durable', () => {
  test('the next batch is decided while the last is on its way, and the lock is kept for both', async () => {
    const productId = await bench.product();
    const instance = bench.instance();
    const publishing = gate();
    instance.aroundPublish = async (publish) => {
      await publishing.pass();
      await publish();
    };
    const purchases = [aPurchase(productId), aPurchase(productId)];
    const answers: Promise<unknown>[] = [];
    for (const [index, purchase] of purchases.entries()) {
      answers.push(instance.seller.purchase(productId, [purchase]));
      await vi.waitFor(async () => {
        expect(await bench.redis.hlen(saleKeys(productId).outbox)).toBe(index + 1);
      }, 10_000);
    }
    const next = bench.instance().seller.purchase(productId, [aPurchase(productId)]);
    expect(await isSettled(Promise.race([...answers, next]))).toBe(false);
    publishing.open();
    expect(await Promise.all([...answers, next])).toEqual([[accepted], [accepted], [accepted]]);
    // Nobody found leftovers: each batch is in the topic once.
    expect(await bench.published(productId)).toHaveLength(3);
  });

  test('an acceptance waits for Kafka, and so does its duplicate; a refusal does not', async () => {
    const productId = await bench.product();
    const instance = bench.instance();
    await instance.seller.purchase(productId, [aPurchase(productId, { userId: 'early' })]);
    const publishing = gate();
    instance.aroundPublish = async (publish) => {
      await publishing.pass();
      await publish();
    };
    const purchase = aPurchase(productId);
    const answer = instance.seller.purchase(productId, [purchase]);
    const same = instance.seller.purchase(productId, [purchase]);
    await publishing.isReached;
    expect(await bench.redis.hexists(saleKeys(productId).orders, purchase.orderId)).toBe(1);
    expect(await isSettled(Promise.race([answer, same]))).toBe(false);
    publishing.open();
    expect(await answer).toEqual([accepted]);
    expect(await same).toEqual([replayed]);
  });

  test('a refusal in the same turn is said at once', async () => {
    const productId = await bench.product();
    const instance = bench.instance();
    const [first, second] = [gate(), gate()];
    const gates = [first, second];
    instance.aroundPublish = async (publish) => {
      await gates.shift()?.pass();
      await publish();
    };
    const early = instance.seller.purchase(productId, [aPurchase(productId, { userId: 'early' })]);
    await first.isReached;
    // Both wait for the first turn to end, so one turn decides both.
    const bought = instance.seller.purchase(productId, [aPurchase(productId)]);
    const refused = instance.seller.purchase(productId, [
      aPurchase(productId, { userId: 'early' }),
    ]);
    first.open();
    await second.isReached;
    expect(await early).toEqual([accepted]);
    expect(await refused).toEqual([{ outcome: 'limit_reached' }]);
    expect(await isSettled(bought)).toBe(false);
    second.open();
    expect(await bought).toEqual([accepted]);
    expect(instance.turns.map((turn) => turn.length)).toEqual([1, 2]);
  });
});

describe('the queue', () => {
  test('is bounded: what does not fit is answered at once', async () => {
    const productId = await bench.product({ stock: 1 });
    const blocked = gate();
    const instance = bench.instance({
      acquire: async () => {
        await blocked.pass();
        throw new Error('etcd is away');
      },
    });
    const [one] = many(productId, 1) as [Purchase];
    const full = Array.from({ length: sellerQueuePerProductMax }, () => one);
    const waiting = instance.seller.purchase(productId, full);
    expect(await isSettled(waiting)).toBe(false);
    expect(await instance.seller.purchase(productId, [one])).toEqual([unavailable]);
    blocked.open();
    expect(countOf(await waiting, 'unavailable')).toBe(sellerQueuePerProductMax);
  });

  test('a purchase whose buyer has been told unavailable is not sold any more', async () => {
    const productId = await bench.product();
    const blocked = gate();
    const { locks } = bench.instance();
    const { seller, turns } = bench.instance({
      acquire: async (product) => {
        await blocked.pass();
        return locks.acquire(product);
      },
    });
    const sentAt = performance.now();
    expect(await seller.purchase(productId, many(productId, 2))).toEqual([
      unavailable,
      unavailable,
    ]);
    expect(performance.now() - sentAt).toBeGreaterThanOrEqual(purchaseDeadlineMs - 5);
    expect(performance.now() - sentAt).toBeLessThan(purchaseDeadlineMs + 1_000);
    blocked.open();
    expect(await seller.purchase(productId, many(productId, 1))).toEqual([accepted]);
    expect(turns.map((turn) => turn.length)).toEqual([1]);
    expect(await unitsPublished(bench, productId)).toEqual([1]);
  });

  test('large queues are sold in turns, in the order of arrival', async () => {
    const productId = await bench.product({ stock: 1_000 });
    const { seller, turns } = bench.instance();
    const purchases = many(productId, 1_200);
    const asked: Promise<PurchaseAnswer[]>[] = [];
    for (let at = 0; at < 1_200; at += 200) {
      asked.push(seller.purchase(productId, purchases.slice(at, at + 200)));
    }
    const answers = (await Promise.all(asked)).flat();
    expect(answers.map(({ outcome }) => outcome)).toEqual([
      ...numbersTo(1_000).map(() => 'accepted'),
      ...numbersTo(200).map(() => 'sold_out'),
    ]);
    expect(Math.max(...turns.map((turn) => turn.length))).toBeLessThanOrEqual(turnOrdersMax);
    expect(await unitsPublished(bench, productId)).toEqual(numbersTo(1_000));
  });
});

describe('leaving and taking over', () => {
  test('stop answers what was taken, gives the lock back and takes nothing new', async () => {
    const productId = await bench.product();
    const instance = bench.instance();
    const publishing = gate();
    instance.aroundPublish = async (publish) => {
      await publishing.pass();
      await publish();
    };
    const first = instance.seller.purchase(productId, [aPurchase(productId)]);
    await publishing.isReached;
    const second = instance.seller.purchase(productId, [aPurchase(productId)]);
    const stopped = instance.seller.stop();
    expect(await instance.seller.purchase(productId, many(productId, 1))).toEqual([unavailable]);
    await expect(instance.seller.exclusively(productId, () => Promise.resolve())).rejects.toThrow(
      'leaving',
    );
    expect(await isSettled(stopped)).toBe(false);
    publishing.open();
    await stopped;
    expect(await Promise.all([first, second])).toEqual([[accepted], [accepted]]);
    expect(instance.locks.state().held).toBe(0);
    expect(await bench.instance().seller.purchase(productId, many(productId, 1))).toEqual([
      accepted,
    ]);
  });

  test('stop waits for somebody else’s lock no longer than buyers wait', async () => {
    const productId = await bench.product();
    const other = bench.instance();
    const working = gate();
    const work = other.seller.exclusively(productId, () => working.pass());
    await working.isReached;
    const { seller } = bench.instance();
    const answer = seller.purchase(productId, many(productId, 1));
    const task = expect(seller.exclusively(productId, () => Promise.resolve())).rejects.toThrow(
      'leaving',
    );
    const stoppedAt = performance.now();
    await seller.stop();
    expect(performance.now() - stoppedAt).toBeLessThan(purchaseDeadlineMs + 2_000);
    expect(await answer).toEqual([unavailable]);
    await task;
    working.open();
    await work;
  });

  test('an idle instance keeps the lock until somebody else wants it', async () => {
    const productId = await bench.product();
    const [one, two] = [bench.instance(), bench.instance()];
    await one.seller.purchase(productId, many(productId, 1));
    expect(one.locks.state().held).toBe(1);
    expect(await two.seller.purchase(productId, many(productId, 1))).toEqual([accepted]);
    await vi.waitFor(() => {
      expect(one.locks.state().held).toBe(0);
    });
  });

  test('what a crashed instance sold but did not publish is published by the tick', async () => {
    const productId = await bench.product();
    const crashed = bench.instance();
    await crashed.seller.purchase(productId, [aPurchase(productId)]);
    crashed.aroundPublish = () => new Promise(() => undefined);
    const purchase = aPurchase(productId);
    const never = crashed.seller.purchase(productId, [purchase]);
    const { outbox } = saleKeys(productId);
    await vi.waitFor(async () => {
      expect(await bench.redis.hlen(outbox)).toBe(1);
    });
    await bench.endHolder(productId);

    const { seller } = bench.instance();
    await drainAll({ redis: bench.redis, mysql: bench.mysql, seller, log });
    expect(await bench.redis.exists(outbox)).toBe(0);
    expect(await unitsPublished(bench, productId)).toEqual([1, 2]);
    expect(await seller.purchase(productId, [purchase])).toEqual([replayed]);
    expect(await never).toEqual([unavailable]);
  });

  test('work that needs the sale for itself gets it between two turns, its outbox empty', async () => {
    const productId = await bench.product({ stock: 100 });
    const { seller } = bench.instance();
    const { outbox, sale } = saleKeys(productId);
    const during = async () => {
      const before = await bench.redis.hget(sale, 'sold');
      const pending = await bench.redis.exists(outbox);
      await new Promise((resolve) => setTimeout(resolve, 20));
      return [pending, before === (await bench.redis.hget(sale, 'sold'))];
    };
    const results = await Promise.all([
      ...many(productId, 30).map((purchase) => seller.purchase(productId, [purchase])),
      seller.exclusively(productId, during),
      ...many(productId, 30).map((purchase) => seller.purchase(productId, [purchase])),
      seller.exclusively(productId, during),
    ]);
    expect([results[30], results[61]]).toEqual([
      [0, true],
      [0, true],
    ]);
    await expect(
      seller.exclusively(productId, () => Promise.reject(new Error('its own fault'))),
    ).rejects.toThrow('its own fault');
    expect(await seller.purchase(productId, many(productId, 1))).toEqual([accepted]);
  });
});
