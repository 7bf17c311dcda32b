// A sale in Redis for tests, loaded the way a rebuild loads it. Each has a product of its own.

import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { readEnvironment } from '#lib/environment.ts';
import { type SaleKeys, saleKeys } from '#lib/names.ts';
import { type OrderEvent, orderEventSchema } from '#lib/order-event.ts';
import { orderIdOf } from '#lib/order-id.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import { uniqueName, uniqueProductId } from '#lib/testing/unique.ts';
import {
  claim,
  type Fence,
  load,
  type OutboxBatch,
  type Purchase,
  type SaleContent,
  type SaleFields,
  type SellResult,
  sell,
} from './sale.ts';

/** A client that waits as long as a busy machine needs. */
export function connectTestRedis(): Redis {
  const [url = ''] = readEnvironment(['SECKILL_REDIS_URL']).SECKILL_REDIS_URL;
  return new Redis(url);
}

export type Decided = Extract<SellResult, { kind: 'decided' }>;

export interface TestSale {
  readonly productId: string;
  readonly keys: SaleKeys;
  readonly fence: Fence;
  /** A purchase of a user and a key of its own unless they are given. */
  purchase(spec?: { userId?: string; key?: string; quantity?: number }): Purchase;
  /** Sells, and fails the test unless the batch was decided. */
  decide(purchases: readonly Purchase[], fence?: Fence): Promise<Decided>;
  /** What `decide` came to, by name. */
  outcomes(purchases: readonly Purchase[]): Promise<string[]>;
  /** Empties the outbox, as an acknowledgement would. */
  publishAll(): Promise<void>;
  field(name: string): Promise<string | null>;
}

type Spec = Partial<SaleFields> &
  Partial<Pick<SaleContent, 'orders' | 'buyers'>> & { readonly productId?: string };

/** 10 units, one per user, open for ever; fields can be given. */
export async function loadTestSale(redis: RedisClient, spec: Spec = {}): Promise<TestSale> {
  const { productId = uniqueProductId(), ...content } = spec;
  const { orders = before(spec), buyers = before(spec), ...given } = content;
  const keys = saleKeys(productId);
  const stock = given.stock ?? 10;
  const fields: SaleFields = {
    generation: 1,
    revision: 100,
    incarnation: 1,
    name: 'A test',
    unitPrice: 9_900,
    currency: 'CNY',
    limit: 1,
    stock,
    left: stock,
    sold: 0,
    free: `1-${stock}`,
    state: 'on_sale',
    opensAtUs: 1,
    closesAtUs: null,
    batches: 0,
    lastAtUs: 0,
    ...given,
  };
  const claimName = randomUUID();
  await claim(redis, productId, claimName);
  if (!(await load(redis, productId, claimName, { fields, orders, buyers }))) {
    throw new Error('the sale was not loaded');
  }
  const { generation, revision, incarnation } = fields;
  const fence = { generation, revision, incarnation };
  const decide = async (purchases: readonly Purchase[], by: Fence = fence) => {
    const result = await sell(redis, productId, by, purchases);
    if (result.kind !== 'decided') throw new Error(`not decided but ${result.kind}`);
    return result;
  };
  return {
    productId,
    keys,
    fence,
    decide,
    purchase: ({ userId = uniqueName('user-'), key = uniqueName('key-'), quantity = 1 } = {}) => ({
      orderId: orderIdOf(productId, userId, key),
      userId,
      quantity,
    }),
    outcomes: async (purchases) => (await decide(purchases)).answers.map(({ outcome }) => outcome),
    publishAll: async () => {
      await redis.multi().del(keys.outbox).hset(keys.sale, 'outbox_batches', 0).exec();
    },
    field: (name) => redis.hget(keys.sale, name),
  };
}

/** What was sold before was sold to somebody. */
function before({ sold = 0 }: Spec): SaleContent['orders'] {
  return sold === 0 ? [] : [['before', '1|1']];
}

/** The batches as the events they are; fails where one is not of an event's shape. */
export function eventsOf(batches: readonly OutboxBatch[]): OrderEvent[] {
  return batches.map(({ data }) => orderEventSchema.parse(JSON.parse(data)));
}
