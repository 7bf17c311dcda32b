// "My orders": newest first, each with its status.

import type { Order, OrderStatus } from './answers.ts';
import { shortOrderId } from './buy-bar.ts';
import { h, icon } from './dom.ts';
import { formatInstant, formatPrice } from './format.ts';
import type { Texts } from './texts.ts';

export interface OrdersView {
  readonly element: HTMLElement;
  /** Undefined while they are not known. */
  update(orders: readonly Order[] | undefined, context: OrdersContext): void;
  focus(): void;
}

export interface OrdersContext {
  readonly isSignedIn: boolean;
  readonly nowMs: number;
  readonly nameOf: (productId: string) => string;
}

export function createOrdersView(texts: Texts): OrdersView {
  const heading = h('h2', { id: 'orders', tabindex: -1 }, texts.myOrders);
  const list = h('ul', { class: 'orders', role: 'list' });
  const note = h('p', { class: 'empty' });
  let shown = '';
  return {
    element: h('section', { class: 'card', 'aria-labelledby': 'orders' }, heading, list, note),
    update(orders, context) {
      note.hidden = orders !== undefined && orders.length > 0;
      if (!context.isSignedIn) note.textContent = texts.ordersSignedOut;
      else note.textContent = orders === undefined ? texts.loading : texts.noOrders;
      const rows = orders ?? [];
      const names = rows.map(({ productId }) => context.nameOf(productId));
      const next = JSON.stringify([rows, names]);
      if (next === shown) return;
      shown = next;
      list.replaceChildren(
        ...rows.map((order, index) => orderRow(texts, order, names[index] ?? '', context.nowMs)),
      );
      list.hidden = rows.length === 0;
    },
    focus() {
      heading.focus({ preventScroll: true });
      heading.scrollIntoView({ block: 'start' });
    },
  };
}

function orderRow(texts: Texts, order: Order, name: string, nowMs: number): HTMLElement {
  const { language } = texts;
  const total = formatPrice(order.unitPrice * order.quantity, order.currency, language);
  const when =
    order.acceptedAtMs === undefined
      ? ''
      : ` · ${formatInstant(order.acceptedAtMs, nowMs, language)}`;
  return h(
    'li',
    { class: 'order', 'data-status': order.status },
    h(
      'div',
      { class: 'order-main' },
      h('span', { class: 'order-name' }, name),
      h('span', { class: 'order-sum' }, `${texts.pieces(order.quantity)} · ${total}`),
    ),
    h(
      'div',
      { class: 'order-side' },
      h('span', { class: 'badge' }, badgeIcon(order.status), texts.orderStatus[order.status]),
      h(
        'span',
        { class: 'order-id', title: order.orderId },
        `${shortOrderId(order.orderId)}${when}`,
      ),
    ),
  );
}

function badgeIcon(status: OrderStatus): SVGElement {
  if (status === 'confirmed') return icon('check');
  return icon(status === 'cancelled' || status === 'rejected' ? 'alert' : 'wait');
}
