// Ten thousand readers are few for `purchase`, whether it answers, hangs or is away.

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { saleKeys } from '#lib/names.ts';
import { createKnownProducts } from './known-products.ts';
import { createProducts } from './products.ts';
import type { PurchaseClient, PurchaseRequest } from './purchase-client.ts';
import { Unavailable } from './unavailable.ts';

const product = { productId: 'p1', now: '2026-11-22T12:00:00.000Z' };
const readers = Array.from({ length: 10_000 }, (_, index) => index);

/** A `purchase` that does with a request what the test says. */
function shopOf(
  answer: (request: PurchaseRequest) => Promise<{ status: number; body: unknown }>,
  inRedis = '',
) {
  const asked: PurchaseRequest[] = [];
  const purchase: PurchaseClient = {
    async request(request) {
      asked.push(request);
      const { status, body } = await answer(request);
      return { status, headers: {}, body: JSON.stringify(body) };
    },
    close: () => undefined,
  };
  const known = createKnownProducts({
    exists: (key) => Promise.resolve(key === saleKeys(inRedis).sale ? 1 : 0),
  });
  return { asked, known, products: createProducts({ purchase, known }) };
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});

afterEach(() => {
  vi.useRealTimers();
});

/** As `app.ts` answers them. */
const statusesOf = async (responses: Promise<Response>[]) =>
  new Set(
    (await Promise.allSettled(responses)).map((one) => {
      if (one.status === 'fulfilled') return one.value.status;
      return one.reason instanceof Unavailable ? 503 : 500;
    }),
  );

test('they are one reading', async () => {
  const { asked, products } = shopOf(() => Promise.resolve({ status: 200, body: product }));
  expect(await statusesOf(readers.map(() => products.one('p1')))).toEqual(new Set([200]));
  expect(asked).toHaveLength(1);
});

test('while it hangs they wait for one, and then nobody waits but who looks again', async () => {
  let giveUp = (): void => undefined;
  const { asked, products } = shopOf(
    () =>
      new Promise((_, reject) => {
        giveUp = () => {
          reject(new Unavailable('no answer in time'));
        };
      }),
  );
  const first = readers.map(() => products.one('p1'));
  expect(asked).toMatchObject([{ timeoutMs: 2_000 }]);
  giveUp();
  expect(await statusesOf(first)).toEqual(new Set([503]));
  expect(await statusesOf(readers.map(() => products.one('p1')))).toEqual(new Set([503]));
  expect(asked).toHaveLength(1);
  vi.advanceTimersByTime(250);
  void products.one('p1');
  expect(asked).toHaveLength(2);
  expect(await statusesOf(readers.map(() => products.one('p1')))).toEqual(new Set([503]));
  expect(asked).toHaveLength(2);
});

test('product ids that are made up hold up nobody', async () => {
  const held: (() => void)[] = [];
  const { asked, known, products } = shopOf(({ path }) => {
    if (path === '/products/p1') return Promise.resolve({ status: 200, body: product });
    return new Promise((resolve) => {
      held.push(() => {
        resolve({ status: 404, body: {} });
      });
    });
  });
  known.learn('p1');
  const flood = readers.map((index) => products.one(`made-up-${index}`));
  const few = 16;
  expect(asked).toHaveLength(few);
  expect(await statusesOf(flood.slice(few))).toEqual(new Set([503]));
  expect((await products.one('p1')).status).toBe(200);
  for (const answer of held) answer();
  expect(await statusesOf(flood.slice(0, few))).toEqual(new Set([404]));
  expect(await products.exists('made-up-1')).toBe(false);
});

test('nor what this edge has never heard of, but has a sale in Redis', async () => {
  const { products } = shopOf(({ path }) => {
    if (path === '/products/p1') return Promise.resolve({ status: 200, body: product });
    return new Promise(() => undefined);
  }, 'p1');
  for (let index = 0; index < 16; index += 1) void products.one(`made-up-${index}`);
  expect((await products.one('p1')).status).toBe(200);
  await expect(products.one('made-up-16')).rejects.toThrow(Unavailable);
});
