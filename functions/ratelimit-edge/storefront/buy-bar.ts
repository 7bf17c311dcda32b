// The bar at the buyer's thumb: what became of the purchase, how many, and the button.

import type { BuyButton } from './buy-button.ts';
import { h, icon, setAttributes, setChildren, setText } from './dom.ts';
import type { MessageAction, PurchaseMessage } from './purchase-message.ts';
import type { Texts } from './texts.ts';

export interface BuyBarState {
  readonly button: BuyButton;
  readonly message: PurchaseMessage | undefined;
  readonly quantity: number;
  readonly quantityMax: number;
  readonly isQuantityShown: boolean;
  readonly isQuantityFixed: boolean;
  /** Monotonic milliseconds, for the seconds until the next try. */
  readonly nowMs: number;
}

export interface BuyBar {
  readonly element: HTMLElement;
  update(state: BuyBarState): void;
}

export interface BuyBarEvents {
  readonly press: () => void;
  readonly signIn: () => void;
  readonly quantity: (quantity: number) => void;
  readonly action: (action: MessageAction) => void;
}

export function createBuyBar(texts: Texts, events: BuyBarEvents): BuyBar {
  const message = createMessage(texts, events.action);
  const stepper = createStepper(texts, events.quantity);
  // Never `disabled`: that would throw the focus away just when the sale opens.
  const label = h('span', { class: 'buy-label' });
  const button = h('button', { class: 'buy', type: 'button', id: 'buy' }, label);
  let action: BuyButton['action'] = 'none';
  button.addEventListener('click', (event) => {
    // The second click of a double-click is no second wish.
    if (event.detail > 1) return;
    if (action === 'press') events.press();
    else if (action === 'sign_in') events.signIn();
    else if (action === 'orders') events.action('orders');
  });
  return {
    element: h(
      'section',
      { class: 'bar', 'aria-label': texts.purchase },
      message.element,
      h('div', { class: 'bar-row' }, stepper.element, button),
    ),
    update(state) {
      action = state.button.action;
      setText(label, state.button.label);
      button.classList.toggle('is-busy', state.button.isBusy);
      setAttributes(button, { 'aria-disabled': action === 'none' ? 'true' : undefined });
      message.update(state.message, state.nowMs);
      stepper.update(state);
    },
  };
}

function createStepper(texts: Texts, onQuantity: (quantity: number) => void) {
  const fewer = h('button', { type: 'button', 'aria-label': texts.fewer }, icon('minus'));
  const more = h('button', { type: 'button', 'aria-label': texts.more }, icon('plus'));
  const value = h('output', { 'aria-label': texts.quantity });
  let current = 1;
  const step = (by: number, button: HTMLButtonElement) => {
    button.addEventListener('click', () => {
      if (button.getAttribute('aria-disabled') !== 'true') onQuantity(current + by);
    });
  };
  step(-1, fewer);
  step(1, more);
  const element = h(
    'div',
    { class: 'stepper', role: 'group', 'aria-label': texts.quantity },
    fewer,
    value,
    more,
  );
  return {
    element,
    update({ quantity, quantityMax, isQuantityShown, isQuantityFixed }: BuyBarState) {
      current = quantity;
      element.hidden = !isQuantityShown;
      setText(value, String(quantity));
      const fix = (button: HTMLButtonElement, isAtEnd: boolean) => {
        setAttributes(button, { 'aria-disabled': isAtEnd || isQuantityFixed ? 'true' : undefined });
      };
      fix(fewer, quantity <= 1);
      fix(more, quantity >= quantityMax);
    },
  };
}

function createMessage(texts: Texts, onAction: (action: MessageAction) => void) {
  const symbol = h('span', { class: 'message-symbol' });
  const title = h('strong', { class: 'message-title' });
  const text = h('span', { class: 'message-text' });
  // The only live region of the purchase; the ticking seconds stay outside of it.
  const live = h('p', { class: 'message-live', role: 'status', id: 'result' });
  const order = h('p', { class: 'message-order' });
  const wait = h('p', { class: 'message-wait', 'aria-hidden': 'true' });
  const actions = h('div', { class: 'message-actions' });
  const element = h(
    'div',
    { class: 'message' },
    symbol,
    h('div', { class: 'message-body' }, live, order, wait, actions),
  );
  let shownActions = '';
  return {
    element,
    update(message: PurchaseMessage | undefined, nowMs: number) {
      element.classList.toggle('is-empty', message === undefined);
      if (message === undefined) {
        live.replaceChildren();
      } else {
        if (element.dataset['tone'] !== message.tone || !symbol.hasChildNodes()) {
          element.dataset['tone'] = message.tone;
          setChildren(symbol, symbolOf(message.tone));
        }
        setText(title, message.title);
        setText(text, message.text);
        setChildren(live, title, text);
      }
      order.hidden = message?.orderId === undefined;
      if (message?.orderId !== undefined) {
        setText(order, `${texts.orderNumber} ${shortOrderId(message.orderId)}`);
      }
      const seconds = Math.ceil(((message?.retryAtMs ?? nowMs) - nowMs) / 1_000);
      wait.hidden = seconds <= 0;
      if (seconds > 0) setText(wait, texts.nextTry(seconds));
      const names = message?.actions ?? [];
      if (names.join() === shownActions) return;
      shownActions = names.join();
      actions.replaceChildren(...names.map((name) => actionButton(texts, name, onAction)));
    },
  };
}

function symbolOf(tone: PurchaseMessage['tone']): Element {
  if (tone === 'busy') return h('span', { class: 'spinner', 'aria-hidden': 'true' });
  return icon(tone === 'good' ? 'check' : tone === 'warn' ? 'wait' : 'alert');
}

function actionButton(
  texts: Texts,
  name: MessageAction,
  onAction: (action: MessageAction) => void,
): HTMLElement {
  const labels: Readonly<Record<MessageAction, string>> = {
    orders: texts.seeOrders,
    another: texts.buyAnother,
    stop: texts.stopAsking,
    forget: texts.forget,
    sales: texts.allSales,
  };
  const button = h('button', { type: 'button', class: 'link' }, labels[name]);
  button.addEventListener('click', () => {
    onAction(name);
  });
  return button;
}

/** The part of an order id that tells it apart; the whole id is in the list of orders. */
export function shortOrderId(orderId: string): string {
  return orderId.slice(orderId.lastIndexOf('.') + 1).slice(0, 8);
}
