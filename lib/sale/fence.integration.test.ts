import { afterAll, describe, expect, test } from 'vitest';
import { saleKeys } from '#lib/names.ts';
import { uniqueProductId } from '#lib/testing/unique.ts';
import {
  acknowledge,
  claim,
  configure,
  type Fence,
  isLoaded,
  readOutbox,
  type SaleSettings,
  sell,
} from './sale.ts';
import { connectTestRedis, loadTestSale, type TestSale } from './test-sale.ts';

const redis = connectTestRedis();
afterAll(() => redis.quit());

const fence: Fence = { generation: 4, revision: 100, incarnation: 2 };
const older: [string, Fence][] = [
  ['an older revision', { ...fence, revision: 99, incarnation: 9 }],
  ['an older incarnation', { ...fence, incarnation: 1 }],
];
const aSale = () => loadTestSale(redis, { ...fence, stock: 10 });
const closed: SaleSettings = { state: 'closed', opensAtUs: 1, closesAtUs: 2 };

async function kindOf(sale: TestSale, by: Fence): Promise<string> {
  return (await sell(redis, sale.productId, by, [sale.purchase()])).kind;
}

/** Everything a sale has, to see that nothing was changed. */
const everything = ({ keys }: TestSale) =>
  Promise.all(Object.values(keys).map((key) => redis.hgetall(key)));

describe('selling', () => {
  test.each(older)('is refused to %s, and nothing is changed', async (_, by) => {
    const sale = await aSale();
    const before = await everything(sale);
    expect(await kindOf(sale, by)).toBe('fenced');
    expect(await everything(sale)).toEqual(before);
  });

  test('a newer token is noted, and the one before it refused from then on', async () => {
    const sale = await aSale();
    const newer = { ...fence, revision: 101, incarnation: 1 };
    expect(await kindOf(sale, newer)).toBe('decided');
    await sale.publishAll();
    expect(await kindOf(sale, fence)).toBe('fenced');
    expect(await kindOf(sale, { ...newer, incarnation: 2 })).toBe('decided');
    await sale.publishAll();
    expect(await kindOf(sale, newer)).toBe('fenced');
  });

  test('a newer token is noted also where nothing is sold', async () => {
    const sale = await aSale();
    await sale.decide([], { ...fence, revision: 101 });
    expect(await kindOf(sale, fence)).toBe('fenced');
  });

  test('a newer token is noted also where it only gets leftovers', async () => {
    const sale = await aSale();
    const { batches } = await sale.decide([sale.purchase()]);
    const newer = { ...fence, revision: 101 };
    expect(await kindOf(sale, newer)).toBe('leftovers');
    expect(await kindOf(sale, fence)).toBe('fenced');
    const numbers = batches.map(({ number }) => number);
    expect(await acknowledge(redis, sale.productId, fence, numbers)).toBe(false);
    expect(await acknowledge(redis, sale.productId, newer, numbers)).toBe(true);
  });

  test('another generation, older or newer, is told which one is loaded', async () => {
    const sale = await aSale();
    for (const generation of [3, 5]) {
      const by = { ...fence, revision: 999, generation };
      expect(await sell(redis, sale.productId, by, [sale.purchase()])).toEqual({
        kind: 'other_generation',
        generation: 4,
      });
    }
    expect(await sale.field('revision')).toBe('100');
  });

  test('a sale that is not there is missing, and is not made', async () => {
    const productId = uniqueProductId();
    expect(await sell(redis, productId, fence, [])).toEqual({ kind: 'missing' });
    expect(await redis.exists(...Object.values(saleKeys(productId)))).toBe(0);
    expect(await isLoaded(redis, productId, 4)).toBe(false);
  });

  test.each(['orders', 'buyers'] as const)('a sale that lost its %s is missing', async (part) => {
    const sale = await aSale();
    const purchase = sale.purchase();
    await sale.decide([purchase]);
    await sale.publishAll();
    await redis.del(sale.keys[part]);
    const before = await everything(sale);
    expect((await sell(redis, sale.productId, fence, [purchase])).kind).toBe('missing');
    expect(await everything(sale)).toEqual(before);
  });

  test('a sale that lost its outbox, or a part of it, is missing', async () => {
    const sale = await loadTestSale(redis, { ...fence, stock: 1_000 });
    const purchases = Array.from({ length: 201 }, () => sale.purchase());
    const { batches } = await sale.decide(purchases);
    expect(batches).toHaveLength(2);
    for (const lose of [
      () => redis.hdel(sale.keys.outbox, '2'),
      () => redis.del(sale.keys.outbox),
    ]) {
      await lose();
      const before = await everything(sale);
      expect((await sell(redis, sale.productId, fence, purchases)).kind).toBe('missing');
      expect(await everything(sale)).toEqual(before);
    }
    // What Kafka has acknowledged meanwhile was not in the outbox: it stays missed.
    expect(await acknowledge(redis, sale.productId, fence, [1])).toBe(true);
    expect((await sell(redis, sale.productId, fence, purchases)).kind).toBe('missing');
  });

  test('batches that an older release has sold, and counted nowhere, are leftovers', async () => {
    const sale = await aSale();
    await sale.decide([sale.purchase()]);
    await redis.hdel(sale.keys.sale, 'outbox_batches');
    expect(await kindOf(sale, fence)).toBe('leftovers');
    expect(await acknowledge(redis, sale.productId, fence, [1])).toBe(true);
    expect(await kindOf(sale, fence)).toBe('decided');
  });

  test.each(['run_id', 'replid'])('a sale of another %s is another process’s', async (field) => {
    const sale = await aSale();
    await redis.hset(sale.keys.sale, field, 'f'.repeat(40));
    const before = await everything(sale);
    expect(await kindOf(sale, fence)).toBe('other_process');
    expect(await kindOf(sale, { ...fence, revision: 101 })).toBe('other_process');
    expect(await everything(sale)).toEqual(before);
  });

  test('a claimed sale is loading, for its claimant too', async () => {
    const sale = await aSale();
    await claim(redis, sale.productId, 'a claim');
    const before = await everything(sale);
    expect(await kindOf(sale, { ...fence, revision: 101 })).toBe('loading');
    expect(await everything(sale)).toEqual(before);
    expect(await isLoaded(redis, sale.productId, 4)).toBe(false);
  });
});

