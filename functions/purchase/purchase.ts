// Which way a batch of purchases goes: to the seller if there is such a sale, else to what MySQL
// knows of it. Unknown products never reach the lock, so inventing ids costs others nothing.

import type { MysqlClient } from '#lib/mysql/connect.ts';
import { saleKeys } from '#lib/names.ts';
import type { PurchaseAnswer } from '#lib/outcome.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import type { Purchase } from '#lib/sale/sale.ts';
import { findProduct } from './catalogue.ts';
import { answerOffSale } from './orders.ts';
import type { Seller } from './sell.ts';

export type Decide = (
  productId: string,
  purchases: readonly Purchase[],
) => Promise<readonly PurchaseAnswer[]>;

interface Dependencies {
  readonly redis: RedisClient;
  readonly mysql: MysqlClient;
  readonly seller: Seller;
  /** How often this instance has loaded the sale: whoever waited for that was not served by Redis. */
  readonly loadsOf?: (productId: string) => number;
  /** Told of purchases that were decided, by where their stock was found. */
  readonly onStockLookups?: (result: 'hit' | 'miss', purchases: number) => void;
  readonly onWhereabouts?: (remembered: boolean) => void;
}

/** Where a product's purchases are decided. */
type Whereabouts = 'on sale' | 'off sale';

/** For how long an answer about a product's whereabouts is good. */
const rememberedMs = 1_000;
const rememberedMax = 10_000;

/** Throws where a store is away and nothing can be said; then every answer is `unavailable`. */
export function createDecide(dependencies: Dependencies): Decide {
  const { redis, mysql, seller, loadsOf = () => 0, onStockLookups, onWhereabouts } = dependencies;
  const remembered = new Map<string, { until: number; whereabouts: Promise<Whereabouts> }>();

  async function find(productId: string): Promise<Whereabouts> {
    // While Redis has the sale, MySQL is not on the way of a purchase.
    if ((await redis.exists(saleKeys(productId).sale)) === 1) return 'on sale';
    const row = await findProduct(mysql, productId);
    return row && row.state !== 'settled' ? 'on sale' : 'off sale';
  }

  function whereaboutsOf(productId: string): Promise<Whereabouts> {
    const now = performance.now();
    const known = remembered.get(productId);
    const isRemembered = known !== undefined && known.until > now;
    onWhereabouts?.(isRemembered);
    if (isRemembered) return known.whereabouts;
    if (remembered.size >= rememberedMax) remembered.clear();
    const whereabouts = find(productId);
    remembered.set(productId, { until: now + rememberedMs, whereabouts });
    whereabouts.catch(() => remembered.delete(productId));
    return whereabouts;
  }

  return async (productId, purchases) => {
    switch (await whereaboutsOf(productId)) {
      case 'on sale': {
        const loadsBefore = loadsOf(productId);
        const answers = await seller.purchase(productId, purchases);
        const found = loadsOf(productId) === loadsBefore ? 'hit' : 'miss';
        onStockLookups?.(found, lookedUpIn(answers));
        return answers;
      }
      case 'off sale': {
        const answers = await answerOffSale({ mysql }, productId, purchases);
        onStockLookups?.('miss', lookedUpIn(answers));
        return answers;
      }
    }
  };
}

/** Of how many the stock was found: invented products have none, and some were not decided. */
function lookedUpIn(answers: readonly PurchaseAnswer[]): number {
  return answers.filter(({ outcome }) => outcome !== 'unavailable' && outcome !== 'unknown_product')
    .length;
}
