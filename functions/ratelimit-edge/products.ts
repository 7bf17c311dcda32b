// What is on sale, as `purchase` says it, at most half a second old however many ask. The
// server's clock in the answer goes on meanwhile, so that countdowns stay right.

import { z } from 'zod';
import { json, refuse } from './answers.ts';
import { createCached } from './cached.ts';
import type { PurchaseClient } from './purchase-client.ts';
import { faultOfProductId } from './purchase-request.ts';
import { Unavailable } from './unavailable.ts';

export interface Products {
  list(): Promise<Response>;
  one(productId: string): Promise<Response>;
}

const freshMs = 250;
const entriesMax = 1_000;

/** Only what is used here; the rest goes to the buyer as it is. */
const productSchema = z.looseObject({ productId: z.string(), now: z.string().nullable() });
const productsSchema = z.object({ products: z.array(productSchema) });
type Product = z.infer<typeof productSchema>;

export function createProducts(purchase: PurchaseClient): Products {
  const ask = async (path: string) => {
    const { status, body } = await purchase.request({ method: 'GET', path });
    if (status !== 200 && status !== 404) throw new Unavailable(`purchase answered ${status}`);
    return status === 404 ? undefined : (JSON.parse(body) as unknown);
  };
  const all = createCached({
    freshMs,
    entriesMax: 1,
    load: async () => productsSchema.parse(await ask('/products')).products,
  });
  const single = createCached({
    freshMs,
    entriesMax,
    load: async (productId) => productSchema.optional().parse(await ask(`/products/${productId}`)),
  });
  return {
    async list() {
      const { value, ageMs } = await all('');
      return json(JSON.stringify({ products: value.map((product) => aged(product, ageMs)) }));
    },
    async one(productId) {
      const fault = faultOfProductId(productId);
      if (fault !== undefined) return fault.response;
      const { value, ageMs } = await single(productId);
      if (value !== undefined) return json(JSON.stringify(aged(value, ageMs)));
      return refuse('unknown_product', { detail: 'productId: there is no such product' }).response;
    },
  };
}

function aged(product: Product, ageMs: number): Product {
  if (product.now === null) return product;
  return { ...product, now: new Date(Date.parse(product.now) + ageMs).toISOString() };
}
