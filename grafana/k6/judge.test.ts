import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { orderIdOf } from '#lib/order-id.ts';
import { purchasesOf, readAnswers } from './answers.ts';
import { figuresOf, type OrderRow } from './figures.ts';
import { checkFigures, checkRows, checkSummary, checkVerified } from './judge.ts';
import { planOf } from './plans.ts';
import type { AnswerLine, Summary } from './run-file.ts';

const productId = 'phone';
const key = 'the-only-order';
const idOf = (userId: string) => orderIdOf(productId, userId, key);
const answer = (userId: string, status: number, more: Partial<AnswerLine> = {}): AnswerLine => ({
  ...{ atMs: 1_000, tookMs: 10, status, outcome: '', productId, userId, key, orderId: '' },
  ...more,
});
const accepted = (userId: string, more: Partial<AnswerLine> = {}) =>
  answer(userId, 202, { outcome: 'accepted', orderId: idOf(userId), ...more });
const limited = (userId: string) => answer(userId, 429, { outcome: 'rate_limited' });
const gaveUp = (userId: string) => answer(userId, 0, { outcome: 'gave_up' });
const row = (userId: string, more: Partial<OrderRow> = {}): OrderRow => ({
  ...{ orderId: idOf(userId), userId, quantity: 1, status: 'confirmed' },
  ...{ acceptedAt: '2026-11-23T12:00:00.000000Z' },
  ...more,
});

describe('the clients’ log', () => {
  const folder = mkdtempSync(join(tmpdir(), 'answers-'));
  const file = join(folder, 'answers.jsonl');
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  test('is read line by line, and not at all where a line is torn', () => {
    const lines = [accepted('a'), limited('b')];
    writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    expect(readAnswers(file)).toEqual(lines);
    writeFileSync(file, `${JSON.stringify(lines[0])}\n{"atMs":`);
    expect(() => readAnswers(file)).toThrow('ends in the middle of a line');
    writeFileSync(file, 'careful\n');
    expect(() => readAnswers(file)).toThrow('no answer: careful');
  });
});

describe('what a purchase was told', () => {
  const told = (...answers: AnswerLine[]) => purchasesOf(answers).map((one) => one.told);

  test('is an acceptance, whatever came before and after it', () => {
    const again = answer('a', 200, { outcome: 'replayed', orderId: idOf('a') });
    expect(told(gaveUp('a'), again)).toEqual([{ kind: 'accepted', orderId: idOf('a') }]);
    expect(told(accepted('a'), limited('a'))).toEqual([{ kind: 'accepted', orderId: idOf('a') }]);
  });

  test('else it is the last answer; none, or 5xx, tells nothing', () => {
    expect(told(limited('a'), answer('a', 410, { outcome: 'sold_out' }))).toEqual([
      { kind: 'refused', status: 410, outcome: 'sold_out' },
    ]);
    expect(told(answer('a', 503), answer('b', 0))).toEqual([
      { kind: 'unserved', status: 503 },
      { kind: 'unserved', status: 0 },
    ]);
  });

  test('takes from the first sending until it was told', () => {
    const late = accepted('a', { atMs: 5_000, tookMs: 20 });
    const [purchase] = purchasesOf([limited('a'), late]);
    expect(purchase).toMatchObject({ attempts: 2, tookMs: 4_010, toldAtMs: 5_000 });
  });
});

describe('what was told against the rows', () => {
  const failures = (answers: AnswerLine[], rows: OrderRow[]) =>
    checkRows(purchasesOf(answers), new Map([[productId, rows]])).filter(({ ok }) => !ok);

  test('every 202 is a row, and every row was told', () => {
    const answers = [accepted('a'), limited('c'), accepted('b')];
    expect(failures(answers, [row('b'), row('a')])).toEqual([]);
  });

  test.each([
    ['an order is lost', [accepted('a'), accepted('b')], [row('a')], 'are no row'],
    ['a row is nobody’s', [accepted('a')], [row('a'), row('z')], 'unknown to the clients'],
    ['a row of one who was refused', [limited('a')], [row('a')], 'unknown to the clients'],
    ['a row twice', [accepted('a')], [row('a'), row('a')], 'twice'],
    ['a rejected order', [accepted('a')], [row('a', { status: 'rejected' })], 'are no row'],
  ])('%s', (_, answers, rows, said) => {
    expect(failures(answers, rows)).toMatchObject([{ kind: 'promise' }]);
    expect(failures(answers, rows)[0]?.found).toContain(said);
  });

  test('whoever was not answered may have a row, or not', () => {
    expect(failures([answer('a', 0)], [row('a')])).toEqual([]);
    expect(failures([answer('a', 503)], [])).toEqual([]);
  });

  test('an order under another’s name, and two acceptances of one purchase', () => {
    const other = accepted('a', { orderId: idOf('b') });
    expect(failures([other], [row('a', { orderId: idOf('b') })])).toMatchObject([
      { name: 'acceptances have the id of their purchase' },
    ]);
    expect(failures([accepted('a'), accepted('a')], [row('a')])).toMatchObject([
      { name: 'nobody was accepted twice by 202' },
    ]);
  });
});

