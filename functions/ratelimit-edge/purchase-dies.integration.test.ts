// A real `purchase` is killed with -9 in the middle of a batch: its buyers get 503, and whoever
// asks again with the same key is told the truth. Nothing is sold twice.

import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type Bench,
  openOwnBench,
  unitsPublished,
} from '#functions/purchase/testing/purchase-fixture.ts';
import { choosePort } from '#knative/local/ports.ts';
import type { CrashPoint } from '#lib/crash-point.ts';
import { readEnvironment } from '#lib/environment.ts';
import { type FunctionProcess, startFunction } from '#lib/testing/function-process.ts';
import { type Edge, environmentFor, startEdge, tokenFor } from './testing/edge-fixture.ts';

let bench: Bench & { mysqlUrl: string };
let edge: Edge;
let stateFolder: string;
let environment: Record<string, string>;
let running: FunctionProcess | undefined;

beforeAll(async () => {
  bench = await openOwnBench();
  stateFolder = mkdtempSync(join(tmpdir(), 'seckill-purchase-'));
  const stores = readEnvironment(['SECKILL_ETCD_ENDPOINTS', 'SECKILL_REDIS_URL']);
  const redisUrl = stores.SECKILL_REDIS_URL.join(',');
  const port = await choosePort();
  const purchaseUrl = `http://127.0.0.1:${port}`;
  const { SECKILL_SIGNING_KEYS = '' } = environmentFor(redisUrl, purchaseUrl);
  environment = {
    PORT: String(port),
    SECKILL_ETCD_ENDPOINTS: stores.SECKILL_ETCD_ENDPOINTS.join(','),
    SECKILL_KAFKA_BROKERS: bench.kafka.brokers.join(','),
    SECKILL_MYSQL_URL: bench.mysqlUrl,
    SECKILL_REDIS_URL: redisUrl,
    SECKILL_STATE_DIR: stateFolder,
    SECKILL_SIGNING_KEYS,
  };
  edge = await startEdge(redisUrl, purchaseUrl);
});

afterAll(async () => {
  await running?.stop();
  await edge.stop();
  await bench.close();
  await rm(stateFolder, { recursive: true, force: true });
});

/** On the same port, with the same state: a container that is started again. */
async function startPurchase(point?: CrashPoint): Promise<void> {
  await running?.stop();
  const armed = point === undefined ? {} : { SECKILL_CRASH_POINT: `${point}:kill:1` };
  running = await startFunction('purchase', { ...environment, ...armed });
  const ready = async () => (await fetch(`http://127.0.0.1:${environment.PORT}/readyz`)).status;
  await expect.poll(() => ready().catch(() => 0), { timeout: 30_000, interval: 50 }).toBe(200);
}

test.each(['turn.decided', 'turn.sent'] as const)('at %s', async (point) => {
  const productId = await bench.product({ stock: 100, unsold: 100 });
  await startPurchase(point);
  const buyer = async (index: number) => {
    const token = await tokenFor(`buyer ${index}`);
    return () => edge.buy({ productId, token, key: `key-of-buyer-${index}` });
  };
  // On a connection that is then kept, as those of a running sale are.
  expect((await (await buyer(0))()).status).toBe(202);
  const buyers = await Promise.all(Array.from({ length: 20 }, (_, index) => buyer(index + 1)));
  const first = await Promise.all(buyers.map((buy) => buy()));
  expect(await running?.exited).toBe(137);
  for (const response of first) {
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toMatch(/^[1-9]\d*$/);
  }

  await startPurchase();
  const acceptances = await Promise.all(
    buyers.map(async (buy) => {
      let response = await buy();
      await expect
        .poll(
          async () => {
            if (response.status === 503) response = await buy();
            return response.status;
          },
          { timeout: 30_000, interval: 100 },
        )
        .toBeLessThan(300);
      return await response.text();
    }),
  );
  for (const [index, buy] of buyers.entries()) {
    const again = await buy();
    expect({ status: again.status, text: await again.text() }).toEqual({
      status: 200,
      text: acceptances[index],
    });
  }
  const units = await unitsPublished(bench, productId);
  expect(new Set(units).size).toBe(buyers.length + 1);
});
