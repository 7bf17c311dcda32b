// The public HTTP API as the page uses it. Every answer is checked before it is believed, and
// whatever is not a clear answer to a purchase counts as "we don't know", never as a refusal.

import type { BoardKind } from '#lib/names.ts';
import { OUTCOMES, type Outcome } from '#lib/outcome.ts';
import {
  type Board,
  type HotProduct,
  type Order,
  type Product,
  readBoard,
  readHotProducts,
  readOrder,
  readOrders,
  readProduct,
  readProducts,
  readSignInSetup,
  type SignInSetup,
} from './answers.ts';
import type { OpenPurchase } from './purchase-store.ts';

/** Longer than the edge itself ever takes (10 s): a slow answer is better than none. */
const purchaseTimeoutMs = 12_000;
const readTimeoutMs = 8_000;

/** What one sending of a purchase came to. */
export type PurchaseReply =
  | { readonly kind: 'accepted'; readonly orderId: string; readonly quantity: number }
  | { readonly kind: 'limited'; readonly retryAfterMs: number }
  | { readonly kind: 'signed_out' }
  /** Nobody knows whether it was decided: only asking again with the same key tells. */
  | {
      readonly kind: 'unknown';
      readonly cause: 'lost' | 'timeout' | 'unavailable';
      readonly retryAfterMs: number;
    }
  | {
      readonly kind: 'refused';
      readonly outcome: Outcome;
      readonly left?: number;
      readonly opensAtMs?: number;
    };

/** A read that failed: `status` 0 means that no answer came. */
export class ReadError extends Error {
  readonly status: number;
  readonly retryAfterMs: number;

  constructor(status: number, retryAfterMs: number) {
    super(`the answer was ${status}`);
    this.name = 'ReadError';
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}

/** When a request left and its answer arrived (monotonic, ms), and the answer's `Date`. */
export interface Exchange {
  readonly sentMs: number;
  readonly receivedMs: number;
  readonly dateMs: number | undefined;
}

export interface Api {
  products(): Promise<Product[]>;
  product(productId: string): Promise<{ product: Product; exchange: Exchange }>;
  orders(): Promise<Order[]>;
  order(orderId: string): Promise<Order>;
  /** The stream of what became of an order after an event; rejects as `fetch` does. */
  readonly orderEvents: (
    orderId: string,
    lastEventId: string,
    signal: AbortSignal,
  ) => Promise<Response>;
  board(productId: string, by: BoardKind): Promise<Board>;
  hotProducts(): Promise<HotProduct[]>;
  /** Undefined where no provider is configured. */
  signIn(): Promise<SignInSetup | undefined>;
  purchase(purchase: OpenPurchase): Promise<PurchaseReply>;
}

export interface ApiOptions {
  readonly fetch: typeof fetch;
  /** Monotonic milliseconds. */
  readonly nowMs: () => number;
  readonly token: () => string | undefined;
}

/** The API of the page's own origin. Reads throw `ReadError`; `purchase` never throws. */
export function createApi(options: ApiOptions): Api {
  const get = async (path: string) => {
    const { response, body, exchange } = await call(options, path, {}, readTimeoutMs).catch(() => {
      throw new ReadError(0, 0);
    });
    if (!response.ok) throw new ReadError(response.status, retryAfterMs(response));
    return { body, exchange };
  };
  const product = (id: string) => `/api/products/${encodeURIComponent(id)}`;
  return {
    products: async () => readProducts((await get('/api/products')).body),
    async product(productId) {
      const { body, exchange } = await get(product(productId));
      return { product: readProduct(body), exchange };
    },
    orders: async () => readOrders((await get('/api/orders')).body),
    order: async (id) => readOrder((await get(`/api/orders/${encodeURIComponent(id)}`)).body),
    orderEvents: (id, lastEventId, signal) => {
      const headers = { accept: 'text/event-stream', 'last-event-id': lastEventId };
      return send(options, `/api/orders/${encodeURIComponent(id)}/events`, { headers, signal });
    },
    board: async (productId, by) =>
      readBoard((await get(`${product(productId)}/leaderboard?by=${by}&limit=10`)).body),
    hotProducts: async () => readHotProducts((await get('/api/leaderboard/products')).body),
    signIn: async () => readSignInSetup((await get('/sign-in.json')).body),
    purchase: (purchase) =>
      sendPurchase(options, `${product(purchase.productId)}/purchase`, purchase),
  };
}

async function sendPurchase(
  options: ApiOptions,
  path: string,
  { key, quantity }: OpenPurchase,
): Promise<PurchaseReply> {
  const init = {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': key },
    body: JSON.stringify({ quantity }),
  };
  try {
    const { response, body } = await call(options, path, init, purchaseTimeoutMs);
    return purchaseReply(response, body);
  } catch (error) {
    const isTimeout = error instanceof DOMException && error.name === 'TimeoutError';
    return { kind: 'unknown', cause: isTimeout ? 'timeout' : 'lost', retryAfterMs: 0 };
  }
}

function purchaseReply(response: Response, body: unknown): PurchaseReply {
  const members = asRecord(body);
  if (response.status === 202 || response.status === 200) {
    const { orderId, quantity } = members;
    if (typeof orderId === 'string' && typeof quantity === 'number') {
      return { kind: 'accepted', orderId, quantity };
    }
  }
  if (response.status === 401) return { kind: 'signed_out' };
  if (response.status === 429) {
    return { kind: 'limited', retryAfterMs: Math.max(1_000, retryAfterMs(response)) };
  }
  const outcome = members['outcome'];
  // Only our own words refuse: a 404 or 410 by some proxy on the way decides nothing.
  if (isOutcome(outcome) && OUTCOMES[outcome].result === 'refused') {
    const { left } = members;
    const opensAtMs = Date.parse(String(members['opensAt']));
    return {
      kind: 'refused',
      outcome,
      ...(typeof left === 'number' ? { left } : {}),
      ...(Number.isNaN(opensAtMs) ? {} : { opensAtMs }),
    };
  }
  return { kind: 'unknown', cause: 'unavailable', retryAfterMs: retryAfterMs(response) };
}

/** Sends as who is signed in. */
function send({ fetch, token }: ApiOptions, path: string, init: RequestInit): Promise<Response> {
  const headers = new Headers(init.headers);
  const bearer = token();
  if (bearer !== undefined) headers.set('authorization', `Bearer ${bearer}`);
  return fetch(path, { ...init, headers, cache: 'no-store', credentials: 'omit' });
}

/** Throws what `fetch` throws, a DOMException `TimeoutError` when it took too long. */
async function call(options: ApiOptions, path: string, init: RequestInit, timeoutMs: number) {
  const sentMs = options.nowMs();
  const signal = AbortSignal.timeout(timeoutMs);
  const response = await send(options, path, { ...init, signal });
  const receivedMs = options.nowMs();
  const text = await response.text();
  const dateMs = Date.parse(response.headers.get('date') ?? '');
  const exchange: Exchange = {
    sentMs,
    receivedMs,
    dateMs: Number.isNaN(dateMs) ? undefined : dateMs,
  };
  return { response, body: parseJson(text), exchange };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function retryAfterMs(response: Response): number {
  const seconds = Number(response.headers.get('retry-after') ?? 0);
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1_000 : 0;
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function isOutcome(value: unknown): value is Outcome {
  return typeof value === 'string' && Object.hasOwn(OUTCOMES, value);
}
