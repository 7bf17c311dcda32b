// One purchase from the press to a definite answer. The key is stored before it is sent; whatever
// gets lost is asked again with the same key, after a reload too, so one press buys at most once.

import type { Outcome } from '#lib/outcome.ts';
import type { PurchaseReply } from './api.ts';
import type { OpenPurchase, PurchaseStore } from './purchase-store.ts';
import { backOffMs, type Timers } from './timers.ts';

/** After this long without an answer the buyer is asked before anything is bought. */
const staleAfterMs = 10 * 60_000;
/** A purchase that is this much too early is sent at the opening instead of being refused. */
const earlyMs = 5_000;
const earlySendsMax = 3;

export type FlowState =
  | { readonly name: 'idle' }
  | {
      readonly name: 'sending';
      readonly purchase: OpenPurchase;
      readonly attempt: number;
      /** Monotonic milliseconds. */
      readonly sinceMs: number;
      /** Whether an earlier sending of it may have been accepted. */
      readonly isInDoubt: boolean;
    }
  /** Perhaps bought: asked again at `retryAtMs` (monotonic). */
  | {
      readonly name: 'unsure';
      readonly purchase: OpenPurchase;
      readonly attempt: number;
      readonly cause: 'lost' | 'timeout' | 'unavailable';
      readonly retryAtMs: number;
    }
  /** Surely not bought yet: too many requests. Sent again on its own once. */
  | {
      readonly name: 'limited';
      readonly purchase: OpenPurchase;
      readonly retryAtMs: number;
      readonly isAutomatic: boolean;
    }
  | { readonly name: 'early'; readonly purchase: OpenPurchase; readonly retryAtMs: number }
  | {
      readonly name: 'accepted';
      readonly purchase: OpenPurchase;
      readonly orderId: string;
      readonly quantity: number;
    }
  | {
      readonly name: 'refused';
      readonly purchase: OpenPurchase;
      readonly outcome: Outcome;
      readonly left?: number;
      readonly opensAtMs?: number;
    }
  | { readonly name: 'stopped'; readonly purchase: OpenPurchase }
  | { readonly name: 'signed_out'; readonly purchase: OpenPurchase };

export interface PurchaseFlow {
  readonly state: FlowState;
  /** The buyer wants `quantity`. Nothing happens while a purchase is under way. */
  press(quantity: number): void;
  /** Goes on with a purchase that an earlier page or sign-in left open. */
  resume(): void;
  /** Asks at once what it would ask later: the network is back. */
  hurry(): void;
  /** The buyer no longer waits. The key stays: it may have been accepted. */
  stop(): void;
  /** The buyer has read the answer (or gives a stopped purchase up) and may start anew. */
  dismiss(): void;
}

export interface PurchaseFlowOptions {
  readonly productId: string;
  readonly userId: string;
  readonly store: PurchaseStore;
  readonly send: (purchase: OpenPurchase) => Promise<PurchaseReply>;
  readonly timers: Timers;
  /** Epoch milliseconds by the server, and by this device. */
  readonly serverNowMs: () => number;
  readonly deviceNowMs: () => number;
  readonly newKey: () => string;
  readonly onChange: (state: FlowState) => void;
}

export function createPurchaseFlow(options: PurchaseFlowOptions): PurchaseFlow {
  return new Flow(options);
}

class Flow implements PurchaseFlow {
  state: FlowState = { name: 'idle' };
  private readonly options: PurchaseFlowOptions;
  /** Whether an answer to this purchase may have been lost. */
  private isInDoubt = false;
  private earlySends = 0;
  private limitedSends = 0;
  private cancelTimer: () => void = () => undefined;

  constructor(options: PurchaseFlowOptions) {
    this.options = options;
  }

  press(quantity: number): void {
    if (isUnderWay(this.state) || this.state.name === 'accepted') return;
    const left = this.options.store.read();
    // What may have been bought is asked again as it was; only a refusal frees the quantity.
    const goesOn = left !== undefined && (left.stage !== 'refused' || left.quantity === quantity);
    this.isInDoubt = goesOn && left.stage !== 'refused';
    this.earlySends = 0;
    this.limitedSends = 0;
    this.ask(
      goesOn
        ? left
        : {
            productId: this.options.productId,
            userId: this.options.userId,
            key: this.options.newKey(),
            quantity,
            stage: 'asking',
            pressedAtMs: 0,
          },
    );
  }

  resume(): void {
    if (isUnderWay(this.state) || this.state.name === 'accepted') return;
    const left = this.options.store.read();
    if (left === undefined || left.stage === 'refused') return;
    const isStale = this.options.deviceNowMs() - left.pressedAtMs > staleAfterMs;
    if (left.stage === 'stopped' || isStale) {
      this.settle({ name: 'stopped', purchase: { ...left, stage: 'stopped' } });
      return;
    }
    this.isInDoubt = true;
    this.send(left, 1);
  }

  hurry(): void {
    if (this.state.name !== 'unsure') return;
    this.cancelTimer();
    this.send(this.state.purchase, this.state.attempt + 1);
  }

