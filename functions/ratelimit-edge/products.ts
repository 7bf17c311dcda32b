// What is on sale, as `purchase` says it, at most a quarter of a second old however many ask. The
// server's clock in the answer goes on meanwhile, so that countdowns stay right. Products that
// nothing has shown to exist are looked up a few at a time: who asks makes their ids up.

import * as z from 'zod';
import { json, refuse } from './answers.ts';
import { type CachedOptions, createCached } from './cached.ts';
import type { KnownProducts } from './known-products.ts';
import type { PurchaseClient } from './purchase-client.ts';
import { faultOfProductId } from './purchase-request.ts';
import { Unavailable } from './unavailable.ts';

export interface Products {
  list(): Promise<Response>;
  one(productId: string): Promise<Response>;
  /** Whether there is such a product. Throws `Unavailable` where that cannot be told. */
  exists(productId: string): Promise<boolean>;
}

interface DependsOn {
  readonly purchase: PurchaseClient;
  readonly known: KnownProducts;
}

const freshMs = 250;
const entriesMax = 1_000;
const unknownLoadingMax = 16;
/** A page asks again: it is better told at once that nobody answers. */
const timeoutMs = 2_000;

/** Only what is used here; the rest goes to the buyer as it is. */
const productSchema = z.looseObject({ productId: z.string(), now: z.string().nullable() });
const productsSchema = z.object({ products: z.array(productSchema) });
type Product = z.infer<typeof productSchema>;

export function createProducts({ purchase, known }: DependsOn): Products {
  const ask = async (path: string) => {
    const { status, body } = await purchase.request({ method: 'GET', path, timeoutMs });
    if (status !== 200 && status !== 404) throw new Unavailable(`purchase answered ${status}`);
    return status === 404 ? undefined : (JSON.parse(body) as unknown);
  };
  const all = createCached({
    freshMs,
    entriesMax: 1,
    load: async () => {
      const { products } = productsSchema.parse(await ask('/products'));
      for (const { productId } of products) known.learn(productId);
      return products;
    },
  });
  const single: CachedOptions<Product | undefined> = {
    freshMs,
    entriesMax,
    load: async (productId) => {
      const product = productSchema.optional().parse(await ask(`/products/${productId}`));
      if (product !== undefined) known.learn(productId);
      return product;
    },
  };
  const ofKnown = createCached(single);
  // With places of its own: what is made up neither displaces nor holds up what exists.
  const ofUnknown = createCached({ ...single, loadingMax: unknownLoadingMax });
  const find = (productId: string) =>
    known.has(productId)
      ? ofKnown(productId)
      : ofUnknown(productId).catch(async (error: unknown) => {
          // No place among what is made up: what has a sale in Redis is not.
          if (await known.find(productId)) return ofKnown(productId);
          throw error;
        });
  return {
    async list() {
      const { value, ageMs } = await all('');
      return json(JSON.stringify({ products: value.map((product) => aged(product, ageMs)) }));
    },
    async one(productId) {
      const fault = faultOfProductId(productId);
      if (fault !== undefined) return fault.response;
      const { value, ageMs } = await find(productId);
      if (value !== undefined) return json(JSON.stringify(aged(value, ageMs)));
      return refuse('unknown_product', { detail: 'productId: there is no such product' }).response;
    },
    async exists(productId) {
      return known.has(productId) || (await find(productId)).value !== undefined;
    },
  };
}

function aged(product: Product, ageMs: number): Product {
  if (product.now === null) return product;
  return { ...product, now: new Date(Date.parse(product.now) + ageMs).toISOString() };
}
