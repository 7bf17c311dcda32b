import fc from 'fast-check';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { boardMembersMax, settledSaleKeptSeconds } from '#lib/constants.ts';
import { readEnvironment } from '#lib/environment.ts';
import { boardKey, boardKinds, productsBoardKey, saleKeys } from '#lib/names.ts';
import type { OrderEvent } from '#lib/order-event.ts';
import { connectRedis, type RedisClient } from '#lib/redis/connect.ts';
import { anEvent, type OrderSpec } from '#lib/testing/order-events.ts';
import { uniqueProductId } from '#lib/testing/unique.ts';
import { placeOf, recordBatch, recordBatches, topOf, topProducts } from './board.ts';
import { type BuyerTotals, boardKeysOf, restoreBoards } from './restore.ts';
import { compositeScore } from './score.ts';

const { SECKILL_REDIS_URL } = readEnvironment(['SECKILL_REDIS_URL']);
const redis = connectRedis({ urls: SECKILL_REDIS_URL }, pino({ level: 'silent' }));
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

/** The totals of each buyer after all of these events. */
function totalsAfter(events: readonly OrderEvent[]): BuyerTotals[] {
  const totals = new Map<string, BuyerTotals>();
  for (const { orders } of events) for (const order of orders) totals.set(order.userId, order);
  return [...totals.values()];
}

/** Cuts a list where the numbers, each in its turn, say; 0 is taken for 1. */
function cutInto<Item>(items: readonly Item[], sizes: readonly number[]): Item[][] {
  const parts: Item[][] = [];
  for (let at = 0; at < items.length; at += parts.at(-1)?.length ?? 1) {
    parts.push(items.slice(at, at + Math.max(1, sizes[parts.length % sizes.length] ?? 1)));
  }
  return parts;
}

test('a full board is the same, whoever of equal scores came first, and however it was folded', async () => {
  // Many have bought one: the board by units is cut off among equals.
  const few = fc.array(fc.record({ user: fc.nat(9), quantity: fc.constantFrom(1, 1, 1, 2) }), {
    minLength: 6,
    maxLength: 25,
  });
  const kept = { membersMax: 3 };
  await fc.assert(
    fc.asyncProperty(
      few,
      fc.integer({ min: 1, max: 4 }),
      fc.array(fc.nat(), { minLength: 50, maxLength: 50 }),
      fc.array(fc.nat(4), { minLength: 1, maxLength: 5 }),
      async (bought, perEvent, random, folds) => {
        const [inOrder, mixedUp, restored] = [
          uniqueProductId(),
          uniqueProductId(),
          uniqueProductId(),
        ];
        const clean = eventsOf(inOrder, bought, perEvent);
        for (const event of clean) await recordBatches(redis, [event], kept.membersMax);
        const events = eventsOf(mixedUp, bought, perEvent);
        const delivered = [...events, ...events]
          .map((event, index) => ({ event, at: random[index] ?? 0 }))
          .sort((a, b) => a.at - b.at)
          .map(({ event }) => event);
        for (const folded of cutInto(delivered, folds)) {
          await recordBatches(redis, folded, kept.membersMax);
        }
        const expected = await boardsOf(redis, inOrder);
        expect(await boardsOf(redis, mixedUp)).toEqual(expected);
        // Nor does it matter that it was made from rows, in whatever order they are read.
        const buyers = totalsAfter(clean)
          .map((buyer, index) => ({ buyer, at: random[index] ?? 0 }))
          .sort((a, b) => a.at - b.at)
          .map(({ buyer }) => buyer);
        const sold = bought.reduce((sum, { quantity }) => sum + quantity, 0);
        const moment = { generation: 1, lastAtUs: 1 };
        expect(await restoreBoards(redis, restored, buyers, sold, moment, kept)).toBe(true);
        expect(await boardsOf(redis, restored)).toEqual(expected);
      },
    ),
    { numRuns: 60 },
  );
});

test('of events that are folded, those that a restoration knew are left out, and no others', async () => {
  const productId = uniqueProductId();
  const [known, later] = [1, 2].map((n) =>
    anEvent(productId, [{ units: [[n, n]], userId: `user-${n}` }], {
      acceptedAt: 1_790_000_000_000_000 + n,
    }),
  );
  if (!known || !later) throw new Error('no events');
  const moment = { generation: known.generation, lastAtUs: known.acceptedAt };
  expect(await restoreBoards(redis, productId, [], 0, moment)).toBe(true);
  const recorded = await recordBatches(redis, [later, known]);
  expect(recorded).toEqual({ joined: 4, known: 4, older: 0, members: 2 });
  const members = (await topOf(redis, productId, 'speed', 9)).map(({ member }) => member);
  expect(members).toEqual(['user-2']);
  expect(await recordBatches(redis, [later])).toEqual({
    joined: 0,
    known: 4,
    older: 0,
    members: 1,
  });
});

describe('boards end with their sale', () => {
  const endsOf = async (productId: string) =>
    new Set(await Promise.all(boardKeysOf(productId).map((key) => redis.ttl(key))));
  const event = (productId: string) => anEvent(productId, [{ units: [[1, 1]] }]);

  test('what comes late for a sale that is over leaves nothing for ever', async () => {
    for (const state of ['closed', undefined]) {
      const productId = uniqueProductId();
      if (state !== undefined) await redis.hset(saleKeys(productId).sale, 'state', state);
      await recordBatch(redis, event(productId));
      const [seconds = 0, ...others] = await endsOf(productId);
      expect(others.every((other) => Math.abs(other - seconds) <= 1)).toBe(true);
      expect(seconds).toBeGreaterThan(settledSaleKeptSeconds - 60);
      // Again, and later: it stays the same end.
      for (const key of boardKeysOf(productId)) await redis.expire(key, 500);
      await recordBatch(redis, event(productId));
      expect(Math.max(...(await endsOf(productId)))).toBeLessThanOrEqual(500);
    }
  });

  test('those of a sale that runs have no end, also if they had one', async () => {
    const productId = uniqueProductId();
    await recordBatch(redis, event(productId));
    await redis.hset(saleKeys(productId).sale, 'state', 'on_sale');
    await recordBatch(redis, event(productId));
    expect(await endsOf(productId)).toEqual(new Set([-1]));
  });
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
