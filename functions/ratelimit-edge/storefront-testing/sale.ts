// The sale behind the stand-in. It keeps the promises that the page relies on: the same key gets
// the same acceptance, a refusal decides nothing, and stock and limits hold.

import { orderIdOf } from '#lib/order-id.ts';
import type { Outcome } from '#lib/outcome.ts';

export interface Product {
  productId: string;
  name: string;
  unitPrice: number;
  currency: string;
  stock: number;
  left: number;
  state: 'scheduled' | 'open' | 'paused' | 'ended';
  opensAtMs: number | undefined;
  closesAtMs: number | undefined;
  limitPerUser: number;
}

export interface Order {
  orderId: string;
  userId: string;
  productId: string;
  quantity: number;
  status: 'accepted' | 'confirmed' | 'cancelled' | 'rejected';
  unitPrice: number;
  currency: string;
  acceptedAt: string;
}

/** A place on the leaderboard; `userId` makes it somebody's own. */
export interface Place {
  readonly name: string;
  readonly userId?: string;
  readonly firstAtMs: number;
  readonly quantity: number;
}

export interface Sale {
  readonly products: Product[];
  readonly orders: Order[];
  places: Place[];
  /** How far the server's clock is ahead of this machine's. */
  clockAheadMs: number;
  /** How long after its acceptance an order is a row. */
  confirmsAfterMs: number;
}

export function createSale(): Sale {
  return { products: [], orders: [], places: [], clockAheadMs: 0, confirmsAfterMs: 300 };
}

export function serverNowMs(sale: Sale): number {
  return Date.now() + sale.clockAheadMs;
}

/** Sells, or says why not. */
export function decide(
  sale: Sale,
  product: Product,
  { userId, key, quantity }: { userId: string; key: string; quantity: number },
): { readonly outcome: Outcome; readonly orderId: string } {
  const orderId = orderIdOf(product.productId, userId, key);
  const before = sale.orders.find((order) => order.orderId === orderId);
  if (before !== undefined) {
    return { outcome: before.quantity === quantity ? 'replayed' : 'key_reused', orderId };
  }
  const outcome = refusalOf(sale, product, userId, quantity) ?? 'accepted';
  if (outcome === 'accepted') accept(sale, product, { orderId, userId, quantity });
  return { outcome, orderId };
}

function refusalOf(
  sale: Sale,
  product: Product,
  userId: string,
  quantity: number,
): Outcome | undefined {
  if (product.state === 'paused' || product.state === 'ended') return product.state;
  if (serverNowMs(sale) < (product.opensAtMs ?? 0)) return 'not_open';
  const bought = sale.orders
    .filter((order) => order.userId === userId && order.productId === product.productId)
    .reduce((units, order) => units + order.quantity, 0);
  if (bought + quantity > product.limitPerUser) return 'limit_reached';
  return quantity > product.left ? 'sold_out' : undefined;
}

function accept(
  sale: Sale,
  product: Product,
  { orderId, userId, quantity }: { orderId: string; userId: string; quantity: number },
): void {
  product.left -= quantity;
  const { productId, unitPrice, currency } = product;
  const acceptedAt = new Date(serverNowMs(sale)).toISOString();
  const order: Order = {
    orderId,
    userId,
    productId,
    quantity,
    status: 'accepted',
    unitPrice,
    currency,
    acceptedAt,
  };
  sale.orders.push(order);
  setTimeout(() => {
    order.status = 'confirmed';
  }, sale.confirmsAfterMs).unref();
}

export function productBody(sale: Sale, product: Product) {
  const nowMs = serverNowMs(sale);
  const iso = (ms: number | undefined) => (ms === undefined ? null : new Date(ms).toISOString());
  const { opensAtMs, closesAtMs, state, ...rest } = product;
  const isOpen = state === 'open' || (state === 'scheduled' && (opensAtMs ?? nowMs + 1) <= nowMs);
  return {
    ...rest,
    state: isOpen ? (product.left === 0 ? 'sold_out' : 'open') : state,
    opensAt: iso(opensAtMs),
    closesAt: iso(closesAtMs),
    now: iso(nowMs),
  };
}

export function ordersBody(sale: Sale, userId: string) {
  const own = sale.orders.filter((order) => order.userId === userId);
  return { orders: own.toReversed().map(orderBody) };
}

export function orderBody(order: Order) {
  const { orderId, productId, quantity, status, unitPrice, currency, acceptedAt } = order;
  return { orderId, productId, quantity, status, unitPrice, currency, acceptedAt };
}

export function hotBody({ products }: Sale) {
  const entries = products
    .map(({ productId, stock, left }) => ({ productId, sold: stock - left }))
    .filter(({ sold }) => sold > 0)
    .sort((a, b) => b.sold - a.sold)
    .map((entry, index) => ({ rank: index + 1, ...entry }));
  return { entries };
}

export function boardBody(sale: Sale, by: string, userId: string | undefined) {
  const places = sale.places.map((place, index) => ({
    userId: place.userId,
    entry: {
      rank: index + 1,
      name: place.name,
      score: 0,
      ...(by === 'quantity' ? {} : { firstAt: new Date(place.firstAtMs).toISOString() }),
      ...(by === 'speed' ? {} : { quantity: place.quantity }),
    },
  }));
  const own = places.find((place) => userId !== undefined && place.userId === userId);
  return { by, entries: places.slice(0, 10).map(({ entry }) => entry), me: own?.entry };
}
