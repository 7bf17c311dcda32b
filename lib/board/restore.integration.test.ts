import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { boardMembersMax } from '#lib/constants.ts';
import { readEnvironment } from '#lib/environment.ts';
import { boardKey, boardKinds, productsBoardKey } from '#lib/names.ts';
import { connectRedis, type RedisClient } from '#lib/redis/connect.ts';
import { anEvent } from '#lib/testing/order-events.ts';
import { uniqueProductId } from '#lib/testing/unique.ts';
import { placeOf, recordBatch, topOf } from './board.ts';
import { type BuyerTotals, newestOnBoards, restoreBoards } from './restore.ts';

const { SECKILL_REDIS_URL } = readEnvironment(['SECKILL_REDIS_URL']);
const redis = connectRedis({ urls: SECKILL_REDIS_URL }, pino({ level: 'silent' }));
beforeAll(async () => {
  await vi.waitFor(() => redis.ping());
});
afterAll(() => {
  redis.disconnect();
});

const noon = 1_790_000_000_000_000;
let productId: string;
beforeEach(() => {
  productId = uniqueProductId();
});

/** What a buyer has who bought `quantity` in so many microseconds after noon. */
const buyer = (userId: string, after: number, quantity: number): BuyerTotals => ({
  userId,
  userFirstAt: noon + after,
  userQuantity: quantity,
});
const moment = (generation: number, after: number) => ({ generation, lastAtUs: noon + after });

/** An order that is accepted so many microseconds after noon, as update-rank gets it. */
const bought = (generation: number, totals: BuyerTotals, sold: number) =>
  recordBatch(
    redis,
    anEvent(productId, [{ units: [[sold, sold]], sold, ...totals }], {
      generation,
      acceptedAt: totals.userFirstAt,
    }),
  );

/** Who is on the boards, in order, and how many units the product has sold. */
async function shown(client: RedisClient = redis) {
  const members = async (kind: (typeof boardKinds)[number]) =>
    (await topOf(client, productId, kind, 100)).map(({ member }) => member).join();
  const [speed, quantity, score] = await Promise.all(boardKinds.map(members));
  const sold = Number(await client.zscore(productsBoardKey, productId));
  return { speed, quantity, score, sold };
}

test('the boards show the buyers and nobody else', async () => {
  await bought(1, buyer('never-accepted', 1, 9), 9);
  const buyers = [buyer('ann', 5, 1), buyer('bob', 6, 2)];
  expect(await restoreBoards(redis, productId, buyers, 3, moment(2, 6))).toBe(true);
  const restored = { speed: 'ann,bob', quantity: 'bob,ann', score: 'bob,ann', sold: 3 };
  expect(await shown()).toEqual(restored);
  // Repeated after an answer was lost.
  expect(await restoreBoards(redis, productId, buyers, 3, moment(2, 6))).toBe(true);
  expect(await shown()).toEqual(restored);
  await bought(2, buyer('cid', 7, 3), 6);
  expect(await shown()).toEqual({
    ...{ speed: 'ann,bob,cid', quantity: 'cid,bob,ann', score: 'cid,bob,ann', sold: 6 },
  });
  expect(await restoreBoards(redis, productId, [], 0, moment(3, 7))).toBe(true);
  expect(await shown()).toEqual({ speed: '', quantity: '', score: '', sold: 0 });
  expect(await redis.zscore(productsBoardKey, productId)).toBeNull();
});

test('what comes late, but was known already, is left out', async () => {
  await restoreBoards(redis, productId, [buyer('ann', 5, 1)], 1, moment(2, 9));
  await bought(1, buyer('never-accepted', 99, 9), 9);
  await bought(2, buyer('ann', 5, 3), 3);
  await bought(2, buyer('cancelled', 9, 3), 3);
  expect(await shown()).toEqual({ speed: 'ann', quantity: 'ann', score: 'ann', sold: 1 });
  expect((await placeOf(redis, productId, 'quantity', 'ann'))?.score).toBe(1);
});

test('an older restoration does not take away what a newer one, or an event, brought', async () => {
  const ofThen = [buyer('ann', 5, 1)];
  const now = { speed: 'ann,bob', quantity: 'bob,ann', score: 'bob,ann', sold: 3 };
  await restoreBoards(redis, productId, ofThen, 1, moment(2, 5));
  await bought(2, buyer('bob', 6, 2), 3);
  expect(await restoreBoards(redis, productId, ofThen, 1, moment(2, 5))).toBe(false);
  expect(await shown()).toEqual(now);
  await restoreBoards(redis, productId, [...ofThen, buyer('bob', 6, 2)], 3, moment(3, 6));
  expect(await restoreBoards(redis, productId, ofThen, 1, moment(2, 99))).toBe(false);
  expect(await shown()).toEqual(now);
  expect(await newestOnBoards(redis, productId)).toBe(3);
  // Nothing is left beside the boards but their marks.
  for (const kind of boardKinds) {
    const beside = await (redis as { keys(pattern: string): Promise<string[]> }).keys(
      `{${boardKey(productId, kind)}}:*`,
    );
    expect(beside).toEqual([`{${boardKey(productId, kind)}}:marks`]);
  }
});

test('one that was frozen before any of its calls takes nothing away when it wakes up', async () => {
  const now = { speed: 'ann,bob', quantity: 'bob,ann', score: 'bob,ann', sold: 3 };
  let calls = 0;
  for (let freezeAt = 0; ; freezeAt += 1) {
    productId = uniqueProductId();
    calls = 0;
    const overtake = async () => {
      await restoreBoards(redis, productId, [buyer('ann', 5, 1)], 1, moment(3, 5));
      await bought(3, buyer('bob', 6, 2), 3);
    };
    const slow = new Proxy(redis, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== 'function') return value;
        return async (...args: unknown[]) => {
          calls += 1;
          if (calls - 1 === freezeAt) await overtake();
          return (await value.apply(target, args)) as unknown;
        };
      },
    });
    await restoreBoards(slow, productId, [buyer('zoe', 1, 1)], 1, moment(2, 1));
    if (calls <= freezeAt) break;
    expect(await shown(), `frozen before call ${freezeAt}`).toEqual(now);
  }
  // Making three boards, putting them in their places, and the product's score.
  expect(calls).toBeGreaterThanOrEqual(10);
});

test('of a big sale the best are restored, by what is best on each board', async () => {
  const buyers = Array.from({ length: boardMembersMax + 500 }, (_, at) =>
    buyer(`user-${at}`, at, at + 1),
  );
  expect(await restoreBoards(redis, productId, buyers, 99, moment(1, 99_999))).toBe(true);
  for (const kind of boardKinds) {
    expect(await redis.zcard(boardKey(productId, kind))).toBe(boardMembersMax);
    expect(await redis.ttl(boardKey(productId, kind))).toBe(-1);
  }
  expect((await topOf(redis, productId, 'speed', 1))[0]?.member).toBe('user-0');
  const last = `user-${boardMembersMax + 499}`;
  expect((await topOf(redis, productId, 'quantity', 1))[0]?.member).toBe(last);
  expect(await placeOf(redis, productId, 'speed', last)).toBeUndefined();
});
