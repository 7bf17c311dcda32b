// What a sale refuses everybody with, read from Redis without asking `purchase`: a look that
// decides nothing, and never speaks about a purchase that was accepted.

import { saleKeys } from '#lib/names.ts';
import type { PurchaseAnswer } from '#lib/outcome.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import { loadScript } from '#lib/redis/script.ts';

const refuseScript = loadScript(import.meta.dirname, 'refuse-2.lua');

/** Refusals that are the same for everybody, whatever the quantity. */
export type Refusal =
  | Extract<PurchaseAnswer, { outcome: 'not_open' | 'sold_out' }>
  | { readonly outcome: 'ended' | 'paused' };

/** The answer as a refusal of everybody, or undefined where it is none: it spoke of one purchase. */
export function refusalOf(answer: PurchaseAnswer): Refusal | undefined {
  switch (answer.outcome) {
    case 'sold_out':
      return answer.left === 0 ? answer : undefined;
    case 'not_open':
      return answer;
    case 'ended':
    case 'paused':
      return { outcome: answer.outcome };
    default:
      return undefined;
  }
}

type Reply =
  | ['unknown' | 'selling']
  | [outcome: Refusal['outcome'], opensAt: string, accepted: number[]];

/**
 * The refusal of each of these purchases at this moment, undefined for one that was accepted
 * before; nothing at all where the sale sells or Redis cannot tell. At most some thousand order
 * ids. Throws where Redis does not answer.
 */
export async function readRefusals(
  redis: RedisClient,
  productId: string,
  orderIds: readonly string[],
): Promise<(Refusal | undefined)[] | undefined> {
  const { sale, orders } = saleKeys(productId);
  const reply = (await refuseScript.run(redis, [sale, orders], orderIds)) as Reply;
  if (reply.length === 1) return undefined;
  const [outcome, opensAt, accepted] = reply;
  const refusal = refusalIn(outcome, opensAt);
  const places = new Set(accepted);
  return orderIds.map((_, index) => (places.has(index + 1) ? undefined : refusal));
}

function refusalIn(outcome: Refusal['outcome'], opensAt: string): Refusal {
  switch (outcome) {
    case 'sold_out':
      return { outcome, left: 0 };
    case 'not_open':
      return opensAt === '' ? { outcome } : { outcome, opensAtUs: Number(opensAt) };
    default:
      return { outcome };
  }
}
