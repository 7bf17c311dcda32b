// Sends admitted purchases on in batches per product: the first at once, and whatever comes while
// batches are in flight together as the next one. One slow product holds up no other, and no
// purchase waits here longer than it may: it is then refused unsent, so that nothing was decided.

import {
  batchOrdersMax,
  edgeBatchesInFlightPerProduct,
  edgeForwardTimeoutMs,
  edgeQueuePerProductMax,
  edgeRequestTimeoutMs,
} from '#lib/constants.ts';
import type { PurchaseAnswer } from '#lib/outcome.ts';

export interface ForwardedPurchase {
  readonly orderId: string;
  readonly userId: string;
  readonly quantity: number;
  readonly traceparent?: string;
}

/** Answers in the order of the purchases. A rejection means that nobody knows. */
export type SendBatch = (
  productId: string,
  purchases: readonly ForwardedPurchase[],
) => Promise<PurchaseAnswer[]>;

/** Never rejects; `unavailable` where nothing was decided or nobody knows. */
export type Forward = (productId: string, purchase: ForwardedPurchase) => Promise<PurchaseAnswer>;

/** What is left of a request's time when its batch takes all of its own. */
export const queueTimeMaxMs = edgeRequestTimeoutMs - edgeForwardTimeoutMs;

interface Waiting {
  readonly purchase: ForwardedPurchase;
  readonly answer: (answer: PurchaseAnswer) => void;
  readonly giveUpAtMs: number;
}

interface Lane {
  readonly productId: string;
  waiting: Waiting[];
  inFlight: number;
  scheduled: boolean;
  expiry: NodeJS.Timeout | undefined;
}

const unavailable: PurchaseAnswer = { outcome: 'unavailable' };

export function createForward(sendBatch: SendBatch): Forward {
  const lanes = new Map<string, Lane>();

  const laneOf = (productId: string): Lane => {
    const known = lanes.get(productId);
    if (known !== undefined) return known;
    const lane = { productId, waiting: [], inFlight: 0, scheduled: false, expiry: undefined };
    lanes.set(productId, lane);
    return lane;
  };

  const sendWaiting = (lane: Lane) => {
    while (lane.waiting.length > 0 && lane.inFlight < edgeBatchesInFlightPerProduct) {
      void send(lane, lane.waiting.splice(0, batchOrdersMax));
    }
    expireLater(lane);
  };

  // What was admitted together travels together: a tick comes when no promise is left that could
  // bring another one. Not later: on a busy edge the event-loop turn goes on for milliseconds.
  const schedule = (lane: Lane) => {
    if (lane.scheduled || lane.inFlight >= edgeBatchesInFlightPerProduct) return;
    lane.scheduled = true;
    process.nextTick(() => {
      lane.scheduled = false;
      sendWaiting(lane);
    });
  };

  const send = async (lane: Lane, batch: readonly Waiting[]) => {
    lane.inFlight += 1;
    const answers = await sendBatch(
      lane.productId,
      batch.map(({ purchase }) => purchase),
    ).catch(() => []);
    lane.inFlight -= 1;
    // The next batch first: to answer all of this one takes a while.
    sendWaiting(lane);
    batch.forEach(({ answer }, place) => {
      answer(answers[place] ?? unavailable);
    });
    if (lane.waiting.length === 0 && lane.inFlight === 0) lanes.delete(lane.productId);
  };

  return (productId, purchase) =>
    new Promise((answer) => {
      const lane = laneOf(productId);
      if (lane.waiting.length >= edgeQueuePerProductMax) {
        answer(unavailable);
        return;
      }
      const giveUpAtMs = performance.now() + queueTimeMaxMs;
      lane.waiting.push({ purchase, answer, giveUpAtMs });
      schedule(lane);
      expireLater(lane);
    });
}

/** Sees to it that those who have waited too long are answered; the longest wait comes first. */
function expireLater(lane: Lane): void {
  const [head] = lane.waiting;
  if (head === undefined) {
    clearTimeout(lane.expiry);
    lane.expiry = undefined;
    return;
  }
  lane.expiry ??= setTimeout(
    () => {
      lane.expiry = undefined;
      const firstToKeep = lane.waiting.findIndex(
        ({ giveUpAtMs }) => giveUpAtMs > performance.now(),
      );
      const expired = lane.waiting.splice(0, firstToKeep < 0 ? lane.waiting.length : firstToKeep);
      for (const { answer } of expired) answer(unavailable);
      expireLater(lane);
    },
    Math.max(0, head.giveUpAtMs - performance.now()),
  );
}
