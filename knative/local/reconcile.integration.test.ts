// A sale on the whole running system is reconciled: by an operator, and by the tick.

import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { boardKey, reconcileKey, saleKeys } from '#lib/names.ts';
import type { Reconciliation } from '#lib/reconcile/report.ts';
import { startTestRuntime, type TestRuntime, until } from '#lib/testing/runtime.ts';

let system: TestRuntime;
let redis: Redis;
beforeAll(async () => {
  system = await startTestRuntime();
  redis = new Redis(String(system.env.SECKILL_REDIS_URL));
}, 120_000);
afterAll(async () => {
  redis.disconnect();
  await system.stop();
}, 60_000);

async function reconcile(productId: string, ...options: string[]) {
  const result = await system.cli('reconcile', productId, '-o', 'json', ...options);
  return { ...result, found: JSON.parse(result.stdout) as Reconciliation };
}

/** A sale with five orders. */
async function aSale(productId: string): Promise<void> {
  const create = ['sale', 'create', productId, '--name', 'A lamp', '--price', '1999'];
  expect(await system.cli(...create, '--stock', '10', '--limit', '1')).toMatchObject({ status: 0 });
  expect(await system.cli('sale', 'open', productId)).toMatchObject({ status: 0 });
  const { stdout } = await system.cli('token', '--count', '5', '--prefix', `${productId}-`);
  for (const token of stdout.trim().split('\n')) {
    const response = await fetch(`${system.url}/api/products/${productId}/purchase`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'idempotency-key': 'the-only-key',
        'content-type': 'application/json',
      },
      body: JSON.stringify({ quantity: 1 }),
    });
    expect(response.status).toBe(202);
  }
}

test('an operator sees what differs, and has it repaired', async () => {
  // No tick comes first: not even one that had begun before the boards were spoiled.
  await redis.set(reconcileKey('lamp'), '1', 'EX', 600);
  await aSale('lamp');
  const well = await until('all stores to agree', 30_000, async () => {
    const { status, found } = await reconcile('lamp');
    return status === 0 ? found : undefined;
  });
  const lag = { 'persist-order': 0, 'update-rank': 0 };
  expect(well).toMatchObject({ ok: true, orders: 5, rows: 5, lag, differences: [] });

  await redis.zadd(boardKey('lamp', 'quantity'), 9, 'nobody');
  const dry = await reconcile('lamp', '--dry-run');
  expect(dry).toMatchObject({ status: 1, found: { ok: false } });
  expect(dry.found.differences).toMatchObject([{ code: 'boards', repaired: false }]);
  const wet = await reconcile('lamp');
  expect(wet).toMatchObject({ status: 0, found: { ok: true } });
  expect(wet.found.differences).toMatchObject([{ code: 'boards', repaired: true }]);
  expect(await redis.zscore(boardKey('lamp', 'quantity'), 'nobody')).toBeNull();
  expect(await system.cli('verify', 'lamp')).toMatchObject({ status: 0 });
});

test('the tick repairs what nobody looks at', async () => {
  await aSale('vase');
  await until('all stores to agree', 30_000, async () =>
    (await reconcile('vase')).status === 0 ? true : undefined,
  );
  await redis.hset(saleKeys('vase').sale, 'free', '1-5');
  await redis.del(reconcileKey('vase'));
  await until('the tick to have the sale made anew', 40_000, async () =>
    (await redis.hget(saleKeys('vase').sale, 'free')) === '6-10' ? true : undefined,
  );
  expect(await system.cli('verify', 'vase')).toMatchObject({ status: 0 });
}, 90_000);
