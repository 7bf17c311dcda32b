// What operators change of a sale's units while it runs: the wrappers of two scripts. Both are
// given what MySQL holds already, under the product's lock, and may be repeated.

import { saleKeys } from '#lib/names.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import { loadScript } from '#lib/redis/script.ts';
import { type Fence, fenceArgs } from './sale.ts';

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

/** What a buyer has of a sale, undefined for nothing; the time in epoch microseconds. */
export interface BuyerNow {
  readonly userId: string;
  readonly totals: { readonly userFirstAt: number; readonly userQuantity: number } | undefined;
}

export type CancelResult =
  | { readonly kind: 'absent' | 'refused' | 'broken' }
  | {
      readonly kind: 'cancelled';
      /** Units sold of the whole sale, now. */
      readonly sold: number;
      /** Whose orders they were. */
      readonly buyers: readonly BuyerNow[];
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
  const keys = saleKeys(productId);
  const reply = (await cancelScript.run(
    redis,
    [keys.sale, keys.orders, keys.buyers],
    [...fenceArgs(fence), ...orderIds],
  )) as ['absent' | 'refused' | 'broken'] | ['cancelled', string, string[]];
  if (reply[0] !== 'cancelled') return { kind: reply[0] };
  const [kind, sold, flat] = reply;
  const buyers: BuyerNow[] = [];
  for (let at = 0; at + 1 < flat.length; at += 2) {
    buyers.push({ userId: flat[at] ?? '', totals: totalsOf(flat[at + 1] ?? '') });
  }
  return { kind, sold: Number(sold), buyers };
}

function totalsOf(text: string): BuyerNow['totals'] {
  const [userFirstAt, userQuantity] = text.split('|').map(Number);
  if (userFirstAt === undefined || userQuantity === undefined) return undefined;
  return { userFirstAt, userQuantity };
}
