// For tests of the page alone: the public API with one sale in memory and the faults that real
// servers show only when something breaks. It keeps the promises that the page relies on: the
// same key gets the same acceptance, and a lost answer may have been an acceptance.

import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { build } from 'esbuild';
import { orderIdOf } from '#lib/order-id.ts';
import { OUTCOMES, type Outcome } from '#lib/outcome.ts';

const folder = join(import.meta.dirname, 'storefront');

/** What happens to the next purchase requests, one each. */
export type Fault =
  | { readonly kind: 'lost_before' | 'lost_after' | 'hang' }
  | {
      readonly kind: 'refuse';
      readonly outcome: Outcome;
      readonly retryAfterSeconds?: number;
      readonly members?: Readonly<Record<string, unknown>>;
    };

export interface StandInProduct {
  productId: string;
  name: string;
  unitPrice: number;
  currency: string;
  stock: number;
  left: number;
  state: string;
  opensAtMs: number | undefined;
  closesAtMs: number | undefined;
  limitPerUser: number;
}

export interface StandInOrder {
  orderId: string;
  productId: string;
  quantity: number;
  status: string;
  unitPrice: number;
  currency: string;
  acceptedAt: string;
}

export interface StandIn {
  readonly url: string;
  readonly products: StandInProduct[];
  readonly orders: StandInOrder[];
  readonly faults: Fault[];
  /** What happens to every purchase request once `faults` is empty. */
  lastingFault: Fault | undefined;
  /** Every purchase request that arrived: its key and quantity. */
  readonly purchases: { key: string; quantity: number }[];
  readonly places: Record<string, unknown>[];
  /** While set, everything but the page itself answers 503. */
  isAway: boolean;
  /** How far the server's clock is ahead of this machine's. */
  clockAheadMs: number;
  /** What `confirm` leaves an accepted order in. */
  confirmsAfterMs: number;
  close(): Promise<void>;
}

export const contentSecurityPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
  "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Builds the page and serves it with the API on a free port of loopback. */
