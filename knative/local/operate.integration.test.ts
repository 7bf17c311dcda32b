// What an operator does to a sale while it runs, on the whole system and from outside: more units
// after it was sold out, and an order that was not paid.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestRuntime, type TestRuntime, until } from '#lib/testing/runtime.ts';

let system: TestRuntime;
beforeAll(async () => {
  system = await startTestRuntime();
}, 120_000);
afterAll(async () => {
  await system.stop();
}, 60_000);

interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

async function ask(path: string, token: string, init: RequestInit = {}): Promise<Answer> {
  const headers = {
    authorization: `Bearer ${token}`,
    'content-type': 'application/json',
    'idempotency-key': 'the-only-key',
  };
  const response = await fetch(`${system.url}${path}`, { ...init, headers });
  return { status: response.status, body: (await response.json()) as Answer['body'] };
}

/** Each buyer's own key: sent again, it is the same purchase. */
const buy = (token: string) =>
  ask('/api/products/shoe/purchase', token, { method: 'POST', body: '{"quantity":1}' });

/** Runs a command that does what it is asked; its JSON. */
async function done(...args: readonly string[]): Promise<unknown> {
  const result = await system.cli(...args, '-o', 'json');
  expect(result, `${args.join(' ')}: ${result.stderr}`).toMatchObject({ status: 0 });
  return JSON.parse(result.stdout);
}

test('units are put on sale again, and a cancelled order’s unit is sold once more', async () => {
  const create = ['sale', 'create', 'shoe', '--name', 'Schuh', '--price', '100', '--limit', '1'];
  await done(...create, '--stock', '3');
  await done('sale', 'open', 'shoe');
  const { stdout } = await system.cli('token', '--count', '10', '--prefix', 'shoe-');
  const crowd = stdout.trim().split('\n');
  const first = await Promise.all(crowd.slice(0, 9).map(buy));
  expect(first.filter(({ status }) => status === 202)).toHaveLength(3);

  expect(await done('sale', 'restock', 'shoe', '--units', '4')).toMatchObject({ stock: 7 });
  // The edge remembers for a moment that it was sold out.
  await until('everything is sold again', 10_000, async () => {
    const answers = await Promise.all(crowd.slice(0, 9).map(buy));
    const got = answers.filter(({ status }) => status === 200 || status === 202);
    return got.length === 7 ? true : undefined;
  });
  expect(await done('verify', 'shoe')).toMatchObject({ stock: 7, sold: 7, ranked: 7, ok: true });

  const listed = (await done('orders', 'list', 'shoe')) as { orderId: string; userId: string }[];
  expect(listed).toHaveLength(7);
  const { orderId = '', userId = '' } = listed[3] ?? {};
  const reason = 'not paid';
  expect(await done('orders', 'cancel', orderId, '--reason', reason)).toMatchObject({
    ...{ orderId, userId, status: 'cancelled', reason, units: [] },
  });
  const token = crowd[Number(userId.slice('shoe-'.length)) - 1] ?? '';
  expect((await buy(token)).status).toBe(200);
  const seen = await ask(`/api/orders/${orderId}`, token);
  expect(seen.body).toMatchObject({ status: 'cancelled', reason });

  const [last = ''] = crowd.slice(9);
  await until('the unit is sold again', 10_000, async () =>
    (await buy(last)).status === 410 ? undefined : true,
  );
  const verdict = { stock: 7, sold: 7, rows: 7, units: 7, oversold: 0, lost: 0, duplicated: 0 };
  expect(await done('verify', 'shoe')).toMatchObject({ ...verdict, ranked: 7, ok: true });
  const log = (await done('sale', 'log', 'shoe')) as { action: string; operator: string }[];
  expect(log.map(({ action }) => action)).toEqual(['create', 'open', 'restock', 'cancel']);
  expect(new Set(log.map(({ operator }) => operator)).size).toBe(1);
  expect(await done('sale', 'close', 'shoe')).toMatchObject({ settled: true, sold: 7 });
}, 120_000);
