// Which products exist. Who asks chooses the product id, so an id that nothing has shown to exist
// shares a narrow way to `purchase` with all others of its kind: inventing ids holds nobody up.

import { saleKeys } from '#lib/names.ts';

export interface KnownProducts {
  /** Whether something here has shown that it exists. */
  has(productId: string): boolean;
  /** As `has`, or whether its sale is in Redis. Never rejects. */
  find(productId: string): true | Promise<boolean>;
  /** An answer has shown that it exists; products are never deleted. */
  learn(productId: string): void;
}

/** Operators choose how many there are; a forgotten one is found again. */
const knownMax = 10_000;

interface Redis {
  exists(key: string): Promise<number>;
}

export function createKnownProducts(redis: Redis): KnownProducts {
  const known = new Set<string>();
  const looking = new Map<string, Promise<boolean>>();
  const learn = (productId: string) => {
    if (known.size >= knownMax) known.clear();
    known.add(productId);
  };

  const look = async (productId: string): Promise<boolean> => {
    try {
      const isInRedis = (await redis.exists(saleKeys(productId).sale)) === 1;
      if (isInRedis) learn(productId);
      return isInRedis;
    } catch {
      return false;
    } finally {
      looking.delete(productId);
    }
  };

  return {
    has: (productId) => known.has(productId),
    find(productId) {
      if (known.has(productId)) return true;
      const already = looking.get(productId);
      if (already !== undefined) return already;
      const found = look(productId);
      looking.set(productId, found);
      return found;
    },
    learn,
  };
}