describe('figures', () => {
  const { load, expected } = planOf('three-nodes', { perSecond: 2, seconds: 5 });
  const soldOut = answer('d', 410, { outcome: 'sold_out' });
  const answers = [
    ...['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((userId) => accepted(userId)),
    ...[limited('h'), limited('i'), { ...soldOut, userId: 'j', tookMs: 90 }],
  ];
  const seen = {
    ...{ load, answers, purchases: purchasesOf(answers), settledAtMs: 1_500 },
    rows: ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((userId) => row(userId)),
  };

  test('of a load, by the second and as shares', () => {
    expect(figuresOf(seen)).toMatchObject({
      ...{ seconds: 5, requests: 10, purchases: 10, told: 8, accepted: 7, rows: 7, limited: 2 },
      ...{ soldOut: 1, unserved: 0, unexpected: 0, offeredPerSecond: 2, rowsPerSecond: 1.4 },
      ...{ limitedShare: 0.2, soldOutShare: 0.1, successShare: 0.7, settledAfterSeconds: 0.5 },
      ...{ p50Ms: 10, p99Ms: 90, acceptedP99Ms: 10, soldEarly: 0 },
    });
    expect(checkFigures(figuresOf(seen), expected).filter(({ ok }) => !ok)).toEqual([]);
  });

  test('bounds are kept or not, and whose fault that is', () => {
    const lost = { ...seen, answers: [...answers, answer('k', 503), answer('l', 401)] };
    const slow = { ...load, perSecond: 4 };
    const checks = checkFigures(figuresOf({ ...lost, load: slow }), expected);
    expect(checks.filter(({ ok }) => !ok)).toMatchObject([
      { name: 'unserved ≤ 0', kind: 'promise', found: '1' },
      { name: 'unexpected ≤ 0', kind: 'promise', found: '1' },
      { name: 'notBegun ≤ 5', kind: 'machine', found: '8' },
    ]);
  });

  test('of a user who is not like the others, and of orders before the opening', () => {
    const opensAtMs = Date.parse('2026-11-23T12:00:00.001Z');
    expect(figuresOf({ ...seen, hotUser: 'h', opensAtMs })).toMatchObject({
      ...{ rowsOfHotUser: 0, crowdRefused: 2, soldEarly: 7 },
    });
    expect(figuresOf({ ...seen, hotUser: 'a' })).toMatchObject({ rowsOfHotUser: 1 });
  });

  test('of a closed loop, from the first sending to the last answer', () => {
    const closed = { ...load, perSecond: 0 };
    const two = [accepted('a', { atMs: 1_000 }), accepted('b', { atMs: 2_990 })];
    expect(figuresOf({ ...seen, load: closed, answers: two }).seconds).toBe(2);
  });
});

test('k6’s own thresholds, and that nothing is missing in its log', () => {
  const metric = (count: number, thresholds: Record<string, { ok: boolean }> = {}) => ({
    values: { count },
    thresholds,
  });
  const summary: Summary = {
    metrics: {
      ...{ answers: metric(7), iterations: metric(5) },
      unserved: metric(1, { 'count==0': { ok: false } }),
      answer_ms: metric(7, { 'p(99)<=500': { ok: false } }),
    },
  };
  expect(checkSummary(summary, { answers: 7, purchases: 5 })).toMatchObject([
    { ok: true },
    { ok: false, kind: 'promise', found: 'unserved count==0 is crossed' },
    { ok: false, kind: 'machine', found: 'answer_ms p(99)<=500 is crossed' },
  ]);
  expect(checkSummary(summary, { answers: 6, purchases: 5 })[0]).toMatchObject({
    ...{ ok: false, kind: 'promise', found: 'k6 counted 7 answers, its log has 6' },
  });
  expect(checkSummary(summary, { answers: 7, purchases: 4 })[0]).toMatchObject({ ok: false });
});

test('verify has to say yes of each product', () => {
  const ok = { productId: 'a', status: 0, said: '' };
  expect(checkVerified([ok, ok])).toMatchObject({ ok: true, found: '2 ok' });
  const lost = { productId: 'b', status: 1, said: 'a promise is broken' };
  expect(checkVerified([ok, lost])).toMatchObject({
    ok: false,
    found: 'b: exit 1: a promise is broken',
  });
});
