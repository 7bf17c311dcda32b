// Sends admitted purchases on in batches per product: the first at once, and whatever comes while
// batches are in flight together as the next one. Everything is bounded: what waits, what is in
// flight, and for how long, of one product and of all. Who finds no place or has waited too long
// is refused unsent, so that nothing was decided, and is told when there may be one.

import type { PurchaseAnswer } from '#lib/outcome.ts';
import { noTracing, type Span, type Tracing } from '#lib/telemetry/tracing.ts';
import { type Batch, Lanes, queueTimeMaxMs, type Waiting } from './forward-lanes.ts';
import type { KnownProducts } from './known-products.ts';
import { traceBatch } from './trace-batch.ts';

export interface ForwardedPurchase {
  readonly orderId: string;
  readonly userId: string;
  readonly quantity: number;
  /** W3C trace context, where it is sampled. */
  readonly traceparent?: string;
}

/** Answers in the order of the purchases. A rejection means that nobody knows. */
export type SendBatch = (
  productId: string,
  purchases: readonly ForwardedPurchase[],
  /** The batch's own trace context, where it has one. */
  traceparent?: string,
) => Promise<PurchaseAnswer[]>;

/** Refused here, before anything was sent. */
export interface NoPlace {
  readonly outcome: 'unavailable';
  readonly retryAfterSeconds: number;
}

/** Never rejects; `unavailable` where nothing was decided or nobody knows. */
export type Forward = (
  productId: string,
  purchase: ForwardedPurchase,
  span?: Span,
) => Promise<PurchaseAnswer | NoPlace>;

interface DependsOn {
  readonly sendBatch: SendBatch;
  readonly known: KnownProducts;
  readonly tracing?: Tracing;
}

interface Item extends Waiting {
  readonly purchase: ForwardedPurchase;
  readonly span: Span | undefined;
  readonly answer: (answer: PurchaseAnswer | NoPlace) => void;
}

const unavailable: PurchaseAnswer = { outcome: 'unavailable' };

export function createForward({ sendBatch, known, tracing = noTracing }: DependsOn): Forward {
  const lanes = new Lanes<Item>();
  let isScheduled = false;

  const send = async ({ productId, items, ended }: Batch<Item>) => {
    const trace = traceBatch(tracing, items);
    const { purchases, traceparent } = trace;
    const answers = await sendBatch(productId, purchases, traceparent).catch(() => []);
    trace.ended(answers.length > 0);
    const isShown = answers.some(showsProduct);
    if (isShown) known.learn(productId);
    ended(isShown);
    // The next batches first: to answer all of this one takes a while.
    sendAll();
    items.forEach(({ answer }, place) => {
      answer(answers[place] ?? unavailable);
    });
  };
  const sendAll = () => {
    for (let batch = lanes.next(); batch !== undefined; batch = lanes.next()) void send(batch);
  };

  // What was admitted together travels together: a tick comes when no promise is left that could
  // bring another one. Not later: on a busy edge the event-loop turn goes on for milliseconds.
  const schedule = () => {
    if (isScheduled) return;
    isScheduled = true;
    process.nextTick(() => {
      isScheduled = false;
      sendAll();
    });
  };

  return (productId, purchase, span) =>
    new Promise((answer) => {
      const giveUpAtMs = performance.now() + queueTimeMaxMs;
      const refuse = (placeInMs: number) => {
        const retryAfterSeconds = Math.max(1, Math.ceil(placeInMs / 1_000));
        answer({ outcome: 'unavailable', retryAfterSeconds });
      };
      const add = (isKnown: boolean) => {
        lanes.add(productId, isKnown, { purchase, span, answer, refuse, giveUpAtMs });
        schedule();
      };
      const found = known.find(productId);
      if (found === true) add(true);
      else void found.then(add);
    });
}

/** Whoever is told that there is no such product, or nothing, has not learned that there is one. */
function showsProduct({ outcome }: PurchaseAnswer): boolean {
  return outcome !== 'unknown_product' && outcome !== 'unavailable';
}
