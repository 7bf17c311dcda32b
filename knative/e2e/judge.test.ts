import { describe, expect, test } from 'vitest';
import type { Purchase, Told } from './buyers.ts';
import { compare, countsOf, problemsOf, quantile, type Row, servedOf } from './judge.ts';

const purchase = (userId: string, told: Told, tookMs = 1): Purchase => ({
  ...{ userId, key: `key-of-${userId}`, told, attempts: 1, tookMs, toldAtMs: 0 },
});
const bought = (userId: string) => purchase(userId, { kind: 'accepted', orderId: `p.${userId}` });
const row = (userId: string, more: Partial<Row> = {}): Row => ({
  ...{ orderId: `p.${userId}`, userId, quantity: 1, status: 'confirmed' },
  ...more,
});
const problems = (purchases: Purchase[], rows: Row[]) => problemsOf(compare(purchases, rows));

describe('what was accepted, held against the rows', () => {
  test('each acceptance is its row, whatever the order; a refusal is none', () => {
    const refused = purchase('c', { kind: 'refused', status: 410, outcome: 'sold_out' });
    const compared = compare([bought('a'), refused, bought('b')], [row('b'), row('a')]);
    expect(compared).toEqual({ accepted: 2, rows: 2, missing: [], unknown: [], repeated: [] });
    expect(problemsOf(compared)).toEqual([]);
  });

  test.each([
    ['there is none', []],
    ['it was rejected', [row('a', { status: 'rejected' })]],
    ['it is of another quantity', [row('a', { quantity: 2 })]],
    ['it is another buyer’s', [row('a', { userId: 'b' })]],
  ])('an acceptance without its row is lost: %s', (_, rows) => {
    expect(problems([bought('a')], rows)).toEqual(['1 accepted orders are no row, the first p.a']);
  });

  test('a row that nobody was told of is no client’s', () => {
    expect(problems([bought('a')], [row('a'), row('b')])).toEqual([
      '1 rows are unknown to the clients, the first p.b',
    ]);
  });

  test('a row of a buyer whose answer never came is nobody’s fault', () => {
    expect(problems([purchase('a', { kind: 'unserved', status: 0 })], [row('a')])).toEqual([]);
  });

  test('a row twice', () => {
    expect(problems([bought('a')], [row('a'), row('a')])).toEqual([
      '1 rows are there twice, the first p.a',
    ]);
  });
});

test('what nobody wants to be told is counted by what it was', () => {
  const answer = (status: number, outcome: string) => ({ status, outcome, atMs: 0 });
  expect(
    countsOf([answer(503, 'unavailable'), answer(0, 'ECONNREFUSED'), answer(503, 'unavailable')]),
  ).toEqual({ '503 unavailable': 2, '0 ECONNREFUSED': 1 });
});

test('a load has its figures', () => {
  const purchases = [bought('a'), purchase('b', { kind: 'unserved', status: 503 }, 9)];
  expect(servedOf({ purchases, unclean: [], limited: 3 })).toEqual({
    ...{ purchases: 2, accepted: 1, refused: 0, unserved: 1, unclean: {}, limited: 3 },
    ...{ medianMs: 1, p99Ms: 9, worstMs: 9 },
  });
});

test('a quantile is one of the values', () => {
  const values = [5, 1, 4, 2, 3];
  expect([0, 0.5, 0.8, 0.99, 1].map((q) => quantile(values, q))).toEqual([1, 3, 4, 5, 5]);
  expect(quantile([], 0.5)).toBe(0);
});
