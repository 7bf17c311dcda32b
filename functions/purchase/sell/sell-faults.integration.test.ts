import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { purchaseDeadlineMs } from '#lib/constants.ts';
import { KafkaUnavailable } from '#lib/kafka/unavailable.ts';
import { saleKeys } from '#lib/names.ts';
import {
  accepted,
  aPurchase,
  type Bench,
  gate,
  heldFor,
  isSettled,
  openOwnBench,
  replayed,
  unavailable,
  unitsPublished,
} from '../testing/purchase-fixture.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await openOwnBench();
});
afterAll(() => bench.close());

describe('Kafka fails', () => {
  const failed = new KafkaUnavailable('forced');

  test.each([
    ['does not take it', () => Promise.reject(failed)],
    [
      'takes it and does not say so',
      async (publish: () => Promise<void>) => {
        await publish();
        throw failed;
      },
    ],
  ])('when it %s, the buyer is told unavailable, and asking again tells', async (_, around) => {
    const productId = await bench.product();
    const instance = bench.instance();
    const { seller } = instance;
    instance.aroundPublish = around;
    const purchase = aPurchase(productId);
    for (let time = 0; time < 3; time += 1) {
      expect(await seller.purchase(productId, [purchase])).toEqual([unavailable]);
    }
    expect(await bench.redis.hget(saleKeys(productId).sale, 'sold')).toBe('1');
    expect(await bench.redis.hlen(saleKeys(productId).outbox)).toBe(1);

    instance.aroundPublish = (publish) => publish();
    const other = aPurchase(productId);
    expect(await seller.purchase(productId, [purchase, other])).toEqual([replayed, accepted]);
    const events = await bench.published(productId);
    // However often it is there, it is the same.
    expect(new Set(events.map(({ batchId, data }) => `${batchId} ${data}`)).size).toBe(2);
    expect(await unitsPublished(bench, productId)).toEqual([1, 2]);
  });

  test('whoever waits behind a failed turn is told at once, not left to meet it again', async () => {
    const productId = await bench.product();
    const instance = bench.instance();
    const publishing = gate();
    instance.aroundPublish = async () => {
      await publishing.pass();
      throw failed;
    };
    const buy = () => instance.seller.purchase(productId, [aPurchase(productId)]);
    const first = buy();
    await publishing.isReached;
    const orders = () => bench.redis.hlen(saleKeys(productId).orders);
    // The second is decided while the first is on its way, the third is not decided at all.
    const second = buy();
    await vi.waitFor(async () => {
      expect(await orders()).toBe(2);
    }, 10_000);
    const third = buy();
    publishing.open();
    const all = await Promise.all([first, second, third]);
    expect(all).toEqual([[unavailable], [unavailable], [unavailable]]);
    expect(await orders()).toBe(2);
  });

  test('nothing is said of a turn before the one before it is through, too', async () => {
    const productId = await bench.product({ limitPerUser: 9 });
    const instance = bench.instance();
    const publishing = gate();
    let sends = 0;
    instance.aroundPublish = async (publish) => {
      sends += 1;
      if (sends > 1) return publish();
      await publishing.pass();
      throw failed;
    };
    const purchase = aPurchase(productId);
    const other = aPurchase(productId);
    const first = instance.seller.purchase(productId, [purchase]);
    await publishing.isReached;
    // The second turn only repeats what the first has sold, and sells one thing more.
    const second = instance.seller.purchase(productId, [purchase, other]);
    await vi.waitFor(async () => {
      expect(await unitsPublished(bench, productId)).toEqual([2]);
    }, 20_000);
    expect(await isSettled(second)).toBe(false);
    publishing.open();
    expect(await first).toEqual([unavailable]);
    expect(await second).toEqual([unavailable, unavailable]);
    expect(await instance.seller.purchase(productId, [purchase, other])).toEqual([
      replayed,
      replayed,
    ]);
    expect(await unitsPublished(bench, productId)).toEqual([1, 2]);
    expect(await bench.redis.exists(saleKeys(productId).outbox)).toBe(0);
  });

  test('when it does not answer, the buyer is told in time, and later gets the acceptance', async () => {
    const productId = await bench.product();
    const instance = bench.instance();
    const publishing = gate();
    instance.aroundPublish = async (publish) => {
      await publishing.pass();
      await publish();
    };
    const purchase = aPurchase(productId);
    const sentAt = performance.now();
    expect(await instance.seller.purchase(productId, [purchase])).toEqual([unavailable]);
    expect(performance.now() - sentAt).toBeLessThan(purchaseDeadlineMs + 1_000);
    publishing.open();
    expect(await instance.seller.purchase(productId, [purchase])).toEqual([replayed]);
    expect(await unitsPublished(bench, productId)).toEqual([1]);
  });
});

