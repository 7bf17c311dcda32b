import { expect, test } from 'vitest';
import type { Purchase, Unclean } from '#knative/e2e/buyers.ts';
import { createAccounts } from './accounts.ts';

function setUp() {
  const unclean: Unclean[] = [];
  let nowMs = 0;
  const accounts = createAccounts({ nowMs: () => nowMs, unclean: () => unclean });
  const tell = (atMs: number, tookMs = 10, kind: Purchase['told']['kind'] = 'accepted') => {
    nowMs = atMs;
    const told = { kind, orderId: '', status: 410, outcome: '' } as Purchase['told'];
    accounts.told({ ...{ userId: 'u', key: 'k', attempts: 1 }, told, tookMs, toldAtMs: atMs });
  };
  return { accounts, unclean, tell, at: (ms: number) => (nowMs = ms) };
}

test('each minute has its own figures', () => {
  const { accounts, tell } = setUp();
  tell(1_000, 10);
  tell(2_000, 30);
  tell(3_000, 20, 'refused');
  tell(61_500, 40);
  tell(200_000, 50, 'unserved');
  expect(accounts.minutes()).toEqual([
    { accepted: 2, refused: 1, unserved: 0, p50Ms: 20, p99Ms: 30, worstMs: 30 },
    { accepted: 1, refused: 0, unserved: 0, p50Ms: 40, p99Ms: 40, worstMs: 40 },
    { accepted: 0, refused: 0, unserved: 0, p50Ms: 0, p99Ms: 0, worstMs: 0 },
    { accepted: 0, refused: 0, unserved: 1, p50Ms: 50, p99Ms: 50, worstMs: 50 },
  ]);
  expect(accounts.accepted()).toBe(3);
});

test('who watches is told the longest time without an acceptance, to the end of it', () => {
  const { accounts, tell, unclean, at } = setUp();
  unclean.push({ status: 503, outcome: 'unavailable', atMs: 500 });
  tell(900);
  at(1_000);
  const end = accounts.watch();
  tell(2_000, 1_500);
  tell(2_500, 10, 'refused');
  tell(4_000);
  unclean.push({ status: 0, outcome: 'ECONNRESET', atMs: 4_500 });
  at(9_000);
  expect(end()).toEqual({
    interruptedMs: 5_000,
    worstMs: 1_500,
    unclean: { '0 ECONNRESET': 1 },
  });
});

test('only what was accepted a moment ago is recent', () => {
  const { accounts, tell, at } = setUp();
  for (let ms = 0; ms <= 60_000; ms += 100) tell(ms);
  at(60_500);
  expect(accounts.acceptedWithin(2_000)).toBe(16);
  at(90_000);
  expect(accounts.acceptedWithin(2_000)).toBe(0);
});
