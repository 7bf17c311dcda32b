import fc from 'fast-check';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { boardMembersMax } from '#lib/constants.ts';
import { readEnvironment } from '#lib/environment.ts';
import { boardKey, boardKinds, productsBoardKey, saleKeys } from '#lib/names.ts';
import type { OrderEvent } from '#lib/order-event.ts';
import { connectRedis, type RedisClient } from '#lib/redis/connect.ts';
import { anEvent, type OrderSpec } from '#lib/testing/order-events.ts';
import { uniqueProductId } from '#lib/testing/unique.ts';
import { placeOf, recordBatch, topOf, topProducts } from './board.ts';
import { compositeScore } from './score.ts';

const { SECKILL_REDIS_URL } = readEnvironment(['SECKILL_REDIS_URL']);
const redis = connectRedis(SECKILL_REDIS_URL, pino({ level: 'silent' }));
afterAll(() => {
  redis.disconnect();
});
beforeAll(async () => {
  await vi.waitFor(() => redis.ping());
});

/** A sale as it goes: who buys how many, one order after the other, cut into events. */
function eventsOf(
  productId: string,
  purchases: readonly { user: number; quantity: number }[],
  perEvent: number,
): OrderEvent[] {
  const totals = new Map<string, { firstAt: number; quantity: number }>();
  let sold = 0;
  const specs = purchases.map(({ user, quantity }, index): OrderSpec => {
    const userId = `user-${user}`;
    const before = totals.get(userId);
    const firstAt = before?.firstAt ?? 1_790_000_000_000_000 + index * 1_100;
    const userQuantity = (before?.quantity ?? 0) + quantity;
    totals.set(userId, { firstAt, quantity: userQuantity });
    const units: OrderSpec['units'] = [[sold + 1, sold + quantity]];
    sold += quantity;
    return { units, userId, userFirstAt: firstAt, userQuantity, sold };
  });
  const events: OrderEvent[] = [];
  for (let at = 0; at < specs.length; at += perEvent) {
    events.push(anEvent(productId, specs.slice(at, at + perEvent)));
  }
  return events;
}

/** Everything the boards say about a product, in order. */
async function boardsOf(client: RedisClient, productId: string) {
  const all = [];
  for (const kind of boardKinds) {
    for (const { member, score, place } of await topOf(client, productId, kind, 1_000)) {
      all.push([kind, place, member, score]);
    }
  }
  return [...all, await client.zscore(productsBoardKey, productId)];
}

const purchases = fc.array(
  fc.record({ user: fc.nat(6), quantity: fc.integer({ min: 1, max: 3 }) }),
  { minLength: 1, maxLength: 25 },
);

test('any order and repetition of events gives the same boards', async () => {
  await fc.assert(
    fc.asyncProperty(
      purchases,
      fc.integer({ min: 1, max: 5 }),
      fc.array(fc.nat(), { maxLength: 10 }),
      fc.array(fc.nat(), { minLength: 40, maxLength: 40 }),
      async (bought, perEvent, repeats, random) => {
        const [inOrder, mixedUp] = [uniqueProductId(), uniqueProductId()];
        for (const event of eventsOf(inOrder, bought, perEvent)) await recordBatch(redis, event);
        const events = eventsOf(mixedUp, bought, perEvent);
        const delivered = [...events, ...repeats.map((n) => events[n % events.length])]
          .map((event, index) => ({ event, at: random[index] ?? 0 }))
          .sort((a, b) => a.at - b.at);
        for (const { event } of delivered) if (event) await recordBatch(redis, event);
        expect(await boardsOf(redis, mixedUp)).toEqual(await boardsOf(redis, inOrder));
      },
    ),
    { numRuns: 60 },
  );
});

test('the boards show who was first, who has most, both, and which product sold most', async () => {
  const productId = uniqueProductId();
  const bought = [
    { user: 1, quantity: 1 },
    { user: 2, quantity: 2 },
    { user: 3, quantity: 2 },
    { user: 1, quantity: 1 },
    { user: 4, quantity: 1 },
  ];
  const events = eventsOf(productId, bought, 2);
  await Promise.all(events.map((event) => recordBatch(redis, event)));
  const members = async (kind: (typeof boardKinds)[number], limit = 10) =>
    (await topOf(redis, productId, kind, limit)).map(({ member }) => member);
  expect(await members('speed')).toEqual(['user-1', 'user-2', 'user-3', 'user-4']);
  expect(await members('score')).toEqual(['user-1', 'user-2', 'user-3', 'user-4']);
  expect((await members('quantity')).at(-1)).toBe('user-4');
  expect(await members('speed', 2)).toEqual(['user-1', 'user-2']);
  expect(await members('speed', 0)).toEqual([]);
  expect(await placeOf(redis, productId, 'quantity', 'user-4')).toEqual({
    place: 4,
    member: 'user-4',
    score: 1,
  });
  const firstAt = 1_790_000_000_001_100;
  expect(await placeOf(redis, productId, 'score', 'user-2')).toEqual({
    place: 2,
    member: 'user-2',
    score: compositeScore({ userFirstAt: firstAt, userQuantity: 2 }),
  });
  expect(await placeOf(redis, productId, 'speed', 'nobody')).toBeUndefined();
  const hot = await topProducts(redis, 100_000);
  expect(hot.find(({ member }) => member === productId)?.score).toBe(7);
  expect(hot.map(({ score }) => score)).toEqual(
    hot.map(({ score }) => score).sort((a, b) => b - a),
  );
});

describe('a full board', () => {
  test('keeps the best, by what is best there', async () => {
    const productId = uniqueProductId();
    for (const kind of boardKinds) {
      const scores = Array.from({ length: boardMembersMax }, (_, i) => [i + 10, `old-${i}`]);
      await redis.zadd(boardKey(productId, kind), ...scores.flat());
    }
    const spec: OrderSpec = {
      units: [[1, 1]],
      userId: 'new',
      userFirstAt: 1,
      userQuantity: 100_000,
    };
    await recordBatch(redis, anEvent(productId, [spec]));
    for (const kind of boardKinds) {
      expect(await redis.zcard(boardKey(productId, kind))).toBe(boardMembersMax);
      expect((await placeOf(redis, productId, kind, 'new'))?.place).toBe(1);
    }
    const last = `old-${boardMembersMax - 1}`;
    expect(await placeOf(redis, productId, 'speed', last)).toBeUndefined();
    expect(await placeOf(redis, productId, 'speed', 'old-0')).toBeDefined();
    expect(await placeOf(redis, productId, 'quantity', last)).toBeDefined();
    expect(await placeOf(redis, productId, 'quantity', 'old-0')).toBeUndefined();
  });
});

test('what an older generation than the loaded one sends late changes nothing', async () => {
  const productId = uniqueProductId();
  await redis.hset(saleKeys(productId).sale, 'generation', '2');
  await recordBatch(redis, anEvent(productId, [{ units: [[1, 1]] }], { generation: 1 }));
  expect(await boardsOf(redis, productId)).toEqual([null]);
  await recordBatch(redis, anEvent(productId, [{ units: [[1, 1]] }], { generation: 2 }));
  expect(await topOf(redis, productId, 'speed', 10)).toHaveLength(1);
});
