import { afterAll, describe, expect, test } from 'vitest';
import type { PurchaseAnswer } from '#lib/outcome.ts';
import { readRefusals, refusalOf } from './refusal.ts';
import { claim, configure, type SaleFields } from './sale.ts';
import { connectTestRedis, loadTestSale, type TestSale } from './test-sale.ts';

const redis = connectTestRedis();
afterAll(() => redis.quit());

const hourUs = 3_600_000_000;
const nowUs = () => Date.now() * 1_000;

/** What everybody is refused with, and what `sell` says to somebody new in the same state. */
async function bothOf(sale: TestSale) {
  const { orderId } = sale.purchase();
  const [refusal] = (await readRefusals(redis, sale.productId, [orderId])) ?? [];
  const [answer] = (await sale.decide([sale.purchase()])).answers;
  return { refusal, answer };
}

describe('a sale refuses everybody with what it would say to each', () => {
  const soldOut = { left: 0, sold: 10, free: '' };
  test.each<[string, Partial<SaleFields>, PurchaseAnswer['outcome']]>([
    ['open', {}, 'accepted'],
    ['closing later', { closesAtUs: nowUs() + hourUs }, 'accepted'],
    ['its last unit', { left: 1, sold: 9, free: '10-10' }, 'accepted'],
    ['sold out', soldOut, 'sold_out'],
    ['not open yet', { opensAtUs: nowUs() + hourUs }, 'not_open'],
    ['without an opening', { opensAtUs: null }, 'not_open'],
    ['not open, with nothing left', { ...soldOut, opensAtUs: nowUs() + hourUs }, 'not_open'],
    ['past its closing', { closesAtUs: 2 }, 'ended'],
    ['past its closing, never opened', { opensAtUs: null, closesAtUs: 2 }, 'ended'],
    ['closed', { state: 'closed' }, 'ended'],
    ['paused', { state: 'paused' }, 'paused'],
    ['paused and sold out', { ...soldOut, state: 'paused' }, 'paused'],
    ['paused past its closing', { state: 'paused', closesAtUs: 2 }, 'paused'],
  ])('%s', async (_state, fields, outcome) => {
    const { refusal, answer } = await bothOf(await loadTestSale(redis, fields));
    expect(answer?.outcome).toBe(outcome);
    expect(refusal).toEqual(outcome === 'accepted' ? undefined : answer);
  });
});

test('who was accepted is refused nothing, and the others all the same', async () => {
  const sale = await loadTestSale(redis, { stock: 2 });
  const buyers = [sale.purchase(), sale.purchase()];
  const late = Array.from({ length: 3 }, () => sale.purchase());
  await sale.decide(buyers);
  const asked = [late[0], buyers[1], late[1], late[2], buyers[0]];
  const refusals = await readRefusals(
    redis,
    sale.productId,
    asked.map((purchase) => purchase?.orderId ?? ''),
  );
  const soldOut = { outcome: 'sold_out', left: 0 };
  expect(refusals).toEqual([soldOut, undefined, soldOut, soldOut, undefined]);
});

test('a change counts at the very next look', async () => {
  const sale = await loadTestSale(redis, { state: 'paused' });
  const look = async () =>
    (await readRefusals(redis, sale.productId, [sale.purchase().orderId]))?.[0]?.outcome;
  expect(await look()).toBe('paused');
  const settings = { state: 'on_sale', opensAtUs: 1, closesAtUs: null } as const;
  await configure(redis, sale.productId, sale.fence, settings);
  expect(await look()).toBeUndefined();
});

describe('a sale that may have forgotten somebody refuses nobody', () => {
  const damages: [string, (sale: TestSale) => Promise<unknown>][] = [
    ['it is gone', ({ keys }) => redis.del(keys.sale)],
    ['it is being rebuilt', ({ productId }) => claim(redis, productId, 'a rebuild')],
    ['it was loaded into another process', ({ keys }) => redis.hset(keys.sale, 'run_id', 'f')],
    ['it has another replication id', ({ keys }) => redis.hset(keys.sale, 'replid', 'f')],
    ['its orders are gone', ({ keys }) => redis.del(keys.orders)],
  ];
  test.each(damages)('%s', async (_what, damage) => {
    const sale = await loadTestSale(redis, { stock: 1 });
    await sale.decide([sale.purchase()]);
    const look = () => readRefusals(redis, sale.productId, [sale.purchase().orderId]);
    expect(await look()).toEqual([{ outcome: 'sold_out', left: 0 }]);
    await damage(sale);
    expect(await look()).toBeUndefined();
  });
});

test('only what is said to everybody is a refusal of everybody', () => {
  expect(refusalOf({ outcome: 'sold_out', left: 0 })).toEqual({ outcome: 'sold_out', left: 0 });
  expect(refusalOf({ outcome: 'sold_out', left: 1 })).toBeUndefined();
  for (const outcome of ['limit_reached', 'unavailable', 'key_reused', 'unknown_product'] as const)
    expect(refusalOf({ outcome })).toBeUndefined();
  expect(refusalOf({ outcome: 'accepted', quantity: 1 })).toBeUndefined();
});
