// How the page of one sale is put together; no behaviour of its own.

import type { Product } from './answers.ts';
import { type BoardView, createBoardView } from './board-view.ts';
import { type BuyBar, type BuyBarEvents, createBuyBar } from './buy-bar.ts';
import { createHotView, type HotView } from './catalogue-view.ts';
import { createDial, type Dial } from './dial.ts';
import { h, icon, setText } from './dom.ts';
import { formatPrice } from './format.ts';
import { createNotices, type Notices } from './notices.ts';
import { createOrdersView, type OrdersView } from './orders-view.ts';
import type { Texts } from './texts.ts';

export interface ProductLayout {
  readonly element: HTMLElement;
  /** The way to the other sales. */
  readonly back: HTMLElement;
  readonly notices: Notices;
  readonly dial: Dial;
  readonly bar: BuyBar;
  readonly orders: OrdersView;
  readonly board: BoardView;
  readonly hot: HotView;
  describe(product: Product): void;
}

export interface LayoutEvents extends BuyBarEvents {
  readonly board: () => void;
}

export function createProductLayout(texts: Texts, events: LayoutEvents): ProductLayout {
  const notices = createNotices(texts);
  const dial = createDial(texts);
  const bar = createBuyBar(texts, events);
  const orders = createOrdersView(texts);
  const board = createBoardView(texts, events.board);
  const hot = createHotView(texts);
  const name = h('h1', { class: 'name' });
  const price = h('p', { class: 'price' });
  const terms = h('p', { class: 'terms' });
  const back = h('a', { class: 'back', href: './' }, icon('back'), texts.allSales);
  const element = h(
    'div',
    { class: 'product' },
    notices.element,
    h(
      'div',
      { class: 'product-main' },
      back,
      h(
        'section',
        { class: 'hero' },
        dial.element,
        h('div', { class: 'head' }, name, price, terms),
      ),
      bar.element,
    ),
    h('div', { class: 'product-side' }, orders.element, board.element, hot.element),
  );
  keepClearOfBar(bar.element);
  return {
    element,
    back,
    notices,
    dial,
    bar,
    orders,
    board,
    hot,
    describe(product) {
      setText(name, product.name);
      setText(price, formatPrice(product.unitPrice, product.currency, texts.language));
      setText(terms, texts.perPerson(product.limitPerUser));
    },
  };
}

/** The bar lies over the end of the page on phones: the page ends, and scrolls, above it. */
function keepClearOfBar(bar: HTMLElement): void {
  new ResizeObserver(() => {
    document.documentElement.style.setProperty('--bar-height', `${bar.offsetHeight}px`);
  }).observe(bar);
}