describe('leftovers', () => {
  test('are returned as they were sold, to the next holder as well', async () => {
    const sale = await aSale();
    const { batches } = await sale.decide([sale.purchase(), sale.purchase()]);
    for (const by of [fence, { ...fence, revision: 101 }]) {
      const found = await sell(redis, sale.productId, by, [sale.purchase()]);
      expect(found).toEqual({ kind: 'leftovers', batches });
    }
    expect(await readOutbox(redis, sale.productId)).toEqual(batches);
    expect(await sale.field('sold')).toBe('2');
  });

  test('are not what the caller is publishing itself, and are whatever is there besides', async () => {
    const sale = await aSale();
    const call = (underWay: number[]) =>
      sell(redis, sale.productId, fence, [sale.purchase()], underWay);
    expect(await call([])).toMatchObject({ kind: 'decided', batches: [{ number: 1 }] });
    expect(await call([1])).toMatchObject({ kind: 'decided', batches: [{ number: 2 }] });
    expect(await sale.field('outbox_batches')).toBe('2');
    expect(await call([2])).toMatchObject({ kind: 'leftovers', batches: [{ number: 1 }] });
    expect(await call([1])).toMatchObject({ kind: 'leftovers', batches: [{ number: 2 }] });
    expect(await call([12, 21])).toMatchObject({ kind: 'leftovers', batches: [{}, {}] });
    // What was acknowledged meanwhile may still be named.
    expect(await acknowledge(redis, sale.productId, fence, [1])).toBe(true);
    expect(await call([1, 2])).toMatchObject({ kind: 'decided', batches: [{ number: 3 }] });
  });

  test('come in the order of their numbers, whatever order the HASH has', async () => {
    const sale = await aSale();
    const numbers = Array.from({ length: 150 }, (_, index) => index + 1);
    for (const number of [...numbers].reverse()) {
      await redis.hset(sale.keys.outbox, String(number), `data ${number}`);
    }
    const found = await sell(redis, sale.productId, fence, []);
    expect(found.kind === 'leftovers' && found.batches.map(({ number }) => number)).toEqual(
      numbers,
    );
  });
});

