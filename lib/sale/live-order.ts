// An order as its buyer is told it, and what Redis alone can tell of it.

import { saleKeys } from '#lib/names.ts';
import { isoTimeOf } from '#lib/order-event.ts';
import { productIdOf } from '#lib/order-id.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import { findOrders } from './find-orders.ts';

export interface Order {
  readonly orderId: string;
  readonly productId: string;
  readonly quantity: number;
  /** `pending`: Kafka has not acknowledged it yet, so nobody was told 202. */
  readonly status: 'pending' | 'accepted' | 'confirmed' | 'rejected' | 'cancelled';
  readonly acceptedAt: string;
  readonly unitPrice: number;
  readonly currency: string;
  readonly reason?: string;
}

/** An order, and whose it is. */
export interface Found {
  readonly userId: string;
  readonly order: Order;
}

/** The order as Redis has it, undefined where it has not. Throws where Redis is away. */
export async function findLiveOrder(
  redis: RedisClient,
  orderId: string,
): Promise<Found | undefined> {
  const productId = productIdOf(orderId);
  const [[live], sale] = await Promise.all([
    findOrders(redis, productId, [orderId]),
    redis.hmget(saleKeys(productId).sale, 'unit_price', 'currency'),
  ]);
  if (!live) return undefined;
  return {
    userId: live.userId,
    order: {
      orderId,
      productId,
      quantity: live.quantity,
      status: live.status,
      acceptedAt: isoTimeOf(live.acceptedAtUs),
      unitPrice: Number(sale[0]),
      currency: sale[1] ?? '',
    },
  };
}
