// What operators change of a sale's units while it runs: the wrappers of two scripts. Both are
// given what MySQL holds already, under the product's lock, and may be repeated.

import { saleKeys } from '#lib/names.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import { loadScript } from '#lib/redis/script.ts';
import type { Fence } from './sale.ts';

const restockScript = loadScript(import.meta.dirname, 'restock-1.lua');
const cancelScript = loadScript(import.meta.dirname, 'cancel-3.lua');

/** Puts units on sale up to this number of them; `absent` where the sale is not loaded. */
export async function restock(
  redis: RedisClient,
  productId: string,
  fence: Fence,
  stock: number,
): Promise<'restocked' | 'absent' | 'refused'> {
  const reply = await restockScript.run(
    redis,
    [saleKeys(productId).sale],
    [...fenceArgs(fence), stock],
  );
  return reply as 'restocked' | 'absent' | 'refused';
}

/** What a buyer has of a sale; the time in epoch microseconds. */
export interface BuyerNow {
  readonly userFirstAt: number;
  readonly userQuantity: number;
}

export type CancelResult =
  | { readonly kind: 'absent' | 'refused' | 'broken' }
  | {
      readonly kind: 'cancelled';
      /** Units sold of the whole sale, now. */
      readonly sold: number;
      /** For each order what its buyer has now; undefined for nothing. */
      readonly buyers: readonly (BuyerNow | undefined)[];
    };

/** Orders per call: Lua unpacks two values for each at once. */
export const cancelledAtOnce = 500;

/**
 * Cancels orders and gives their units back (`cancel-3.lua`), at most `cancelledAtOnce`; what is
 * cancelled already, or not there, stays as it is.
 */
export async function cancel(
  redis: RedisClient,
  productId: string,
  fence: Fence,
  orderIds: readonly string[],
): Promise<CancelResult> {
  const { sale, orders, buyers } = saleKeys(productId);
  const reply = (await cancelScript.run(
    redis,
    [sale, orders, buyers],
    [...fenceArgs(fence), ...orderIds],
  )) as ['absent' | 'refused' | 'broken'] | ['cancelled', string, string[]];
  if (reply[0] !== 'cancelled') return { kind: reply[0] };
  const [kind, sold, totals] = reply;
  return { kind, sold: Number(sold), buyers: totals.map(buyerNow) };
}

function fenceArgs({ generation, revision, incarnation }: Fence): number[] {
  return [generation, revision, incarnation];
}

function buyerNow(text: string): BuyerNow | undefined {
  const [userFirstAt, userQuantity] = text.split('|').map(Number);
  if (userFirstAt === undefined || userQuantity === undefined) return undefined;
  return { userFirstAt, userQuantity };
}
