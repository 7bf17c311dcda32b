// What becomes of many orders at once, for those who wait to hear: one read of Redis per product
// and round, however many wait, and none while nobody does. What Redis cannot say is asked of
// `purchase`, a few at a time. Nobody is told of an earlier status after a later one.

import * as z from 'zod';
import { productIdOf } from '#lib/order-id.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import { findOrders, type LiveOrder } from '#lib/sale/find-orders.ts';
import type { Orders } from './orders.ts';

/** Only what is used here; the rest goes to the buyer as it is. */
const orderSchema = z.looseObject({
  orderId: z.string(),
  status: z.enum(['pending', 'accepted', 'confirmed', 'rejected', 'cancelled']),
});
export type Order = z.infer<typeof orderSchema>;
type Status = Order['status'];

const places: Readonly<Record<Status, number>> = {
  pending: 0,
  accepted: 1,
  confirmed: 2,
  rejected: 2,
  // Also what was confirmed can be.
  cancelled: 3,
};

/** How far an order has come with this status; -1 for what is none. */
export function placeOf(status: string): number {
  return Object.hasOwn(places, status) ? places[status as Status] : -1;
}

/** Nothing more becomes of the order by itself. */
export function isFinal(place: number): boolean {
  return place >= places.confirmed;
}

/** The order that is told in an answer of `purchase`; throws where it is none. */
export function parseOrder(text: string): Order {
  return orderSchema.parse(JSON.parse(text));
}

export interface FollowerOptions {
  readonly redis: RedisClient;
  readonly orders: Pick<Orders, 'find'>;
  /** Between two reads of Redis, while anybody waits. */
  readonly roundMs: number;
  /** Redis' notes are best effort: after so long `purchase` is asked, then at doubled pauses. */
  readonly askAfterMs: number;
  readonly now: () => number;
}

export interface OrderFollower {
  /**
   * Calls `tell` with the order whenever it has come further, and with `undefined` if it is no more.
   * The result ends that.
   */
  follow(order: Order, userId: string, tell: (order: Order | undefined) => void): () => void;
}

interface Follower {
  order: Order;
  readonly userId: string;
  readonly tell: (order: Order | undefined) => void;
  askAtMs: number;
  pauseMs: number;
  isWaiting: boolean;
}

const asksAtOnceMax = 4;
const pauseMaxMs = 8_000;

export function createOrderFollower(options: FollowerOptions): OrderFollower {
  const { redis, orders, now } = options;
  const products = new Map<string, Set<Follower>>();
  let asks = 0;

  const tell = (follower: Follower, order: Order) => {
    const isNews = placeOf(order.status) > placeOf(follower.order.status);
    if (!isNews || !follower.isWaiting) return;
    follower.order = order;
    follower.tell(order);
  };
  const ask = async (follower: Follower) => {
    asks += 1;
    follower.askAtMs = Number.POSITIVE_INFINITY;
    try {
      const found = await orders.find(follower.userId, follower.order.orderId);
      if ('text' in found) tell(follower, parseOrder(found.text));
      else if (follower.isWaiting) follower.tell(undefined);
    } catch {
      // Nobody could say; whoever waits goes on waiting.
    }
    asks -= 1;
    follower.askAtMs = now() + follower.pauseMs;
    follower.pauseMs = Math.min(follower.pauseMs * 2, pauseMaxMs);
  };
  const look = (follower: Follower, found: LiveOrder | undefined) => {
    const { order } = follower;
    if (found !== undefined && placeOf(found.status) > placeOf(order.status)) {
      const hasReason = found.status === 'rejected' || found.status === 'cancelled';
      // Why, only its row tells.
      if (hasReason) follower.askAtMs = Math.min(follower.askAtMs, now());
      else tell(follower, { ...order, status: found.status });
    }
    if (asks < asksAtOnceMax && follower.askAtMs <= now() && follower.isWaiting) {
      void ask(follower);
    }
  };
  const round = async (productId: string, group: Set<Follower>) => {
    const waiting = [...group];
    const ids = waiting.map(({ order }) => order.orderId);
    const found = await findOrders(redis, productId, ids).catch((): undefined[] => []);
    for (const [index, follower] of waiting.entries()) look(follower, found[index]);
    if (group.size > 0) later(productId, group);
    else products.delete(productId);
  };
  const later = (productId: string, group: Set<Follower>) => {
    setTimeout(() => void round(productId, group), options.roundMs);
  };
  return {
    follow(order, userId, tellOne) {
      const productId = productIdOf(order.orderId);
      const { askAfterMs: pauseMs } = options;
      const askAtMs = now() + pauseMs;
      const follower = { order, userId, tell: tellOne, askAtMs, pauseMs, isWaiting: true };
      const group = products.get(productId) ?? new Set();
      if (!products.has(productId)) {
        products.set(productId, group);
        later(productId, group);
      }
      group.add(follower);
      return () => {
        follower.isWaiting = false;
        group.delete(follower);
      };
    },
  };
}
