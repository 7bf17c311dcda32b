// A whole front door for tests of signing in: the built page, an edge that believes the tokens of
// a provider by its published keys, and a `purchase` that sells one product from memory.

import { redis as redisStore } from '#knative/local/stores/redis.ts';
import { startOwnStore } from '#lib/testing/own-store.ts';
import type { ForwardedPurchase } from '../forward.ts';
import { createIdentify } from '../identity.ts';
import { createSignIn } from '../sign-in.ts';
import {
  type Edge,
  type SeenRequest,
  startEdge,
  startFakePurchase,
} from '../testing/edge-fixture.ts';
import { buildDocuments } from './documents.ts';
import { audience, clientId, resource, startProvider, type TestProvider } from './provider.ts';

export interface Shop {
  readonly edge: Edge;
  readonly provider: TestProvider;
  /** Every purchase that reached `purchase`, in its order. */
  readonly asked: ForwardedPurchase[];
  /** While set, `purchase` does not answer purchases. */
  isAway: boolean;
  /** How far the edge's clock is ahead: 30 s use up what it allows for skew. */
  readonly clock: { aheadMs: number };
  close(): Promise<void>;
}

export async function startShop(): Promise<Shop> {
  const [documents, store, purchase, provider] = await Promise.all([
    buildDocuments(),
    startOwnStore(redisStore),
    startFakePurchase(),
    startProvider(),
  ]);
  const { issuer } = provider;
  const config = { issuer, clientId, scope: 'openid profile buy', resource };
  const clock = { aheadMs: 0 };
  const edge = await startEdge(store.address, purchase.url, documents, undefined, {
    identify: await createIdentify(
      { jwksUrl: `${issuer}/jwks`, issuer, audience },
      { now: () => Date.now() + clock.aheadMs },
    ),
    signIn: createSignIn(config),
  });
  provider.serve(edge.url);
  const shop: Shop = {
    edge,
    provider,
    asked: [],
    isAway: false,
    clock,
    async close() {
      await edge.stop();
      await Promise.all([purchase.close(), store.remove(), provider.goAway()]);
    },
  };
  purchase.answer = (request, response) => {
    const body = answerOf(shop, request);
    if (body === undefined) response.writeHead(503);
    response.end(JSON.stringify(body ?? {}));
  };
  return shop;
}

function answerOf(shop: Shop, { method, path, body }: SeenRequest): unknown {
  if (method === 'POST') {
    const { purchases } = JSON.parse(body) as { purchases: ForwardedPurchase[] };
    shop.asked.push(...purchases);
    if (shop.isAway) return undefined;
    return { answers: purchases.map(({ quantity }) => ({ outcome: 'accepted', quantity })) };
  }
  if (path === '/products') return { products: [product()] };
  if (path.startsWith('/products/')) return product();
  if (path.startsWith('/users/')) return { orders: [] };
  const orderId = /^\/orders\/([^?/]+)/.exec(path)?.[1];
  return { ...order, orderId };
}

const order = {
  productId: 'teapot',
  quantity: 1,
  status: 'confirmed',
  unitPrice: 19_900,
  currency: 'CNY',
  acceptedAt: '2026-11-22T12:00:00.000000Z',
};

function product() {
  return {
    productId: 'teapot',
    name: 'Celadon teapot',
    unitPrice: 19_900,
    currency: 'CNY',
    stock: 500,
    left: 187,
    state: 'open',
    opensAt: '2026-11-22T00:00:00.000000Z',
    closesAt: null,
    now: new Date().toISOString(),
    limitPerUser: 3,
  };
}
