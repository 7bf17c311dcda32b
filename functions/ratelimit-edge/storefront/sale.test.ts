import { describe, expect, test } from 'vitest';
import type { Order, Product, SaleState } from './answers.ts';
import {
  boardIntervalMs,
  dialTicks,
  nextChangeMs,
  productIntervalMs,
  quantityMaxOf,
  saleStateAt,
  unitsOwned,
} from './sale.ts';

const product = (changes: Partial<Product>): Product => ({
  productId: 'teapot',
  name: 'Teapot',
  unitPrice: 19_900,
  currency: 'CNY',
  stock: 100,
  left: 100,
  state: 'open',
  opensAtMs: 1_000_000,
  closesAtMs: undefined,
  nowMs: undefined,
  limitPerUser: 3,
  ...changes,
});

describe('the state between two answers', () => {
  test.each<[SaleState, number, number | undefined, SaleState]>([
    ['scheduled', 999_999, undefined, 'scheduled'],
    ['scheduled', 1_000_000, undefined, 'open'],
    ['scheduled', 2_000_000, 1_500_000, 'ended'],
    ['open', 1_499_999, 1_500_000, 'open'],
    ['open', 1_500_000, 1_500_000, 'ended'],
    ['paused', 1_200_000, undefined, 'paused'],
    ['sold_out', 1_200_000, undefined, 'sold_out'],
    ['ended', 1_200_000, undefined, 'ended'],
  ])('%s at %d, closing at %s: %s', (state, nowMs, closesAtMs, expected) => {
    expect(saleStateAt(product({ state, closesAtMs }), nowMs)).toBe(expected);
  });

  test('without an opening time stays scheduled', () => {
    expect(saleStateAt(product({ state: 'scheduled', opensAtMs: undefined }), 9e12)).toBe(
      'scheduled',
    );
  });

  test('changes next at the opening, then at the closing', () => {
    const sale = product({ state: 'scheduled', closesAtMs: 2_000_000 });
    expect(nextChangeMs(sale, 999_000)).toBe(1_000_000);
    expect(nextChangeMs(sale, 1_000_000)).toBe(2_000_000);
    expect(nextChangeMs(sale, 2_000_000)).toBeUndefined();
  });
});

test('one owns what was accepted and not undone, of this product', () => {
  const order = (status: Order['status'], productId = 'teapot'): Order => ({
    orderId: `${productId}.${status}`,
    productId,
    quantity: 2,
    status,
    unitPrice: 1,
    currency: 'CNY',
    acceptedAtMs: undefined,
  });
  const orders = [
    order('pending'),
    order('accepted'),
    order('confirmed'),
    order('cancelled'),
    order('rejected'),
    order('confirmed', 'other'),
  ];
  expect(unitsOwned(orders, 'teapot')).toBe(4);
});

test.each([
  [3, 0, 100, 3],
  [3, 2, 100, 1],
  [3, 0, 2, 2],
  [3, 3, 100, 1],
  [3, 0, 0, 3],
])('limit %d, owned %d, left %d: at most %d', (limitPerUser, owned, left, expected) => {
  expect(quantityMaxOf(product({ limitPerUser, left }), owned)).toBe(expected);
});

test('asks seldom while nothing can change soon', () => {
  const waiting = product({ state: 'scheduled', opensAtMs: 1_000_000 });
  expect(productIntervalMs(undefined, 0)).toBe(2_000);
  expect(productIntervalMs(waiting, 300_000)).toBe(15_000);
  expect(productIntervalMs(waiting, 900_000)).toBe(5_000);
  expect(productIntervalMs(waiting, 950_000)).toBe(2_000);
  expect(productIntervalMs(waiting, 1_000_001)).toBe(2_000);
  expect(productIntervalMs(product({ state: 'ended' }), 0)).toBe(30_000);
  expect(boardIntervalMs(waiting, 999_999)).toBe(10_000);
  expect(boardIntervalMs(waiting, 1_000_000)).toBe(2_000);
});

test.each([
  [product({ state: 'scheduled', opensAtMs: 61_000 }), 0, 1],
  [product({ state: 'scheduled', opensAtMs: 60_000 }), 0, 60],
  [product({ state: 'scheduled', opensAtMs: 100 }), 0, 1],
  [product({ left: 100 }), 0, 60],
  [product({ left: 1 }), 0, 1],
  [product({ left: 0 }), 0, 0],
  [product({ state: 'ended' }), 0, 0],
])('the dial of sale %#', (sale, nowMs, ticks) => {
  expect(dialTicks(sale, nowMs)).toBe(ticks);
});
