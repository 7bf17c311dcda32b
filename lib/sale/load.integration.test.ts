import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { type SaleKeys, saleKeys } from '#lib/names.ts';
import { uniqueProductId } from '#lib/testing/unique.ts';
import { acknowledge, claim, load, type SaleContent, type SaleFields, sell } from './sale.ts';
import { connectTestRedis, loadTestSale } from './test-sale.ts';

const redis = connectTestRedis();
afterAll(() => redis.quit());

const fields: SaleFields = {
  generation: 5,
  revision: 10,
  incarnation: 3,
  name: '“Name” | 名',
  unitPrice: 9_900,
  currency: 'CNY',
  limit: 2,
  stock: 10_000,
  left: 7_999,
  sold: 2_001,
  free: '2002-10000',
  state: 'paused',
  opensAtUs: 123,
  closesAtUs: null,
  batches: 0,
  lastAtUs: 77,
};
const content: SaleContent = {
  fields,
  orders: Array.from({ length: 1_203 }, (_, at) => [`order-${at}`, `confirmed|1|0|1|1-1|u${at}`]),
  buyers: Array.from({ length: 1_001 }, (_, at) => [`user-${at}`, `1|${at + 1}`]),
};

/** One chunk, as `load` sends it. */
const source = readFileSync(join(import.meta.dirname, 'load-4.lua'), 'utf8');
const loadPart = (keys: SaleKeys, ...args: string[]) =>
  redis.eval(source, 4, keys.sale, keys.orders, keys.buyers, keys.outbox, ...args);

test('a sale is loaded whole, in chunks, and belongs to this process of Redis', async () => {
  const productId = uniqueProductId();
  const keys = saleKeys(productId);
  await claim(redis, productId, 'a');
  expect(await load(redis, productId, 'a', content)).toBe(true);
  const info = await redis.info();
  expect(await redis.hgetall(keys.sale)).toEqual({
    version: '1',
    generation: '5',
    revision: '10',
    incarnation: '3',
    run_id: /run_id:(\w+)/.exec(info)?.[1],
    replid: /master_replid:(\w+)/.exec(info)?.[1],
    name: '“Name” | 名',
    unit_price: '9900',
    currency: 'CNY',
    limit: '2',
    stock: '10000',
    left: '7999',
    sold: '2001',
    free: '2002-10000',
    state: 'paused',
    opens_at: '123',
    closes_at: '',
    batches: '0',
    outbox_batches: '0',
    last_at: '77',
  });
  expect(Object.entries(await redis.hgetall(keys.orders))).toEqual(
    expect.arrayContaining([...content.orders]),
  );
  expect(await redis.hlen(keys.orders)).toBe(1_203);
  expect(await redis.hgetall(keys.buyers)).toEqual(Object.fromEntries(content.buyers));
});

test('nothing is left of what was there before', async () => {
  const sale = await loadTestSale(redis);
  await sale.decide([sale.purchase({ userId: 'of the past' })]);
  await redis.expire(sale.keys.sale, 1_000);
  await claim(redis, sale.productId, 'b');
  const nothing = { ...fields, stock: 5, left: 5, sold: 0, free: '1-5' };
  expect(await load(redis, sale.productId, 'b', { fields: nothing, orders: [], buyers: [] })).toBe(
    true,
  );
  expect(await redis.exists(sale.keys.orders, sale.keys.buyers, sale.keys.outbox)).toBe(0);
  expect(await redis.ttl(sale.keys.sale)).toBe(-1);
  expect(await sale.field('generation')).toBe('5');
});

describe('a claim', () => {
  test('is needed', async () => {
    const productId = uniqueProductId();
    expect(await load(redis, productId, 'nobody’s', content)).toBe(false);
    expect(await redis.exists(...Object.values(saleKeys(productId)))).toBe(0);
    const sale = await loadTestSale(redis);
    expect(await load(redis, sale.productId, 'nobody’s', content)).toBe(false);
    expect(await sale.outcomes([sale.purchase()])).toEqual(['accepted']);
  });

  test('is used up by the load: a late chunk of the same claim changes nothing', async () => {
    const productId = uniqueProductId();
    const keys = saleKeys(productId);
    await claim(redis, productId, 'a');
    await load(redis, productId, 'a', content);
    for (const part of ['first', 'orders', 'buyers', 'last']) {
      expect(await loadPart(keys, 'a', part, 'field', 'value')).toBe('refused');
    }
    expect(await redis.hlen(keys.orders)).toBe(1_203);
    expect(await redis.hexists(keys.sale, 'field')).toBe(0);
  });

  test('stops selling and acknowledging until the load is complete, also after a first load', async () => {
    const sale = await loadTestSale(redis, { generation: 5 });
    const { keys, productId, fence } = sale;
    await sale.decide([sale.purchase()]);
    await claim(redis, productId, 'c');
    const stands = async () => [
      (await sell(redis, productId, fence, [])).kind,
      await acknowledge(redis, productId, fence, [1]),
    ];
    expect(await stands()).toEqual(['loading', false]);
    for (const part of [['first'], ['orders', 'a', 'b'], ['buyers', 'a', '1|1']]) {
      expect(await loadPart(keys, 'c', ...part)).toBe('loaded');
      expect(await stands()).toEqual(['loading', false]);
    }
  });

  test.each([0, 1, 2, 3])('of another one refuses everything from chunk %i on', async (chunks) => {
    const productId = uniqueProductId();
    const keys = saleKeys(productId);
    const parts = [
      ['first'],
      ['orders', 'o', 'v'],
      ['buyers', 'u', '1|1'],
      ['last', 'generation', '9', 'state', 'on_sale'],
    ];
    await claim(redis, productId, 'slow');
    for (const part of parts.slice(0, chunks)) await loadPart(keys, 'slow', ...part);
    await claim(redis, productId, 'quick');
    for (const part of parts.slice(chunks)) {
      expect(await loadPart(keys, 'slow', ...part)).toBe('refused');
    }
    expect(await redis.hget(keys.sale, 'state')).toBe('loading');
    expect(await load(redis, productId, 'quick', content)).toBe(true);
    for (const part of parts) expect(await loadPart(keys, 'slow', ...part)).toBe('refused');
    expect(await redis.hget(keys.sale, 'generation')).toBe('5');
    expect(await redis.hexists(keys.orders, 'o')).toBe(0);
  });
});

// What was written last before a process ended may be missing in the next one: the sale must not
// be opened there with a part of its orders.
test.each(['run_id', 'replid'])('a load begun with another %s is not ended', async (field) => {
  const productId = uniqueProductId();
  const keys = saleKeys(productId);
  await claim(redis, productId, 'a');
  expect(await loadPart(keys, 'a', 'first')).toBe('loaded');
  expect(await loadPart(keys, 'a', 'orders', 'o', 'v')).toBe('loaded');
  await redis.hset(keys.sale, field, 'f'.repeat(40));
  for (const part of [
    ['orders', 'p', 'v'],
    ['buyers', 'u', '1|1'],
    ['last', 'state', 'on_sale'],
  ]) {
    expect(await loadPart(keys, 'a', ...part)).toBe('refused');
  }
  expect(await redis.hget(keys.sale, 'state')).toBe('loading');
  await claim(redis, productId, 'b');
  expect(await load(redis, productId, 'b', content)).toBe(true);
});
