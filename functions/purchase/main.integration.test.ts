import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { readEnvironment } from '#lib/environment.ts';
import { sign, signatureHeader } from '#lib/http/signature.ts';
import { queuePrefix } from '#lib/lock/keys.ts';
import { saleKeys } from '#lib/names.ts';
import { startFunction } from '#lib/testing/function-process.ts';
import type { Standing } from './standing.ts';
import {
  accepted,
  aPurchase,
  type Bench,
  gate,
  many,
  numbersTo,
  openOwnBench,
  replayed,
  unavailable,
  unitsPublished,
} from './testing/purchase-fixture.ts';

let bench: Bench & { mysqlUrl: string };
beforeAll(async () => {
  bench = await openOwnBench();
});
afterAll(() => bench.close());

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function start(overrides: Record<string, string> = {}) {
  const stateFolder = mkdtempSync(join(tmpdir(), 'seckill-purchase-'));
  const stores = readEnvironment(['SECKILL_ETCD_ENDPOINTS', 'SECKILL_REDIS_URL']);
  const started = await startFunction('purchase', {
    SECKILL_ETCD_ENDPOINTS: stores.SECKILL_ETCD_ENDPOINTS.join(','),
    SECKILL_KAFKA_BROKERS: bench.kafka.brokers.join(','),
    SECKILL_MYSQL_URL: bench.mysqlUrl,
    SECKILL_REDIS_URL: stores.SECKILL_REDIS_URL.join(','),
    SECKILL_SIGNING_KEYS: bench.signingKeys.join(','),
    SECKILL_STATE_DIR: stateFolder,
    ...overrides,
  });
  closers.push(async () => {
    await started.stop();
    await rm(stateFolder, { recursive: true, force: true });
  });
  return started;
}

/** As the edge sends them. */
async function buy(url: string, productId: string, purchases: readonly unknown[]) {
  const path = `/products/${productId}/purchases`;
  const body = JSON.stringify({ purchases });
  const headers = {
    'content-type': 'application/json',
    [signatureHeader]: sign(bench.signingKeys, `POST ${path}`, body),
  };
  const response = await fetch(url + path, { method: 'POST', headers, body });
  return await response.json();
}

/** A sale whose outbox holds what an instance could not publish; the instance has left. */
async function pendingSale() {
  const productId = await bench.product();
  const instance = bench.instance();
  instance.aroundPublish = () => Promise.reject(new Error('Kafka is away'));
  const purchase = aPurchase(productId);
  const { outbox } = saleKeys(productId);
  // `unavailable` is also said where the sale could not be loaded in time; then nothing is pending.
  const pending = async () => {
    expect(await instance.seller.purchase(productId, [purchase])).toEqual([unavailable]);
    return bench.redis.exists(outbox);
  };
  await expect.poll(pending, { timeout: 20_000 }).toBe(1);
  await instance.seller.stop();
  return { productId, purchase, outbox };
}

test('it drains when it starts, sells, counts, and drains before it leaves', async () => {
  const before = await pendingSale();
  const started = await start();
  await expect.poll(() => started.status('/readyz'), { timeout: 20_000 }).toBe(200);
  await expect.poll(() => bench.redis.exists(before.outbox), { timeout: 20_000 }).toBe(0);

  const productId = await bench.product();
  const [purchase] = many(productId, 1);
  const answers = [accepted, replayed];
  expect(await buy(started.url, productId, [purchase, purchase])).toEqual({ answers });

  const metrics = await (await fetch(started.metricsUrl)).text();
  expect(metrics).toMatch(/^seckill_purchases_total\{outcome="accepted",.*\} 1$/m);
  expect(metrics).toMatch(/^seckill_rebuilds_total\{.*\} 1$/m);
  expect(metrics).toMatch(/^seckill_locks_held\{.*\} [12]$/m);

  // A store that takes long to answer is one that does not, for a moment.
  const readStanding = async () =>
    (await (await fetch(new URL('/standing', started.metricsUrl))).json()) as Standing;
  await expect.poll(readStanding, { timeout: 20_000 }).toMatchObject({
    stores: { Redis: true, MySQL: true, etcd: true, Kafka: true },
    lagEvents: { 'persist-order': expect.any(Number) as number },
    deadLetters: { 'update-rank': expect.any(Number) as number },
  });
  const { sales } = await readStanding();
  expect(sales?.find((sale) => sale.productId === productId)).toMatchObject({
    ...{ state: 'open', sold: 1, pending: 0, loaded: true, settled: false },
  });

  const after = await pendingSale();
  process.kill(started.pid, 'SIGTERM');
  expect(await started.exited).toBe(0);
  expect(await bench.redis.exists(after.outbox)).toBe(0);
  expect(await unitsPublished(bench, after.productId)).toEqual([1]);
  const next = bench.instance();
  expect(await next.seller.purchase(after.productId, [after.purchase])).toEqual([replayed]);
  // Nothing personal is in the log.
  for (const text of [purchase?.userId, after.purchase.userId, after.purchase.orderId]) {
    expect(started.log()).not.toContain(text);
  }
});

