// What the one big button says and does at this moment. Pure.

import type { SaleState } from './answers.ts';
import type { FlowState } from './purchase-flow.ts';
import type { Texts } from './texts.ts';

export interface BuyButton {
  readonly label: string;
  /** `none`: the button can be reached and read, but does nothing. */
  readonly action: 'press' | 'orders' | 'sign_in' | 'none';
  readonly isBusy: boolean;
}

export interface BuyContext {
  readonly texts: Texts;
  readonly isSignedIn: boolean;
  readonly isSignInOffered: boolean;
  readonly saleState: SaleState;
  readonly flow: FlowState;
  readonly hasShare: boolean;
  /** Price of all that would be bought, formatted. */
  readonly total: string;
  /** Monotonic milliseconds. */
  readonly nowMs: number;
}

export function buyButton(context: BuyContext): BuyButton {
  const { texts } = context;
  if (!context.isSignedIn) {
    const label = texts.buySignedOut;
    return context.isSignInOffered ? { label, action: 'sign_in', isBusy: false } : idle(label);
  }
  return flowButton(context) ?? saleButton(context);
}

function flowButton({ flow, texts, nowMs }: BuyContext): BuyButton | undefined {
  switch (flow.name) {
    case 'sending':
      return busy(flow.isInDoubt ? texts.buyUnsure : texts.buySending);
    case 'unsure':
      return busy(texts.buyUnsure);
    case 'early':
      return busy(texts.buySending);
    case 'limited': {
      const seconds = Math.ceil((flow.retryAtMs - nowMs) / 1_000);
      if (seconds > 0) return busy(texts.buyWaiting(seconds));
      return flow.isAutomatic ? busy(texts.buySending) : active(texts.buyAgain);
    }
    case 'accepted':
      // Whoever keeps hammering the button ends up at their order, not with a second one.
      return { label: texts.seeOrders, action: 'orders', isBusy: false };
    case 'stopped':
      return active(texts.askAgain);
    case 'signed_out':
      return idle(texts.buySignedOut);
    case 'idle':
    case 'refused':
      return undefined;
  }
}

function saleButton({ saleState, hasShare, texts, total }: BuyContext): BuyButton {
  switch (saleState) {
    case 'scheduled':
      return idle(texts.buyScheduled);
    case 'paused':
      return idle(texts.buyPaused);
    case 'sold_out':
      return idle(texts.buySoldOut);
    case 'ended':
      return idle(texts.buyEnded);
    case 'open':
      if (hasShare) return idle(texts.buyShareTaken);
      return active(texts.buy(total));
  }
}

function idle(label: string): BuyButton {
  return { label, action: 'none', isBusy: false };
}

function busy(label: string): BuyButton {
  return { label, action: 'none', isBusy: true };
}

function active(label: string): BuyButton {
  return { label, action: 'press', isBusy: false };
}