export async function startStandIn(): Promise<StandIn> {
  const bundle = await build({
    entryPoints: [join(folder, 'storefront.ts')],
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: ['es2022', 'chrome109', 'firefox115', 'safari16'],
    write: false,
  });
  const script = bundle.outputFiles[0]?.contents ?? new Uint8Array();
  const server = createServer((request, response) => {
    void serve(standIn, script, request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening on TCP');
  const standIn: StandIn = {
    url: `http://127.0.0.1:${address.port}`,
    products: [],
    orders: [],
    faults: [],
    lastingFault: undefined,
    purchases: [],
    places: [],
    isAway: false,
    clockAheadMs: 0,
    confirmsAfterMs: 300,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return standIn;
}

async function serve(
  standIn: StandIn,
  script: Uint8Array,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://stand-in');
  if (!pathname.startsWith('/api/')) {
    await servePage(pathname, script, response);
    return;
  }
  if (standIn.isAway) {
    refuse(response, 'unavailable', { retryAfterSeconds: 1 });
    return;
  }
  const [, , kind, id = '', rest] = pathname.split('/').map(decodeURIComponent);
  const product = standIn.products.find(({ productId }) => productId === id);
  if (request.method === 'POST' && product !== undefined) {
    await purchase(standIn, product, request, response);
  } else if (pathname === '/api/products') {
    answer(response, { products: standIn.products.map((one) => productBody(standIn, one)) });
  } else if (pathname === '/api/leaderboard/products') {
    answer(response, { entries: hotProducts(standIn) });
  } else if (kind === 'orders' && userOf(request) === undefined) {
    refuse(response, 'unauthenticated');
  } else if (pathname === '/api/orders') {
    answer(response, { orders: [...standIn.orders].reverse() });
  } else if (kind === 'orders') {
    const order = standIn.orders.find(({ orderId }) => orderId === id);
    if (order === undefined) refuse(response, 'not_found');
    else answer(response, order);
  } else if (product === undefined) {
    refuse(response, 'unknown_product');
  } else if (rest === 'leaderboard') {
    answer(response, boardBody(standIn, searchParams.get('by') ?? 'speed', request));
  } else {
    answer(response, productBody(standIn, product));
  }
}

async function servePage(
  pathname: string,
  script: Uint8Array,
  response: ServerResponse,
): Promise<void> {
  const types: Readonly<Record<string, string>> = {
    '/': 'text/html; charset=utf-8',
    '/storefront.css': 'text/css',
    '/storefront.js': 'text/javascript',
    '/icon.svg': 'image/svg+xml',
  };
  const type = types[pathname];
  if (type === undefined) {
    response.writeHead(404).end();
    return;
  }
  const name = pathname === '/' ? 'index.html' : pathname.slice(1);
  const body = pathname === '/storefront.js' ? script : await readFile(join(folder, name));
  response.writeHead(200, {
    'content-type': type,
    'content-security-policy': contentSecurityPolicy,
    'cache-control': 'no-store',
  });
  response.end(body);
}

async function purchase(
  standIn: StandIn,
  product: StandInProduct,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const userId = userOf(request);
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const { quantity } = JSON.parse(Buffer.concat(chunks).toString()) as { quantity: number };
  const key = String(request.headers['idempotency-key']);
  standIn.purchases.push({ key, quantity });
  if (userId === undefined) {
    refuse(response, 'unauthenticated');
    return;
  }
  const fault = standIn.faults.shift() ?? standIn.lastingFault;
  if (fault?.kind === 'hang') return;
  if (fault?.kind === 'lost_before') {
    request.socket.destroy();
    return;
  }
  if (fault?.kind === 'refuse') {
    refuse(response, fault.outcome, fault);
    return;
  }
  const orderId = orderIdOf(product.productId, userId, key);
  const outcome = decide(standIn, product, orderId, quantity);
  if (fault?.kind === 'lost_after') {
    request.socket.destroy();
    return;
  }
  if (outcome === 'accepted' || outcome === 'replayed') {
    response.statusCode = OUTCOMES[outcome].status;
    answer(response, { orderId, productId: product.productId, quantity });
  } else {
    refuse(response, outcome, { members: { left: product.left } });
  }
}

function decide(
  standIn: StandIn,
  product: StandInProduct,
  orderId: string,
  quantity: number,
): Outcome {
  const before = standIn.orders.find((order) => order.orderId === orderId);
  if (before !== undefined) return before.quantity === quantity ? 'replayed' : 'key_reused';
  if (product.state === 'paused') return 'paused';
  const nowMs = Date.now() + standIn.clockAheadMs;
  if (nowMs < (product.opensAtMs ?? 0)) return 'not_open';
  const bought = standIn.orders.reduce((units, order) => units + order.quantity, 0);
  if (bought + quantity > product.limitPerUser) return 'limit_reached';
  if (quantity > product.left) return 'sold_out';
  product.left -= quantity;
  const order: StandInOrder = {
    orderId,
    productId: product.productId,
    quantity,
    status: 'accepted',
    unitPrice: product.unitPrice,
    currency: product.currency,
    acceptedAt: new Date(nowMs).toISOString(),
  };
  standIn.orders.push(order);
  setTimeout(() => {
    order.status = 'confirmed';
  }, standIn.confirmsAfterMs).unref();
  return 'accepted';
}

function productBody(standIn: StandIn, product: StandInProduct) {
  const nowMs = Date.now() + standIn.clockAheadMs;
  const iso = (ms: number | undefined) => (ms === undefined ? null : new Date(ms).toISOString());
  const { opensAtMs, closesAtMs, ...rest } = product;
  const isOpening = product.state === 'scheduled' && opensAtMs !== undefined && opensAtMs <= nowMs;
  const isGone = product.left === 0 && (product.state === 'open' || isOpening);
  return {
    ...rest,
    state: isGone ? 'sold_out' : isOpening ? 'open' : product.state,
    opensAt: iso(opensAtMs),
    closesAt: iso(closesAtMs),
    now: iso(nowMs),
  };
}

function hotProducts(standIn: StandIn) {
  return standIn.products
    .map(({ productId, stock, left }) => ({ productId, sold: stock - left }))
    .filter(({ sold }) => sold > 0)
    .sort((a, b) => b.sold - a.sold)
    .map((entry, index) => ({ rank: index + 1, ...entry }));
}

function boardBody(standIn: StandIn, by: string, request: IncomingMessage) {
  const entries = standIn.places.map(({ firstAt, quantity, ...place }, index) => ({
    rank: index + 1,
    score: 1,
    ...place,
    ...(by === 'quantity' ? {} : { firstAt }),
    ...(by === 'speed' ? {} : { quantity }),
  }));
  const me = userOf(request) === undefined ? undefined : entries.find((e) => 'isMe' in e);
  return { by, entries: entries.slice(0, 10), me };
}

function userOf(request: IncomingMessage): string | undefined {
  const payload = request.headers.authorization?.split('.')[1];
  if (payload === undefined) return undefined;
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { sub: string };
  return claims.sub;
}

function answer(response: ServerResponse, body: unknown): void {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(body));
}

function refuse(
  response: ServerResponse,
  outcome: Outcome,
  { retryAfterSeconds, members }: { retryAfterSeconds?: number; members?: object } = {},
): void {
  const { status, title } = OUTCOMES[outcome];
  response.statusCode = status;
  response.setHeader('content-type', 'application/problem+json');
  if (retryAfterSeconds !== undefined) response.setHeader('retry-after', retryAfterSeconds);
  response.end(
    JSON.stringify({ type: `urn:seckill:${outcome}`, title, status, outcome, ...members }),
  );
}

/** A token as the page reads it; the stand-in believes everybody. */
export function tokenFor(userId: string, expiresInSeconds = 3_600): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const exp = Math.floor(Date.now() / 1_000) + expiresInSeconds;
  return `${part({ alg: 'none' })}.${part({ sub: userId, exp })}.signature`;
}
