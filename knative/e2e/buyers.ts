// Buyers as the storefront has them: each stores one key, sends it, and sends the same key again
// until there is an answer that says what became of it. Every answer is counted as it came, also
// those that a page would not trouble its buyer with.

import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { backOffMs } from '#functions/ratelimit-edge/storefront/timers.ts';
import { orderIdOf } from '#lib/order-id.ts';
import type { Door } from './door.ts';

/** What one buyer was told in the end. */
export type Told =
  /** `accepted`: 202, or 200 after an answer that was lost. */
  | { readonly kind: 'accepted'; readonly orderId: string }
  | { readonly kind: 'refused'; readonly status: number; readonly outcome: string }
  /** The buyer's patience ended first: the failure of a purchase. */
  | { readonly kind: 'unserved'; readonly status: number };

export interface Purchase {
  readonly userId: string;
  readonly key: string;
  readonly told: Told;
  readonly attempts: number;
  /** From the first sending to what was told. */
  readonly tookMs: number;
  /** Epoch ms. */
  readonly toldAtMs: number;
}

/** An answer that no buyer should get: neither 2xx nor 409, 410, 429. */
export interface Unclean {
  /** 0: no answer came at all. */
  readonly status: number;
  readonly outcome: string;
  /** Epoch ms. */
  readonly atMs: number;
}

export interface Tally {
  readonly purchases: readonly Purchase[];
  readonly unclean: readonly Unclean[];
  /** Answers 429, after which the same key was sent again. */
  readonly limited: number;
}

export interface BuyerOptions {
  readonly door: Door;
  readonly productId: string;
  readonly patienceMs: number;
  /** Aborts all waiting: the run is over. */
  readonly interrupted: AbortSignal;
  /** Called for each purchase as soon as it is known. */
  readonly onTold?: (purchase: Purchase) => void;
}

export interface Buyer {
  readonly userId: string;
  readonly token: string;
}

export interface Buyers {
  readonly tally: Tally;
  /** When whoever asks longest began, epoch ms; now where nobody asks. */
  readonly askingSinceMs: () => number;
  /** One buyer's purchase; never rejects but when interrupted. */
  buy(buyer: Buyer): Promise<Purchase>;
}

const clean: ReadonlySet<number> = new Set([200, 202, 409, 410, 429]);

export function createBuyers(options: BuyerOptions): Buyers {
  const purchases: Purchase[] = [];
  const unclean: Unclean[] = [];
  const asking = new Set<{ readonly sinceMs: number }>();
  let limited = 0;

  async function ask(buyer: Buyer, key: string, deadline: number): Promise<[Told, number]> {
    const { door, productId, interrupted } = options;
    for (let attempt = 1; ; attempt += 1) {
      const answer = await door.purchase(productId, { token: buyer.token, key });
      interrupted.throwIfAborted();
      const { status, outcome, retryAfterMs } = answer;
      if (!clean.has(status)) unclean.push({ status, outcome, atMs: Date.now() });
      if (status === 429) limited += 1;
      if (status === 200 || status === 202) {
        return [{ kind: 'accepted', orderId: answer.orderId }, attempt];
      }
      // The rest decides nothing, or is no answer of ours: the same key is asked again.
      if (status === 409 || status === 410) {
        return [{ kind: 'refused', status, outcome }, attempt];
      }
      const waitMs = retryAfterMs + backOffMs(attempt, Math);
      if (performance.now() + waitMs > deadline) return [{ kind: 'unserved', status }, attempt];
      await pause(waitMs, undefined, { signal: interrupted });
    }
  }

  return {
    tally: {
      purchases,
      unclean,
      get limited() {
        return limited;
      },
    },
    askingSinceMs() {
      // A set keeps the order in which they came.
      const [first] = asking;
      return first?.sinceMs ?? Date.now();
    },
    async buy(buyer) {
      const key = randomBytes(12).toString('base64url');
      const startedAtMs = performance.now();
      const one = { sinceMs: Date.now() };
      asking.add(one);
      const [told, attempts] = await ask(buyer, key, startedAtMs + options.patienceMs).finally(() =>
        asking.delete(one),
      );
      if (told.kind === 'accepted') assertNamed(told.orderId, options.productId, buyer, key);
      const tookMs = performance.now() - startedAtMs;
      const { userId } = buyer;
      const purchase = { userId, key, told, attempts, tookMs, toldAtMs: Date.now() };
      purchases.push(purchase);
      options.onTold?.(purchase);
      return purchase;
    },
  };
}

/** The order id is made from what was sent; any other would be somebody else's order. */
function assertNamed(orderId: string, productId: string, buyer: Buyer, key: string): void {
  const expected = orderIdOf(productId, buyer.userId, key);
  if (orderId !== expected)
    throw new Error(`${buyer.userId} was given ${orderId}: not ${expected}`);
}
