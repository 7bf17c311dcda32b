// Refusals that cost next to nothing: what `purchase` said to everybody less than a second ago is
// said again without asking it. Each time one read of Redis, for all who ask in the same
// event-loop turn, sees to it that it still holds and that nobody is refused who was accepted.

import type { PurchaseAnswer } from '#lib/outcome.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import { type Refusal, readRefusals, refusalOf } from '#lib/sale/refusal.ts';

export interface Refusals {
  /**
   * The refusal of a purchase that need not go further; undefined where it must, since something
   * may be sold, it was accepted before, or nobody knows. Never rejects.
   */
  lookUp(productId: string, orderId: string): Promise<Refusal | undefined> | undefined;
  /** Takes note of what `purchase` answered to something that was sent at `sentAtMs`. */
  learn(productId: string, answer: PurchaseAnswer, sentAtMs: number): void;
}

/** So long is a refusal repeated. */
const oldestMs = 1_000;
/** From this age on, one purchase in so long passes to ask anew, and the others don't notice. */
const freshMs = 500;
const askEveryMs = 100;
/** Only products that exist are remembered; who asks does not choose how many. */
const productsMax = 10_000;
const idsPerReadMax = 512;

interface Remembered {
  saidAtMs: number;
  askAgainAtMs: number;
  asking: Asking[];
}

interface Asking {
  readonly orderId: string;
  readonly answer: (refusal: Refusal | undefined) => void;
}

export function createRefusals(
  redis: RedisClient,
  now: () => number = () => performance.now(),
): Refusals {
  const products = new Map<string, Remembered>();

  const answerAll = async (productId: string, asking: readonly Asking[]) => {
    const orderIds = asking.map(({ orderId }) => orderId);
    // Where Redis does not answer, the buckets will say so: they live in the same one.
    const refusals = await readRefusals(redis, productId, orderIds).catch(() => undefined);
    // Not where all who asked were accepted: they say nothing about the others.
    if (refusals === undefined) products.delete(productId);
    asking.forEach(({ answer }, index) => {
      answer(refusals?.[index]);
    });
  };
  const endTurn = (productId: string, remembered: Remembered) => {
    const { asking } = remembered;
    remembered.asking = [];
    for (let at = 0; at < asking.length; at += idsPerReadMax) {
      void answerAll(productId, asking.slice(at, at + idsPerReadMax));
    }
  };

  return {
    lookUp(productId, orderId) {
      const remembered = products.get(productId);
      if (remembered === undefined) return undefined;
      const nowMs = now();
      if (nowMs - remembered.saidAtMs > oldestMs) {
        products.delete(productId);
        return undefined;
      }
      if (nowMs >= remembered.askAgainAtMs) {
        remembered.askAgainAtMs = nowMs + askEveryMs;
        return undefined;
      }
      return new Promise((answer) => {
        if (remembered.asking.length === 0) setImmediate(endTurn, productId, remembered);
        remembered.asking.push({ orderId, answer });
      });
    },
    learn(productId, answer, sentAtMs) {
      if (refusalOf(answer) === undefined) return;
      const askAgainAtMs = sentAtMs + freshMs;
      const remembered = products.get(productId);
      if (remembered === undefined) {
        if (products.size >= productsMax) products.clear();
        products.set(productId, { saidAtMs: sentAtMs, askAgainAtMs, asking: [] });
      } else if (sentAtMs > remembered.saidAtMs) {
        remembered.saidAtMs = sentAtMs;
        remembered.askAgainAtMs = askAgainAtMs;
      }
    },
  };
}