  stop(): void {
    if (this.state.name !== 'unsure') return;
    this.cancelTimer();
    this.settle({ name: 'stopped', purchase: { ...this.state.purchase, stage: 'stopped' } });
  }

  dismiss(): void {
    if (isUnderWay(this.state)) return;
    if (this.state.name === 'stopped') this.options.store.remove();
    this.change({ name: 'idle' });
  }

  /** Keeps the purchase, then sends it: in this order, or a crash between the two would forget. */
  private ask(purchase: OpenPurchase): void {
    const asked: OpenPurchase = {
      ...purchase,
      stage: 'asking',
      pressedAtMs: this.options.deviceNowMs(),
    };
    this.options.store.write(asked);
    this.send(asked, 1);
  }

  private send(purchase: OpenPurchase, attempt: number): void {
    this.change({
      name: 'sending',
      purchase,
      attempt,
      sinceMs: this.options.timers.nowMs(),
      isInDoubt: this.isInDoubt,
    });
    this.options.send(purchase).then(
      (reply) => {
        this.take(reply, purchase, attempt);
      },
      () => {
        this.take({ kind: 'unknown', cause: 'lost', retryAfterMs: 0 }, purchase, attempt);
      },
    );
  }

  private take(reply: PurchaseReply, purchase: OpenPurchase, attempt: number): void {
    switch (reply.kind) {
      case 'accepted': {
        const { orderId, quantity } = reply;
        this.change({ name: 'accepted', purchase, orderId, quantity });
        this.options.store.remove();
        return;
      }
      case 'unknown':
        this.isInDoubt = true;
        this.wonder(purchase, attempt, reply.cause, reply.retryAfterMs);
        return;
      case 'limited':
        this.limit(purchase, attempt, reply.retryAfterMs);
        return;
      case 'signed_out':
        this.change({ name: 'signed_out', purchase });
        return;
      case 'refused':
        this.refuse(reply, purchase);
        return;
    }
  }

  private wonder(
    purchase: OpenPurchase,
    attempt: number,
    cause: 'lost' | 'timeout' | 'unavailable',
    retryAfterMs: number,
  ): void {
    const waitMs = Math.max(retryAfterMs, 0) + backOffMs(attempt, this.options.timers);
    this.change({
      name: 'unsure',
      purchase,
      attempt,
      cause,
      retryAtMs: this.options.timers.nowMs() + waitMs,
    });
    this.later(waitMs, () => {
      this.send(purchase, attempt + 1);
    });
  }

  /** A refused request decides nothing about an earlier one whose answer was lost. */
  private limit(purchase: OpenPurchase, attempt: number, retryAfterMs: number): void {
    if (this.isInDoubt) {
      this.wonder(purchase, attempt, 'unavailable', retryAfterMs);
      return;
    }
    const { timers } = this.options;
    const waitMs = retryAfterMs + timers.random() * 500;
    const isAutomatic = this.limitedSends === 0;
    this.limitedSends += 1;
    const limited = { name: 'limited', retryAtMs: timers.nowMs() + waitMs, isAutomatic } as const;
    if (isAutomatic) {
      this.change({ ...limited, purchase });
      this.later(waitMs, () => {
        this.send(purchase, 1);
      });
    } else {
      this.settle({ ...limited, purchase: { ...purchase, stage: 'refused' } });
    }
  }

  private refuse(reply: Extract<PurchaseReply, { kind: 'refused' }>, purchase: OpenPurchase): void {
    this.isInDoubt = false;
    const waitMs = (reply.opensAtMs ?? Number.POSITIVE_INFINITY) - this.options.serverNowMs();
    if (reply.outcome === 'not_open' && waitMs < earlyMs && this.earlySends < earlySendsMax) {
      this.earlySends += 1;
      const { timers } = this.options;
      const delayMs = Math.max(waitMs, 0) + 50 + timers.random() * 350;
      this.change({ name: 'early', purchase, retryAtMs: timers.nowMs() + delayMs });
      this.later(delayMs, () => {
        this.send(purchase, 1);
      });
      return;
    }
    this.settle({
      name: 'refused',
      purchase: { ...purchase, stage: 'refused' },
      outcome: reply.outcome,
      ...(reply.left === undefined ? {} : { left: reply.left }),
      ...(reply.opensAtMs === undefined ? {} : { opensAtMs: reply.opensAtMs }),
    });
    // This key has bought another quantity and never buys this one: the next press needs its own.
    if (reply.outcome === 'key_reused') this.options.store.remove();
  }

  private later(waitMs: number, run: () => void): void {
    this.cancelTimer = this.options.timers.after(waitMs, run);
  }

  /** Nothing more happens by itself: what is kept says so too. */
  private settle(state: Exclude<FlowState, { name: 'idle' }>): void {
    this.options.store.write(state.purchase);
    this.change(state);
  }

  private change(state: FlowState): void {
    this.state = state;
    this.options.onChange(state);
  }
}

/** Whether the purchase goes on without the buyer. */
export function isUnderWay(state: FlowState): boolean {
  return (
    state.name === 'sending' ||
    state.name === 'unsure' ||
    state.name === 'early' ||
    (state.name === 'limited' && state.isAutomatic)
  );
}
