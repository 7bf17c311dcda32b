// Loads many sales into Redis at once, the seed's 预热 in bulk: what they are is read in a few
// queries, each is loaded under its own lock, and several at a time keep the pipes to the stores
// full. One that fails is told of and does not stop the others.

import { inArray } from 'drizzle-orm';
import { inParallel } from '#lib/in-parallel.ts';
import type { MysqlClient } from '#lib/mysql/connect.ts';
import { products } from '#lib/mysql/schema.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import { isLoaded } from '#lib/sale/sale.ts';
import type { Log } from '#lib/telemetry/log.ts';
import { whyNotLoaded } from '../recover/await-rows.ts';
import type { Seller } from '../sell.ts';

interface Dependencies {
  readonly redis: RedisClient;
  readonly mysql: MysqlClient;
  readonly seller: Pick<Seller, 'exclusively'>;
  readonly log: Log;
}

/** What became of one sale; the reason is for the operator. */
export type Warmed =
  | { readonly productId: string; readonly result: 'loaded' | 'was_loaded' }
  | { readonly productId: string; readonly result: 'failed'; readonly reason: string };

/** So many wait for their locks and load at once. */
const atOnce = 16;

/** Loads these sales, each as far as it needs it. Throws where MySQL is away. */
export async function warmSales(
  { redis, mysql, seller, log }: Dependencies,
  productIds: readonly string[],
): Promise<Warmed[]> {
  const ids = [...new Set(productIds)];
  const rows = await mysql.db
    .select({
      productId: products.productId,
      state: products.state,
      generation: products.generation,
    })
    .from(products)
    .where(inArray(products.productId, ids));
  const known = new Map(rows.map((row) => [row.productId, row]));
  return inParallel(ids, atOnce, async (productId): Promise<Warmed> => {
    const row = known.get(productId);
    if (!row) return { productId, result: 'failed', reason: 'no such product' };
    if (row.state === 'settled') return { productId, result: 'failed', reason: 'it is settled' };
    try {
      if (await isLoaded(redis, productId, row.generation)) {
        return { productId, result: 'was_loaded' };
      }
      // Whatever is done exclusively is done with the sale loaded.
      await seller.exclusively(productId, () => Promise.resolve());
      return { productId, result: 'loaded' };
    } catch (error) {
      log.warn({ err: error, productId }, 'a sale could not be loaded');
      return { productId, result: 'failed', reason: whyNotLoaded(error) };
    }
  });
}
