// Orders as Redis knows them, for those who ask what became of theirs. Redis may lack an order, or
// not have been told of its row: MySQL is the truth, and what is said here is never ahead of it.

import { saleKeys } from '#lib/names.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import { loadScript } from '#lib/redis/script.ts';
import { type OrderRecord, type OrderStatus, parseOrderRecord } from './order-record.ts';

const findOrdersScript = loadScript(import.meta.dirname, 'find-orders-2.lua');

/** Redis is held up for well under a millisecond by one call; more ids are several calls. */
const idsPerCallMax = 500;

export interface LiveOrder extends Omit<OrderRecord, 'status'> {
  /** `pending`: Kafka has not acknowledged its batch. */
  readonly status: OrderStatus | 'pending';
}

/**
 * The orders of one product in the order of their ids, undefined where Redis lacks one. One call
 * for up to 500 of them. Throws where Redis is away.
 */
export async function findOrders(
  redis: RedisClient,
  productId: string,
  orderIds: readonly string[],
): Promise<(LiveOrder | undefined)[]> {
  const { orders, outbox } = saleKeys(productId);
  const found: (LiveOrder | undefined)[] = [];
  for (let at = 0; at < orderIds.length; at += idsPerCallMax) {
    const ids = orderIds.slice(at, at + idsPerCallMax);
    const reply = await findOrdersScript.run(redis, [orders, outbox], ids);
    const [records, pending] = reply as [(string | null)[], number[]];
    for (const index of ids.keys()) found.push(liveOrder(records[index], pending[index] === 1));
  }
  return found;
}

function liveOrder(text: string | null | undefined, isPending: boolean): LiveOrder | undefined {
  const record = parseOrderRecord(text ?? '');
  // Its row may be there before the acknowledgement of its batch.
  if (record?.status === 'accepted' && isPending) return { ...record, status: 'pending' };
  return record;
}
