// The part of the facts that lies in Redis. Large HASHes are scanned, since reading one at once
// would hold up every sale on that Redis.

import { type BoardKind, boardKey, boardKinds, productsBoardKey, saleKeys } from '#lib/names.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import { identifyRedis } from '#lib/sale/sale.ts';
import type { Fields, RedisFacts } from './facts.ts';

const scanCount = 1_000;

export async function readSaleFields(redis: RedisClient, productId: string): Promise<Fields> {
  return new Map(Object.entries(await redis.hgetall(saleKeys(productId).sale)));
}

/** The outbox is read after the orders: one that is not in it any more was acked before. */
export async function readSale(
  redis: RedisClient,
  productId: string,
): Promise<Omit<RedisFacts, 'boards' | 'productScore' | 'saleAfter'>> {
  const keys = saleKeys(productId);
  const sale = await readSaleFields(redis, productId);
  const process = await identifyRedis(redis, productId);
  const orders = await scanHash(redis, keys.orders);
  const buyers = await scanHash(redis, keys.buyers);
  const outbox = await scanHash(redis, keys.outbox);
  return { sale, ...process, orders, buyers, outbox };
}

async function scanHash(redis: RedisClient, key: string): Promise<Fields> {
  const fields = new Map<string, string>();
  let cursor = '0';
  do {
    const [next, flat] = await redis.hscan(key, cursor, 'COUNT', scanCount);
    for (let at = 0; at + 1 < flat.length; at += 2) fields.set(flat[at] ?? '', flat[at + 1] ?? '');
    cursor = next;
  } while (cursor !== '0');
  return fields;
}

export async function readBoards(
  redis: RedisClient,
  productId: string,
): Promise<Pick<RedisFacts, 'boards' | 'productScore'>> {
  const boards = {} as Record<BoardKind, ReadonlyMap<string, number>>;
  for (const kind of boardKinds) boards[kind] = await readBoard(redis, boardKey(productId, kind));
  const score = await redis.zscore(productsBoardKey, productId);
  return { boards, productScore: score === null ? undefined : Number(score) };
}

async function readBoard(redis: RedisClient, key: string): Promise<ReadonlyMap<string, number>> {
  const members = new Map<string, number>();
  const flat = await redis.zrange(key, 0, '-1', 'WITHSCORES');
  for (let at = 0; at + 1 < flat.length; at += 2) members.set(flat[at] ?? '', Number(flat[at + 1]));
  return members;
}
