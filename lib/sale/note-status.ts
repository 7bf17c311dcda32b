// What became of accepted orders, noted in Redis for those who ask for their order there. MySQL
// is the truth; a note may be missing, and is never wrong.

import { saleKeys } from '#lib/names.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import { loadScript } from '#lib/redis/script.ts';
import type { OrderStatus } from './order-record.ts';

const noteStatusScript = loadScript(import.meta.dirname, 'note-status-2.lua');

/** What an accepted order can become. */
export type FinalStatus = Exclude<OrderStatus, 'accepted'>;

/**
 * Notes the orders' statuses in one call and resolves with how many it changed: orders that Redis
 * does not know, or knows to be past `accepted`, stay as they are. Throws where Redis is away.
 * A cancellation is not noted: `cancel-3.lua` does that, and gives the units back with it.
 */
export async function noteStatus(
  redis: RedisClient,
  productId: string,
  statuses: readonly (readonly [orderId: string, status: FinalStatus])[],
): Promise<number> {
  const notes = statuses.filter(([, status]) => status !== 'cancelled');
  if (notes.length === 0) return 0;
  const { orders, sale } = saleKeys(productId);
  const reply = await noteStatusScript.run(redis, [orders, sale], notes.flat());
  return Number(reply);
}
