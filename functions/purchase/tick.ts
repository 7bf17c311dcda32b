// Drains the outboxes of all sales that are not settled: when an instance starts, and on a tick
// from outside, so that no order stays pending because nobody buys any more.

import { ne } from 'drizzle-orm';
import type { MysqlClient } from '#lib/mysql/connect.ts';
import { products } from '#lib/mysql/schema.ts';
import { saleKeys } from '#lib/names.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import type { Log } from '#lib/telemetry/log.ts';
import type { Seller } from './sell.ts';

interface Dependencies {
  readonly redis: RedisClient;
  readonly mysql: MysqlClient;
  readonly seller: Seller;
  readonly log: Log;
}

/**
 * Publishes what the outboxes hold, and resolves with the number of sales that were drained. One
 * sale that cannot be drained does not keep the others waiting. Throws where a store is away.
 */
export async function drainAll({ redis, mysql, seller, log }: Dependencies): Promise<number> {
  const sales = await mysql.db
    .select({ productId: products.productId })
    .from(products)
    .where(ne(products.state, 'settled'));
  const drained = await Promise.all(
    sales.map(async ({ productId }) => {
      if ((await redis.hlen(saleKeys(productId).outbox)) === 0) return false;
      try {
        await seller.exclusively(productId, () => Promise.resolve());
        return true;
      } catch (error) {
        log.warn({ err: error, productId }, 'an outbox could not be drained');
        return false;
      }
    }),
  );
  return drained.filter(Boolean).length;
}
