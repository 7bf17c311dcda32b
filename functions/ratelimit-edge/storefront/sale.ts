// What a sale is at this moment, between two answers of the server. Pure.

import type { Order, Product, SaleState } from './answers.ts';

/** The state by the server's clock: an opening or closing that has passed needs no new answer. */
export function saleStateAt(product: Product, nowMs: number): SaleState {
  const { state, opensAtMs, closesAtMs } = product;
  const isOver = closesAtMs !== undefined && closesAtMs <= nowMs;
  if (state === 'scheduled' && opensAtMs !== undefined && opensAtMs <= nowMs) {
    return isOver ? 'ended' : 'open';
  }
  return state === 'open' && isOver ? 'ended' : state;
}

/** When the state changes next by the clock alone. */
export function nextChangeMs(product: Product, nowMs: number): number | undefined {
  const state = saleStateAt(product, nowMs);
  if (state === 'scheduled') return product.opensAtMs;
  return state === 'open' ? product.closesAtMs : undefined;
}

/** Units of this product that the buyer has; cancelled and rejected orders don't count. */
export function unitsOwned(orders: readonly Order[], productId: string): number {
  return orders
    .filter((order) => order.productId === productId)
    .filter(({ status }) => status === 'accepted' || status === 'confirmed')
    .reduce((units, { quantity }) => units + quantity, 0);
}

/** The most that can be asked for: the share that is left, and what is left at all; at least 1. */
export function quantityMaxOf(product: Product, owned: number): number {
  const share = product.limitPerUser - owned;
  const left = product.left > 0 ? product.left : product.limitPerUser;
  return Math.max(1, Math.min(share, left));
}

/** How often to ask for the product: seldom while nothing can change soon. */
export function productIntervalMs(product: Product | undefined, nowMs: number): number {
  if (product === undefined) return 2_000;
  const state = saleStateAt(product, nowMs);
  if (state === 'ended') return 30_000;
  if (state === 'scheduled') {
    const waitMs = (product.opensAtMs ?? nowMs) - nowMs;
    if (waitMs > 600_000) return 15_000;
    if (waitMs > 60_000) return 5_000;
  }
  return 2_000;
}

/** How often to ask for the leaderboard: it moves while the sale is open. */
export function boardIntervalMs(product: Product | undefined, nowMs: number): number {
  const isOpen = product === undefined || saleStateAt(product, nowMs) === 'open';
  return isOpen ? 2_000 : 10_000;
}

/** Ticks of the dial that are lit, of 60: seconds of the minute before, stock during the sale. */
export function dialTicks(product: Product, nowMs: number): number {
  const state = saleStateAt(product, nowMs);
  if (state === 'scheduled') {
    if (product.opensAtMs === undefined) return 60;
    const seconds = Math.ceil((product.opensAtMs - nowMs) / 1_000);
    return seconds % 60 === 0 && seconds > 0 ? 60 : seconds % 60;
  }
  if (state === 'ended' || product.stock <= 0) return 0;
  return Math.min(60, Math.ceil((Math.max(0, product.left) / product.stock) * 60));
}
