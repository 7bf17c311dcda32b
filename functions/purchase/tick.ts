// Looks after all sales that are not settled: when an instance starts, and on a tick from outside,
// so that no order stays pending, no sale lost and no change half done because nobody comes by.

import { and, gt, ne } from 'drizzle-orm';
import type { MysqlClient } from '#lib/mysql/connect.ts';
import { products } from '#lib/mysql/schema.ts';
import { saleKeys } from '#lib/names.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import { isLoaded } from '#lib/sale/sale.ts';
import type { Log } from '#lib/telemetry/log.ts';
import { findProduct, type ProductRow } from './catalogue.ts';
import { bringToRedis } from './operate.ts';
import type { Seller } from './sell.ts';

interface Dependencies {
  readonly redis: RedisClient;
  readonly mysql: MysqlClient;
  readonly seller: Seller;
  readonly log: Log;
}

/**
 * Publishes what the outboxes hold, loads again what Redis has lost, brings to Redis what an
 * operator changed in MySQL, and resolves with the number of sales that needed any of it. One
 * sale that cannot be helped does not keep the others waiting. Throws where MySQL is away.
 */
export async function drainAll({ redis, mysql, seller, log }: Dependencies): Promise<number> {
  // A sale of generation 0 has never been loaded: its first buyer or its operator does that.
  const sales = await mysql.db
    .select()
    .from(products)
    .where(and(ne(products.state, 'settled'), gt(products.generation, 0)));
  const helped = await Promise.all(
    sales.map(async (sale) => {
      const { productId } = sale;
      try {
        if (await isWell(redis, sale)) return false;
        await seller.exclusively(productId, async (fence) => {
          const now = await findProduct(mysql, productId);
          if (now) await bringToRedis(redis, productId, fence, now);
        });
        return true;
      } catch (error) {
        log.warn({ err: error, productId }, 'a sale could not be looked after');
        return false;
      }
    }),
  );
  return helped.filter(Boolean).length;
}

/** A sale that is well is left to whoever sells it: asking for its lock would cost them a turn. */
async function isWell(redis: RedisClient, sale: ProductRow): Promise<boolean> {
  const { sale: saleKey, outbox } = saleKeys(sale.productId);
  const [pending, loaded, settings] = await Promise.all([
    redis.hlen(outbox),
    isLoaded(redis, sale.productId),
    redis.hmget(saleKey, 'state', 'opens_at', 'closes_at'),
  ]);
  const wanted = [sale.state, sale.opensAt ?? '', sale.closesAt ?? ''];
  return pending === 0 && loaded && settings.join() === wanted.join();
}
