import { afterAll, beforeAll, expect, test } from 'vitest';
import { mysql } from '#knative/local/stores/mysql.ts';
import { readEnvironment } from '#lib/environment.ts';
import { delivery } from '#lib/http/delivery.ts';
import { anEventOf, requestOf } from '#lib/testing/order-events.ts';
import { type OwnStore, startOwnStore } from '#lib/testing/own-store.ts';
import { uniqueProductId } from '#lib/testing/unique.ts';
import { migrate } from './migrate.ts';
import { startSink } from './persist-fixture.ts';

let store: OwnStore;
let sink: ReturnType<typeof startSink>;
beforeAll(async () => {
  store = await startOwnStore(mysql);
  await migrate({ url: store.address });
  const env = readEnvironment(['SECKILL_REDIS_URL', 'SECKILL_SIGNING_KEYS']);
  sink = startSink({ ...env, SECKILL_MYSQL_URL: store.address }, 1_000);
});
afterAll(async () => {
  await store.remove();
  await sink.stop();
});

async function onSale(stock: number): Promise<string> {
  const productId = uniqueProductId();
  await sink.putOnSale(productId, stock);
  return productId;
}

test('while MySQL is away it is 503 at once, and afterwards all goes on by itself', async () => {
  const productId = await onSale(100);
  const events = Array.from({ length: 20 }, (_, index) => anEventOf(5, productId, index * 5 + 1));
  const deliverAll = () => Promise.all(events.map((event, index) => sink.deliver(event, index)));
  const halfWay = deliverAll();
  await store.stop();
  // Cut in the middle: some may be written and not answered, some answered; none is in between.
  for (const status of await halfWay) expect([delivery.done, delivery.retry]).toContain(status);
  const startedAt = performance.now();
  const [event] = events;
  if (event === undefined) expect.unreachable();
  const response = await sink.app.request('/', requestOf(event, sink.keys));
  expect(response.status).toBe(delivery.retry);
  expect(response.headers.get('retry-after')).toMatch(/^[1-9]\d*$/);
  expect(performance.now() - startedAt).toBeLessThan(3_000);
  await store.start();
  expect(new Set(await deliverAll())).toEqual(new Set([delivery.done]));
  const { unsold, rows, units } = await sink.held(productId);
  expect([unsold, rows.length, units.length]).toEqual([0, 100, 100]);
});

test('a MySQL that does not answer is 503 within the deadline, and what it did counts once', async () => {
  const productId = await onSale(10);
  expect(await sink.deliver(anEventOf(1, productId))).toBe(delivery.done);
  const event = anEventOf(4, productId, 2);
  store.freeze();
  const startedAt = performance.now();
  expect(await sink.deliver(event, 2)).toBe(delivery.retry);
  expect(performance.now() - startedAt).toBeLessThan(4_000);
  store.thaw();
  await expect.poll(() => sink.deliver(event, 2), { timeout: 10_000 }).toBe(delivery.done);
  const { unsold, rows } = await sink.held(productId);
  expect([unsold, rows.length]).toEqual([5, 5]);
});