describe('acknowledging', () => {
  async function soldOnce() {
    const sale = await aSale();
    const { batches } = await sale.decide([sale.purchase()]);
    return { sale, numbers: batches.map(({ number }) => number) };
  }

  test('removes what was named, and nothing else', async () => {
    const { sale, numbers } = await soldOnce();
    await redis.hset(sale.keys.outbox, '77', 'another');
    expect(await acknowledge(redis, sale.productId, fence, numbers)).toBe(true);
    expect(await redis.hkeys(sale.keys.outbox)).toEqual(['77']);
  });

  test('may be repeated, since its answer may have been lost', async () => {
    const { sale, numbers } = await soldOnce();
    expect(await acknowledge(redis, sale.productId, fence, numbers)).toBe(true);
    expect(await sale.field('outbox_batches')).toBe('0');
    expect(await acknowledge(redis, sale.productId, fence, numbers)).toBe(true);
    expect(await sale.field('outbox_batches')).toBe('0');
  });

  test.each([
    ...older,
    ['an older generation', { ...fence, generation: 3, revision: 999 }],
    ['a newer generation', { ...fence, generation: 5, revision: 999 }],
  ] as [string, Fence][])('is refused to %s', async (_, by) => {
    const { sale, numbers } = await soldOnce();
    expect(await acknowledge(redis, sale.productId, by, numbers)).toBe(false);
    expect(await redis.hlen(sale.keys.outbox)).toBe(1);
  });

  test.each(['run_id', 'replid'])('is refused where the sale is of another %s', async (field) => {
    const { sale, numbers } = await soldOnce();
    await redis.hset(sale.keys.sale, field, 'f'.repeat(40));
    expect(await acknowledge(redis, sale.productId, fence, numbers)).toBe(false);
    expect(await redis.hlen(sale.keys.outbox)).toBe(numbers.length);
  });

  test('is refused once the sale is claimed for a rebuild, or gone', async () => {
    const { sale, numbers } = await soldOnce();
    await claim(redis, sale.productId, 'a claim');
    expect(await acknowledge(redis, sale.productId, fence, numbers)).toBe(false);
    expect(await redis.hlen(sale.keys.outbox)).toBe(1);
    await redis.del(...Object.values(sale.keys));
    expect(await acknowledge(redis, sale.productId, fence, numbers)).toBe(false);
    expect(await redis.exists(...Object.values(sale.keys))).toBe(0);
  });
});

describe('configuring', () => {
  test('sets the state and the window, and notes the token', async () => {
    const sale = await aSale();
    const newer = { ...fence, revision: 101 };
    expect(await configure(redis, sale.productId, newer, closed)).toBe('configured');
    expect(await redis.hgetall(sale.keys.sale)).toMatchObject({
      state: 'closed',
      opens_at: '1',
      closes_at: '2',
      revision: '101',
      left: '10',
    });
    expect(await kindOf(sale, fence)).toBe('fenced');
  });

  test.each([...older, ['another generation', { ...fence, generation: 5 }]] as [string, Fence][])(
    'is refused to %s',
    async (_, by) => {
      const sale = await aSale();
      const before = await everything(sale);
      expect(await configure(redis, sale.productId, by, closed)).toBe('refused');
      expect(await everything(sale)).toEqual(before);
    },
  );

  test('leaves alone a sale that is away or being rebuilt', async () => {
    const sale = await aSale();
    await claim(redis, sale.productId, 'a claim');
    expect(await configure(redis, sale.productId, fence, closed)).toBe('absent');
    expect(await sale.field('state')).toBe('loading');
    const productId = uniqueProductId();
    expect(await configure(redis, productId, fence, closed)).toBe('absent');
    expect(await redis.exists(saleKeys(productId).sale)).toBe(0);
  });
});

test('a change that was given up and comes late does not undo a later one', async () => {
  const sale = await aSale();
  const held = Promise.withResolvers<undefined>();
  const slow = new Proxy(redis, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (name !== 'evalsha' || typeof value !== 'function') return value;
      return async (...args: unknown[]) => {
        await held.promise;
        return value.apply(target, args) as unknown;
      };
    },
  });
  const settings = { opensAtUs: 1, closesAtUs: null };
  const pause = configure(slow, sale.productId, sale.fence, { ...settings, state: 'paused' });
  const open = { ...settings, state: 'on_sale' } as const;
  expect(await configure(redis, sale.productId, sale.fence, open)).toBe('configured');
  held.resolve(undefined);
  expect(await pause).toBe('refused');
  expect(await sale.field('state')).toBe('on_sale');
  // Another holder counts anew.
  const next = { ...sale.fence, revision: sale.fence.revision + 1 };
  const closed = { ...settings, state: 'closed' } as const;
  expect(await configure(redis, sale.productId, next, closed)).toBe('configured');
  expect(await sale.field('state')).toBe('closed');
});
