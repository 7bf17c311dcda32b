// What the buyer is told about a purchase, and what they can do next. Pure.

import type { Order } from './answers.ts';
import { formatOpening } from './format.ts';
import type { FlowState } from './purchase-flow.ts';
import type { Message, Texts } from './texts.ts';

export type MessageAction = 'orders' | 'another' | 'stop' | 'forget' | 'sales';

export interface PurchaseMessage extends Message {
  readonly tone: 'busy' | 'good' | 'warn' | 'bad';
  readonly actions: readonly MessageAction[];
  readonly orderId?: string;
  /** When it is asked again, monotonic; shown as seconds, not announced. */
  readonly retryAtMs?: number;
}

const slowAfterMs = 900;

export interface MessageContext {
  readonly texts: Texts;
  readonly limitPerUser: number;
  /** By the server's clock, epoch milliseconds. */
  readonly nowMs: number;
  readonly monotonicMs: number;
  /** The order of an accepted purchase as it is now, once known. */
  readonly order: Order | undefined;
  readonly mayBuyMore: boolean;
  /** Whether there are other sales to go to. */
  readonly hasOthers: boolean;
  readonly isSignInOffered: boolean;
}

/** Undefined while there is nothing to say. */
export function purchaseMessage(
  flow: FlowState,
  context: MessageContext,
): PurchaseMessage | undefined {
  const { texts } = context;
  switch (flow.name) {
    case 'idle':
      return undefined;
    case 'sending':
      if (flow.isInDoubt) return { tone: 'busy', actions: [], ...texts.unsure };
      // The button says so already; a message that flashes by would only unsettle.
      if (context.monotonicMs - flow.sinceMs < slowAfterMs) return undefined;
      return { tone: 'busy', actions: [], ...texts.sending };
    case 'unsure':
      return {
        tone: 'warn',
        actions: flow.attempt > 2 ? ['stop'] : [],
        retryAtMs: flow.retryAtMs,
        ...texts.unsure,
      };
    case 'early':
      return { tone: 'busy', actions: [], ...texts.early };
    case 'limited':
      return flow.isAutomatic
        ? { tone: 'warn', actions: [], retryAtMs: flow.retryAtMs, ...texts.limited }
        : { tone: 'warn', actions: [], ...texts.limitedAgain };
    case 'signed_out': {
      const { purchaseSignedOut, purchaseSignInAgain } = texts;
      const message = context.isSignInOffered ? purchaseSignInAgain : purchaseSignedOut;
      return { tone: 'warn', actions: [], ...message };
    }
    case 'stopped':
      return { tone: 'warn', actions: ['orders', 'forget'], ...texts.stopped };
    case 'accepted':
      return acceptedMessage(flow, context);
    case 'refused':
      return refusedMessage(flow, context);
  }
}

function acceptedMessage(
  { orderId, quantity }: Extract<FlowState, { name: 'accepted' }>,
  { texts, order, mayBuyMore }: MessageContext,
): PurchaseMessage {
  if (order?.status === 'cancelled' || order?.status === 'rejected') {
    return { tone: 'bad', actions: ['another'], orderId, ...texts.orderUndone };
  }
  const text = order?.status === 'confirmed' ? texts.confirmed : texts.accepted;
  return {
    tone: 'good',
    actions: mayBuyMore ? ['another'] : [],
    orderId,
    ...text(quantity),
  };
}

function refusedMessage(
  { outcome, left, opensAtMs }: Extract<FlowState, { name: 'refused' }>,
  { texts, limitPerUser, nowMs, hasOthers }: MessageContext,
): PurchaseMessage {
  const { refused } = texts;
  const say = (message: Message, ...actions: MessageAction[]): PurchaseMessage => ({
    tone: 'bad',
    actions: actions.filter((action) => action !== 'sales' || hasOthers),
    ...message,
  });
  const wait = (message: Message): PurchaseMessage => ({ tone: 'warn', actions: [], ...message });
  switch (outcome) {
    case 'limit_reached':
      return say(refused.limit_reached(limitPerUser), 'orders');
    case 'sold_out':
      return left !== undefined && left > 0
        ? wait(refused.fewerLeft(left))
        : say(refused.sold_out, 'sales');
    case 'not_open':
      return wait(
        refused.not_open(
          opensAtMs === undefined ? undefined : formatOpening(opensAtMs, nowMs, texts.language),
        ),
      );
    case 'ended':
      return say(refused.ended, 'sales');
    case 'paused':
      return wait(refused.paused);
    case 'key_reused':
      return say(refused.key_reused, 'orders');
    case 'unknown_product':
    case 'not_found':
      return say(refused.unknown_product, 'sales');
    case 'forbidden':
    case 'unauthenticated':
      return say(refused.forbidden);
    case 'accepted':
    case 'replayed':
    case 'unavailable':
    case 'rate_limited':
    case 'malformed':
    case 'wrong_type':
    case 'too_large':
    case 'method_not_allowed':
    case 'conflict':
      return say(refused.other);
  }
}
