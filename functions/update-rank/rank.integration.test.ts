import { pino } from 'pino';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { redis as redisStore } from '#knative/local/stores/redis.ts';
import { topOf } from '#lib/board/board.ts';
import { delivery } from '#lib/http/delivery.ts';
import { createReadiness } from '#lib/http/serve.ts';
import { createSinkMetrics } from '#lib/http/sink.ts';
import type { OrderEvent } from '#lib/order-event.ts';
import { connectRedis, type RedisClient } from '#lib/redis/connect.ts';
import { startFunction } from '#lib/testing/function-process.ts';
import { anEvent, anEventOf, requestOf } from '#lib/testing/order-events.ts';
import { startOtlpReceiver } from '#lib/testing/otlp-receiver.ts';
import { type OwnStore, startOwnStore } from '#lib/testing/own-store.ts';
import { createApp } from './app.ts';
import { createRecord } from './record.ts';

const keys = ['a-key-of-at-least-32-characters-for-tests'];
const log = pino({ level: 'silent' });

let store: OwnStore;
let redis: RedisClient;
beforeAll(async () => {
  store = await startOwnStore(redisStore);
  redis = connectRedis({ urls: [store.address] }, log);
  await vi.waitFor(() => redis.ping());
});
afterAll(async () => {
  redis.disconnect();
  await store.remove();
});

function aSink() {
  const app = createApp({
    readiness: createReadiness(),
    sink: { signingKeys: keys, metrics: createSinkMetrics(new Registry()), log, now: Date.now },
    record: createRecord(redis),
  });
  const deliver = async (event: OrderEvent) =>
    (await app.request('/', requestOf(event, keys))).status;
  return { app, deliver };
}

test('a batch is on the boards when it is answered, however often it comes', async () => {
  const { deliver } = aSink();
  const event = anEvent('p', [
    { units: [[1, 1]], userId: 'early', userFirstAt: 1_790_000_000_000_000 },
    { units: [[2, 4]], userId: 'late', userFirstAt: 1_790_000_000_000_001 },
  ]);
  for (let delivered = 0; delivered < 3; delivered += 1) {
    expect(await deliver(event)).toBe(delivery.done);
    const members = (await topOf(redis, 'p', 'speed', 5)).map(({ member }) => member);
    expect(members).toEqual(['early', 'late']);
    expect((await topOf(redis, 'p', 'quantity', 5))[0]).toMatchObject({ member: 'late', score: 3 });
  }
});

test('what is not signed is never on a board', async () => {
  const { app } = aSink();
  const forged = requestOf(anEventOf(1, 'forged'), ['a key that nobody here has heard of before']);
  expect((await app.request('/', forged)).status).toBe(delivery.never);
  expect(await topOf(redis, 'forged', 'speed', 5)).toEqual([]);
});

test('while Redis is away or does not answer it is 503, and afterwards goes on by itself', async () => {
  const { deliver } = aSink();
  const event = anEventOf(3, 'q');
  store.freeze();
  const startedAt = performance.now();
  expect(await deliver(event)).toBe(delivery.retry);
  store.thaw();
  await store.stop();
  expect(await deliver(event)).toBe(delivery.retry);
  expect(performance.now() - startedAt).toBeLessThan(4_000);
  await store.start();
  await expect.poll(() => deliver(event), { timeout: 10_000 }).toBe(delivery.done);
  expect(await topOf(redis, 'q', 'speed', 5)).toHaveLength(3);
});

test('the program is ready once Redis answers, and leaves when told to', async () => {
  await store.stop();
  const started = await startFunction('update-rank', {
    SECKILL_REDIS_URL: store.address,
    SECKILL_SIGNING_KEYS: keys[0] ?? '',
  });
  try {
    await expect.poll(() => started.status('/livez'), { timeout: 20_000 }).toBe(200);
    expect(await started.status('/readyz')).toBe(503);
    await store.start();
    await expect.poll(() => started.status('/readyz'), { timeout: 20_000 }).toBe(200);
    const answer = await fetch(started.url, requestOf(anEventOf(1, 'r'), keys));
    expect(answer.status).toBe(delivery.done);
    const metrics = await (await fetch(started.metricsUrl)).text();
    expect(metrics).toMatch(/^seckill_consume_delay_seconds_count\{function="update-rank"\} 1$/m);
    process.kill(started.pid, 'SIGTERM');
    expect(await started.exited).toBe(0);
  } finally {
    await started.stop();
  }
});

test('told to leave, it sends its spans first; a collector that is away costs no event', async () => {
  const receiver = await startOtlpReceiver();
  const event = anEvent('t', [
    { units: [[1, 1]], traceparent: `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-01` },
  ]);
  const begin = (endpoint: string) =>
    startFunction('update-rank', {
      SECKILL_REDIS_URL: store.address,
      SECKILL_SIGNING_KEYS: keys[0] ?? '',
      OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
    });
  const leave = async (started: Awaited<ReturnType<typeof begin>>) => {
    try {
      await expect.poll(() => started.status('/readyz'), { timeout: 20_000 }).toBe(200);
      expect((await fetch(started.url, requestOf(event, keys))).status).toBe(delivery.done);
      process.kill(started.pid, 'SIGTERM');
      expect(await started.exited).toBe(0);
    } finally {
      await started.stop();
    }
  };
  await leave(await begin(receiver.url));
  expect(receiver.edgesOf('ab'.repeat(16))).toEqual(
    new Set(
      ['wait', 'fold'].map((step) => `update-rank process seckill.orders > update-rank ${step}`),
    ),
  );
  await receiver.close();
  await leave(await begin(receiver.url));
}, 60_000);
