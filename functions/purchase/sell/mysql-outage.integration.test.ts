// MySQL keeps its connections and answers nothing. It is not on the way of a purchase, so a sale
// that is loaded goes on, whatever an operator asks for meanwhile.

import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { migrate } from '#functions/persist-order/migrate.ts';
import { mysql as mysqlStore } from '#knative/local/stores/mysql.ts';
import { purchaseDeadlineMs } from '#lib/constants.ts';
import { saleKeys } from '#lib/names.ts';
import { type OwnStore, startOwnStore } from '#lib/testing/own-store.ts';
import { openApp } from '../testing/app-fixture.ts';
import { accepted, type Bench, many, openBench, unavailable } from '../testing/purchase-fixture.ts';

let store: OwnStore;
let bench: Bench;
beforeAll(async () => {
  store = await startOwnStore(mysqlStore);
  await migrate({ url: store.address });
  bench = openBench(store.address);
});
afterAll(async () => {
  store.thaw();
  await bench.close();
  await store.remove();
});

test('an operator’s change that hangs does not stop the sale; repeated later it is done', async () => {
  const productId = await bench.product();
  const instance = bench.instance();
  const app = openApp(bench, instance);
  const pause = (operationId: string) => app.operate(`sales/${productId}/pause`, { operationId });
  expect(await instance.seller.purchase(productId, many(productId, 1))).toEqual([accepted]);

  const operationId = randomUUID();
  store.freeze();
  // Under the lock it finds that MySQL is away.
  const hanging = instance.seller.exclusively(productId, () => bench.row(productId));
  const failed = expect(hanging).rejects.toThrow();
  const bought = await instance.seller.purchase(productId, many(productId, 1));
  expect(bought).toEqual([accepted]);
  await failed;
  const paused = await pause(operationId);
  expect([paused.status, paused.body.outcome]).toEqual([503, 'unavailable']);
  store.thaw();
  await vi.waitFor(async () => {
    const answer = await pause(operationId);
    expect([answer.status, answer.body.state]).toEqual([200, 'paused']);
  }, 20_000);
  expect(await instance.seller.purchase(productId, many(productId, 1))).toEqual([
    { outcome: 'paused' },
  ]);
});

test('a sale that has to be rebuilt is unavailable in time, and sold when MySQL is back', async () => {
  const productId = await bench.product();
  const instance = bench.instance();
  const ask = () => instance.seller.purchase(productId, many(productId, 1));
  expect(await ask()).toEqual([accepted]);
  await bench.persistAll(productId);
  await bench.redis.del(...Object.values(saleKeys(productId)));
  store.freeze();
  const sentAt = performance.now();
  expect(await ask()).toEqual([unavailable]);
  expect(performance.now() - sentAt).toBeLessThan(purchaseDeadlineMs + 1_000);
  store.thaw();
  await vi.waitFor(async () => {
    expect(await ask()).toEqual([accepted]);
  }, 20_000);
});

test('who has sold before goes on; who is new waits until MySQL tells what is loaded', async () => {
  const productId = await bench.product();
  const instance = bench.instance();
  expect(await instance.seller.purchase(productId, many(productId, 1))).toEqual([accepted]);
  store.freeze();
  expect(await instance.seller.purchase(productId, many(productId, 1))).toEqual([accepted]);
  const fresh = bench.instance();
  expect(await fresh.seller.purchase(productId, many(productId, 1))).toEqual([unavailable]);
  expect(await instance.seller.purchase(productId, many(productId, 1))).toEqual([accepted]);
  store.thaw();
  await vi.waitFor(async () => {
    expect(await fresh.seller.purchase(productId, many(productId, 1))).toEqual([accepted]);
  }, 20_000);
  expect([instance.rebuilds, fresh.rebuilds]).toEqual([1, 0]);
});