/** How many hold the product's lock or wait for it. */
async function placesInQueue(productId: string): Promise<number> {
  const then = [{ list: queuePrefix(productId), order: 'oldest', limit: 10 }] as const;
  const { reads } = await bench.etcd.transact({ when: [], then });
  return reads[0]?.length ?? 0;
}

test('in a rolling update no purchase fails, and the new instance has the product at once', async () => {
  const [older, newer] = await Promise.all([start(), start()]);
  for (const one of [older, newer]) {
    await expect.poll(() => one.status('/readyz'), { timeout: 20_000 }).toBe(200);
  }
  const productId = await bench.product({ stock: 400 });
  let url = older.url;
  const answers: unknown[] = [];
  const lane = async () => {
    for (const purchase of many(productId, 25)) {
      answers.push(await buy(url, productId, [purchase]));
    }
  };
  const bought = Promise.all(Array.from({ length: 8 }, lane));
  // In the middle of it: requests go to the new one, and the old one still has some of them.
  await expect.poll(() => answers.length, { timeout: 20_000, interval: 5 }).toBeGreaterThan(40);
  url = newer.url;
  process.kill(older.pid, 'SIGTERM');
  await expect.poll(() => older.status('/readyz'), { interval: 5 }).not.toBe(200);
  expect(await older.exited).toBe(0);
  await bought;
  // Nobody had to wait for the lock's time to live, which is longer than a purchase may take.
  expect(answers).toEqual(Array.from({ length: 200 }, () => ({ answers: [accepted] })));
  expect(await unitsPublished(bench, productId)).toEqual(numbersTo(200));
  expect(await newer.status('/readyz')).toBe(200);
});

test('what waits in an instance that leaves is answered by it, and its locks are free at once', async () => {
  const [older, newer] = await Promise.all([start(), start()]);
  for (const one of [older, newer]) {
    await expect.poll(() => one.status('/readyz'), { timeout: 20_000 }).toBe(200);
  }
  const productId = await bench.product();
  const busy = gate();
  const another = bench.instance();
  const working = another.seller.exclusively(productId, () => busy.pass());
  await busy.isReached;
  const waiting = buy(older.url, productId, many(productId, 3));
  await expect.poll(() => placesInQueue(productId), { timeout: 20_000 }).toBe(2);
  process.kill(older.pid, 'SIGTERM');
  await expect.poll(() => older.status('/readyz'), { interval: 5 }).not.toBe(200);
  busy.open();
  await working;
  expect(await waiting).toEqual({ answers: [accepted, accepted, accepted] });
  expect(await older.exited).toBe(0);
  // Nobody has asked it for the lock: it was given back, and does not end by itself 10 s later.
  expect(await placesInQueue(productId)).toBe(0);
  expect(await buy(newer.url, productId, many(productId, 1))).toEqual({ answers: [accepted] });
});

test('it is not ready without its stores, and leaves all the same', async () => {
  const started = await start({ SECKILL_KAFKA_BROKERS: '127.0.0.1:1' });
  await expect.poll(() => started.status('/livez'), { timeout: 20_000 }).toBe(200);
  await expect.poll(() => started.log(), { timeout: 20_000 }).toContain('"store":"Kafka"');
  expect(await started.status('/readyz')).toBe(503);
  process.kill(started.pid, 'SIGTERM');
  expect(await started.exited).toBe(0);
});

test('it refuses to start without its keys', async () => {
  const started = await start({ SECKILL_SIGNING_KEYS: '' });
  expect(await started.exited).toBe(1);
  expect(started.log()).toContain('SECKILL_SIGNING_KEYS is not set');
});
