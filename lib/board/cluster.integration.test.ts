import { Cluster } from 'ioredis';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { boardKinds } from '#lib/names.ts';
import { connectRedis, type RedisClient } from '#lib/redis/connect.ts';
import { anEvent } from '#lib/testing/order-events.ts';
import { type OwnCluster, startOwnCluster } from '#lib/testing/own-cluster.ts';
import { placeOf, recordBatch, topOf, topProducts } from './board.ts';
import { newestOnBoards, restoreBoards } from './restore.ts';

let cluster: OwnCluster;
let redis: RedisClient;
beforeAll(async () => {
  cluster = await startOwnCluster();
  redis = connectRedis({ urls: cluster.urls }, pino({ level: 'silent' }));
  await vi.waitFor(() => redis.ping(), { timeout: 10_000 });
}, 30_000);
afterAll(async () => {
  redis.disconnect();
  await cluster.remove();
});

test('the boards work where their keys lie on different nodes', async () => {
  expect(redis).toBeInstanceOf(Cluster);
  const productIds = Array.from({ length: 20 }, (_, index) => `p-${index}`);
  await Promise.all(
    productIds.map((productId, index) =>
      recordBatch(
        redis,
        anEvent(productId, [
          { units: [[1, 1]], userId: 'first', userFirstAt: 1_790_000_000_000_000 },
          { units: [[2, 3 + index]], userId: 'second', userFirstAt: 1_790_000_000_000_001 },
        ]),
      ),
    ),
  );
  for (const productId of productIds) {
    for (const kind of boardKinds) {
      const members = (await topOf(redis, productId, kind, 5)).map(({ member }) => member);
      expect(members).toEqual(kind === 'speed' ? ['first', 'second'] : ['second', 'first']);
    }
    expect((await placeOf(redis, productId, 'speed', 'second'))?.place).toBe(2);
  }
  expect(await topProducts(redis, 2)).toEqual([
    { place: 1, member: 'p-19', score: 22 },
    { place: 2, member: 'p-18', score: 21 },
  ]);
});

test('and are restored there', async () => {
  const buyers = [{ userId: 'ann', userFirstAt: 1_790_000_000_000_000, userQuantity: 2 }];
  const moment = { generation: 2, lastAtUs: 1_790_000_000_000_000 };
  for (const productId of ['p-1', 'p-2', 'p-3']) {
    expect(await restoreBoards(redis, productId, buyers, 2, moment)).toBe(true);
    expect(await topOf(redis, productId, 'score', 5)).toHaveLength(1);
    expect(await newestOnBoards(redis, productId)).toBe(2);
  }
});
