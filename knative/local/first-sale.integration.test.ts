// The first sale on the whole running system: what the README promises, seen from outside.

import { createConnection } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestRuntime, type TestRuntime, until } from '#lib/testing/runtime.ts';
import type { StoreName } from './stores/store.ts';

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
}

let system: TestRuntime;

beforeAll(async () => {
  system = await startTestRuntime();
}, 120_000);

afterAll(async () => {
  await system.stop();
}, 60_000);

async function tokens(prefix: string, count: number): Promise<string[]> {
  const { stdout } = await system.cli('token', '--count', String(count), '--prefix', prefix);
  return stdout.trim().split('\n');
}

async function buy(
  productId: string,
  token: string,
  key: string,
  body: unknown = { quantity: 1 },
): Promise<Answer> {
  const response = await fetch(`${system.url}/api/products/${productId}/purchase`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'idempotency-key': key,
      'content-type': 'application/json',
    },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(15_000),
  });
  const { status, headers } = response;
  return { status, headers, body: (await response.json()) as Answer['body'] };
}

async function openSale(productId: string, stock: number, limit: number): Promise<void> {
  const create = ['sale', 'create', productId, '--name', productId, '--price', '1999'];
  const created = await system.cli(...create, '--stock', `${stock}`, '--limit', `${limit}`);
  expect(created, created.stderr).toMatchObject({ status: 0 });
  const opened = await system.cli('sale', 'open', productId);
  expect(opened, opened.stderr).toMatchObject({ status: 0 });
}

async function verify(productId: string): Promise<Record<string, unknown>> {
  const result = await system.cli('verify', productId, '-o', 'json');
  expect(result, result.stdout + result.stderr).toMatchObject({ status: 0 });
  return JSON.parse(result.stdout) as Record<string, unknown>;
}

function countByStatus(answers: readonly Answer[]): Record<number, number> {
  const counts: Record<number, number> = {};
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

test('an order is in MySQL and its buyer on the board within two seconds', async () => {
  await openSale('first', 10, 2);
  const [token = ''] = await tokens('first-', 1);
  const answer = await buy('first', token, 'the-first-order');
  expect(answer.status).toBe(202);
  const { orderId } = answer.body;
  expect(answer.headers.get('location')).toBe(`/api/orders/${String(orderId)}`);
  const mysql = await createConnection({ uri: String(system.env.SECKILL_MYSQL_URL) });
  const row = await until('the row', 2_000, async () => {
    const [rows] = await mysql.query('select * from orders where order_id = ?', [orderId]);
    return (rows as Record<string, unknown>[])[0];
  });
  expect(row).toMatchObject({ product_id: 'first', user_id: 'first-1', status: 'confirmed' });
  await mysql.end();
  const board = await until('the board', 2_000, async () => {
    const response = await fetch(`${system.url}/api/products/first/leaderboard?by=speed`);
    const { entries } = (await response.json()) as { entries: unknown[] };
    return entries.length > 0 ? entries : undefined;
  });
  expect(board).toHaveLength(1);
  expect(JSON.stringify(board)).not.toContain('first-1');
});

test('200 buyers for 50 units, and the same 200 requests again', async () => {
  await openSale('crowd', 50, 1);
  const crowd = await tokens('crowd-', 200);
  const rush = () =>
    Promise.all(crowd.map((token, index) => buy('crowd', token, `crowd-order-${index}`)));
  const first = await rush();
  expect(countByStatus(first)).toEqual({ 202: 50, 410: 150 });
  expect(await verify('crowd')).toMatchObject({
    stock: 50,
    sold: 50,
    rows: 50,
    units: 50,
    oversold: 0,
    lost: 0,
    duplicated: 0,
    ranked: 50,
    ok: true,
  });
  const again = await rush();
  expect(countByStatus(again)).toEqual({ 200: 50, 410: 150 });
  for (const [index, { status, body, headers }] of again.entries()) {
    if (status !== 200) continue;
    expect(first[index]).toMatchObject({ status: 202, body });
    expect(headers.get('idempotency-replayed')).toBe('true');
  }
  expect(await verify('crowd')).toMatchObject({ sold: 50, rows: 50, ok: true });
});

test('the same 200 requests once more after the sale is closed and settled', async () => {
  await openSale('over', 5, 1);
  const crowd = await tokens('over-', 20);
  const rush = () =>
    Promise.all(crowd.map((token, index) => buy('over', token, `over-order-${index}`)));
  const first = await rush();
  expect(countByStatus(first)).toEqual({ 202: 5, 410: 15 });
  const closed = await system.cli('sale', 'close', 'over', '-o', 'json');
  expect(closed, closed.stderr).toMatchObject({ status: 0 });
  expect(JSON.parse(closed.stdout)).toMatchObject({ settled: true });
  const again = await rush();
  expect(countByStatus(again)).toEqual({ 200: 5, 409: 15 });
  expect(again.filter(({ status }) => status === 409).map(({ body }) => body.outcome)).toEqual(
    Array(15).fill('ended'),
  );
});

describe('a store that is killed while the system runs', () => {
  let buyers: string[];
  let bought: string[];

  beforeAll(async () => {
    await openSale('outage', 10_000, 4_000);
    buyers = await tokens('outage-', 4);
    bought = [];
  });

  /** MySQL is not on the way of a purchase; the lock outlives etcd for a while. */
  const stores: readonly StoreName[] = ['redis', 'etcd', 'kafka', 'mysql'];

  test.each(stores)(
    '%s: 503 in bounded time, then selling goes on',
    async (store) => {
      const attempt = async (round: string): Promise<number> => {
        const [token = ''] = buyers;
        const key = `outage-${store}-${round}`;
        const startedAtMs = performance.now();
        const answer = await buy('outage', token, key);
        expect(performance.now() - startedAtMs).toBeLessThan(11_000);
        expect([202, 200, 503]).toContain(answer.status);
        if (answer.status === 503)
          expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
        else bought.push(String(answer.body.orderId));
        return answer.status;
      };
      expect(await attempt('before')).toBe(202);
      system.takeDown(store);
      for (let round = 0; round < 5; round += 1) await attempt(`down-${round}`);
      system.bringUp(store);
      await until(`selling without ${store} having been restarted by hand`, 45_000, async () =>
        (await attempt('after')) === 503 ? undefined : true,
      );
      expect(await attempt('at-rest')).toBe(202);
    },
    120_000,
  );

  test('afterwards nothing is lost, and the figures are those of the buyers', async () => {
    // What was answered 503 is asked again with its key: now it is known.
    const [token = ''] = buyers;
    for (const store of stores) {
      for (let round = 0; round < 5; round += 1) {
        const answer = await buy('outage', token, `outage-${store}-down-${round}`);
        expect([200, 202]).toContain(answer.status);
        bought.push(String(answer.body.orderId));
      }
    }
    const sold = new Set(bought).size;
    const verdict = await until('the rows', 30_000, async () => {
      const { stdout } = await system.cli('verify', 'outage', '-o', 'json');
      const found = JSON.parse(stdout) as Record<string, unknown>;
      return found.ok === true ? found : undefined;
    });
    expect(verdict).toMatchObject({ sold, rows: sold, units: sold, ok: true });
  }, 60_000);
});
