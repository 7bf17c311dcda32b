// The limits of each tier: operators change them while everything runs, every instance reads
// them again within a second. What is not set, or cannot be read, is the default below.

import * as z from 'zod';
import { productIdPattern } from '#lib/constants.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import type { Limit } from './take.ts';

/** In the order in which a purchase passes them. */
export const tiers = ['user', 'ip', 'product', 'global'] as const;
export type Tier = (typeof tiers)[number];

export interface Limits {
  readonly user: Limit;
  /** Off by default: behind a carrier's NAT a city shares one address. */
  readonly ip: Limit | null;
  readonly product: Limit;
  /** Products with a limit of their own. */
  readonly products: ReadonlyMap<string, Limit>;
  readonly global: Limit;
}

export const defaultLimits: Limits = {
  user: { rate: 50, capacity: 100 },
  ip: null,
  product: { rate: 1_000, capacity: 1_000 },
  products: new Map(),
  global: { rate: 20_000, capacity: 20_000 },
};

/** Micro-tokens of a full bucket stay exact in a double (below 2^53). */
export const limitMax = 1_000_000_000;
const amount = z.int().min(1).max(limitMax);
export const limitSchema = z.strictObject({ rate: amount, capacity: amount });

/** HASH tier → JSON of its limit; `product:<id>` for one product's own. */
const limitsKey = 'seckill:limits';
const productPrefix = 'product:';

/** What is set in Redis over the defaults. Throws where Redis does not answer. */
export async function readLimits(redis: RedisClient): Promise<Limits> {
  const fields = await redis.hgetall(limitsKey);
  const products = new Map<string, Limit>();
  for (const [field, text] of Object.entries(fields)) {
    if (!field.startsWith(productPrefix)) continue;
    const limit = parseLimit(text);
    if (limit !== undefined) products.set(field.slice(productPrefix.length), limit);
  }
  return {
    user: parseLimit(fields.user) ?? defaultLimits.user,
    ip: parseLimit(fields.ip) ?? defaultLimits.ip,
    product: parseLimit(fields.product) ?? defaultLimits.product,
    products,
    global: parseLimit(fields.global) ?? defaultLimits.global,
  };
}

/**
 * Sets a tier's limit, or that of one product; `null` puts the default back. Repeating it changes
 * nothing. Throws where Redis does not answer.
 */
export async function setLimit(
  redis: RedisClient,
  { tier, productId }: { tier: Tier; productId?: string | undefined },
  limit: Limit | null,
): Promise<void> {
  if (productId !== undefined && (tier !== 'product' || !productIdPattern.test(productId))) {
    throw new Error('only the product tier has limits per product');
  }
  const field = productId === undefined ? tier : `${productPrefix}${productId}`;
  if (limit === null) await redis.hdel(limitsKey, field);
  else await redis.hset(limitsKey, field, JSON.stringify(limitSchema.parse(limit)));
}

function parseLimit(text: string | undefined): Limit | undefined {
  if (text === undefined) return undefined;
  try {
    return limitSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
