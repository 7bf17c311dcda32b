// The engine of the simulation against a real Redis: the same random calls of the shipped wrappers
// give the same replies and leave the same keys.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { recordBatch } from '#lib/board/board.ts';
import { boardKey, boardKinds, saleKeys } from '#lib/names.ts';
import { type OrderEvent, orderEventSchema } from '#lib/order-event.ts';
import { orderIdOf } from '#lib/order-id.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import { cancel, restock } from '#lib/sale/change.ts';
import { noteStatus } from '#lib/sale/note-status.ts';
import { acknowledge, claim, configure, type Fence, load, sell } from '#lib/sale/sale.ts';
import { connectTestRedis } from '#lib/sale/test-sale.ts';
import { uniqueProductId } from '#lib/testing/unique.ts';
import { type LuaEngine, luaEngine } from './lua-engine.ts';
import { createRandom, type Random } from './random.ts';
import { clientOf } from './redis.ts';
import { RedisProcess } from './redis-process.ts';

const real = connectTestRedis();
let lua: LuaEngine;
let identity: { runId: string; replid: string };
beforeAll(async () => {
  lua = await luaEngine();
  const info = `${await real.info('server')}${await real.info('replication')}`;
  const field = (name: string) => new RegExp(`${name}:(\\w+)`).exec(info)?.[1] ?? '';
  identity = { runId: field('run_id'), replid: field('master_replid') };
});
afterAll(() => real.quit());

function simulated(server: RedisProcess): RedisClient {
  const options = { epochMs: Date.now(), mutate: (script: string) => script };
  return clientOf(async (name, args) => {
    // An error of the script is a rejection, as it is of ioredis.
    await Promise.resolve();
    return server.run(name, args.flat().map(String), { ...options, lua });
  });
}

/** What no buyer should be called, and may be. */
const users = ['ann', 'Ann ', 'a"b\\c/d', 'a|b|c', 'ä 秒杀 🙂', "o'neil\n\t\r", '\u007f\u0001'];

type Call = (redis: RedisClient) => Promise<unknown>;

/** So late that no clock gets there: the time of an acceptance is the last one plus one. */
const lastAtUs = 4_000_000_000_000_000;

function loadCall(productId: string, name: string, generation: number, random: Random): Call {
  const stock = 5 + random.below(20);
  const fields = {
    ...{ generation, revision: 5, incarnation: 1, name: 'x', unitPrice: 1, currency: 'CNY' },
    ...{ limit: 4, stock, left: stock, sold: 0, free: `1-${stock}` },
    ...{ state: 'on_sale' as const, opensAtUs: 1, closesAtUs: null, batches: 0, lastAtUs },
  };
  return async (redis) => {
    await claim(redis, productId, name);
    return load(redis, productId, name, { fields, orders: [], buyers: [] });
  };
}

function randomCall(productId: string, random: Random, generation: number, events: string[]): Call {
  const fence: Fence = {
    generation: random.chance(0.95) ? generation : generation - 1,
    revision: 4 + random.below(3),
    incarnation: 1 + random.below(2),
  };
  const anOrder = () => {
    const userId = random.pick(users);
    return { orderId: orderIdOf(productId, userId, `${random.below(8)}`), userId };
  };
  const numbers = Array.from({ length: 1 + random.below(4) }, () => 1 + random.below(12));
  switch (random.below(8)) {
    case 0:
      return (redis) => acknowledge(redis, productId, fence, numbers);
    case 1:
      return (redis) => restock(redis, productId, fence, 5 + numbers.length * 5);
    case 2: {
      const { orderId } = anOrder();
      return (redis) => cancel(redis, productId, fence, [orderId]);
    }
    case 3: {
      const { orderId } = anOrder();
      return (redis) => noteStatus(redis, productId, [[orderId, 'confirmed']]);
    }
    case 4: {
      const state = random.pick(['on_sale', 'on_sale', 'on_sale', 'paused', 'closed'] as const);
      const settings = { state, opensAtUs: 1, closesAtUs: null };
      return (redis) => configure(redis, productId, fence, settings);
    }
    case 5: {
      const data = events.length > 0 ? random.pick(events) : undefined;
      if (data === undefined) return () => Promise.resolve();
      const event: OrderEvent = orderEventSchema.parse(JSON.parse(data));
      return (redis) => recordBatch(redis, event);
    }
    default: {
      const purchases = numbers.map((quantity) => ({ ...anOrder(), quantity: 1 + (quantity % 2) }));
      const traced = random.chance(0.2) ? { traceparent: '00-a/b-01' } : {};
      const all = purchases.map((purchase) => ({ ...purchase, ...traced }));
      return async (redis) => {
        const result = await sell(redis, productId, fence, all, random.chance(0.5) ? numbers : []);
        if ('batches' in result) events.push(...result.batches.map(({ data }) => data));
        return result;
      };
    }
  }
}

async function heldIn(redis: RedisClient, productId: string): Promise<Record<string, unknown>> {
  const held: Record<string, unknown> = {};
  for (const key of Object.values(saleKeys(productId))) {
    // A change has a number that its caller counts; here both are the same caller.
    const fields = await redis.hgetall(key);
    held[key] = { ...fields, change: undefined };
  }
  for (const kind of boardKinds) {
    const key = boardKey(productId, kind);
    const members = [...users].sort();
    held[key] = await Promise.all(
      members.map(async (user) => {
        const score = await redis.zscore(key, user);
        return score === null ? null : Number(score);
      }),
    );
  }
  return held;
}

test('the same calls have the same replies and leave the same keys', async () => {
  for (let seed = 0; seed < 20; seed += 1) {
    const productId = uniqueProductId();
    const server = simulated(new RedisProcess(identity));
    const events: string[] = [];
    let generation = 1;
    for (let step = 0; step < 40; step += 1) {
      const name = `${seed} ${step}`;
      // The same random numbers for both.
      const callOf = () => {
        const random = createRandom(name);
        if (step > 0 && !random.chance(0.04)) {
          return randomCall(productId, random, generation, events);
        }
        return loadCall(productId, name, generation, random);
      };
      const [simulatedCall, realCall] = [callOf(), callOf()];
      expect(await simulatedCall(server), name).toEqual(await realCall(real));
      if (step > 0 && createRandom(name).chance(0.04)) generation += 1;
    }
    expect(await heldIn(server, productId)).toEqual(await heldIn(real, productId));
  }
});