describe('the lock is lost', () => {
  /** Sells once, so that the sale is loaded and its generation known. */
  async function warm() {
    const productId = await bench.product();
    const instance = bench.instance();
    expect(await instance.seller.purchase(productId, [aPurchase(productId)])).toEqual([accepted]);
    return { productId, instance };
  }

  test('between the send and the answer: unavailable, and the next one knows the order', async () => {
    const { productId, instance } = await warm();
    const purchase = aPurchase(productId);
    instance.aroundPublish = async (publish) => {
      await publish();
      await bench.endHolder(productId);
      await vi.waitFor(() => {
        expect(instance.locks.state().leasesLost).toBe(1);
      }, 20_000);
    };
    expect(await instance.seller.purchase(productId, [purchase])).toEqual([unavailable]);
    const next = bench.instance();
    expect(await next.seller.purchase(productId, [purchase])).toEqual([replayed]);
    instance.aroundPublish = (publish) => publish();
    expect(await instance.seller.purchase(productId, [purchase])).toEqual([replayed]);
    expect(await unitsPublished(bench, productId)).toEqual([1, 2]);
  });

  test('while somebody else turns: what was acknowledged is never said by the one before', async () => {
    const { productId, instance } = await warm();
    const next = bench.instance();
    const purchase = aPurchase(productId);
    instance.aroundPublish = async (publish) => {
      await publish();
      await bench.endHolder(productId);
      // The next holder finds the leftovers and publishes them before its own.
      expect(await next.seller.purchase(productId, [aPurchase(productId)])).toEqual([accepted]);
    };
    expect(await instance.seller.purchase(productId, [purchase])).toEqual([unavailable]);
    expect(await next.seller.purchase(productId, [purchase])).toEqual([replayed]);
    expect(await unitsPublished(bench, productId)).toEqual([1, 2, 3]);
  });

  test.each([
    ['after the acknowledgement', 0],
    ['just before the answer', 1],
  ])('%s: nobody is told what he may not know', async (_, asks) => {
    const { productId, instance } = await warm();
    await instance.seller.stop();
    const other = bench.instance();
    other.wrapLock = heldFor(asks);
    const purchase = aPurchase(productId);
    expect(await other.seller.purchase(productId, [purchase])).toEqual([unavailable]);
    await other.seller.stop();
    expect(await bench.redis.exists(saleKeys(productId).outbox)).toBe(0);
    expect(await bench.instance().seller.purchase(productId, [purchase])).toEqual([replayed]);
  });

  test('acceptances that are only repeated are not said without the lock either', async () => {
    const { productId, instance } = await warm();
    const purchase = aPurchase(productId);
    await instance.seller.purchase(productId, [purchase]);
    await instance.seller.stop();
    const other = bench.instance();
    other.wrapLock = heldFor(0);
    expect(await other.seller.purchase(productId, [purchase])).toEqual([unavailable]);
  });
});

describe('Redis fails', () => {
  /** A client that loses answers of scripts: the n-th from now on runs, but nobody hears of it. */
  function forgetful() {
    let losing = 0;
    const redis = new Proxy(bench.redis, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (name !== 'evalsha' || typeof value !== 'function') return value;
        return async (...args: unknown[]) => {
          losing -= 1;
          const lost = losing === 0;
          const reply: unknown = await value.apply(target, args);
          if (lost) throw new Error('Command timed out');
          return reply;
        };
      },
    });
    return {
      redis,
      loseNext: (which: number) => {
        losing = which;
      },
    };
  }

  test.each([
    ['of the sale', 1],
    ['of the acknowledgement', 2],
  ])('an answer %s that is lost: unavailable, and asking again tells', async (_, which) => {
    const productId = await bench.product();
    const { redis, loseNext } = forgetful();
    const { seller } = bench.instance({ redis });
    await seller.purchase(productId, [aPurchase(productId)]);
    const purchase = aPurchase(productId);
    loseNext(which);
    expect(await seller.purchase(productId, [purchase])).toEqual([unavailable]);
    expect(await seller.purchase(productId, [purchase])).toEqual([replayed]);
    expect(await unitsPublished(bench, productId)).toEqual([1, 2]);
    expect(await bench.redis.exists(saleKeys(productId).outbox)).toBe(0);
  });
});
