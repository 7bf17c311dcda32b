// All sales as cards, and the products that sell fastest.

import type { HotProduct, Product } from './answers.ts';
import { h } from './dom.ts';
import { durationOf, formatNumber, formatOpening, formatPrice } from './format.ts';
import { saleStateAt } from './sale.ts';
import type { Texts } from './texts.ts';

export interface CatalogueView {
  readonly element: HTMLElement;
  update(products: readonly Product[], nowMs: number): void;
}

export function createCatalogueView(texts: Texts): CatalogueView {
  const list = h('ul', { class: 'sales', role: 'list' });
  const empty = h('div', { class: 'card empty-state' });
  empty.append(h('h2', {}, texts.noSales.title), h('p', {}, texts.noSales.text));
  let shown = '';
  return {
    element: h('section', { class: 'catalogue' }, h('h1', {}, texts.sales), list, empty),
    update(products, nowMs) {
      empty.hidden = products.length > 0;
      const cards = products.map((product) => cardTexts(texts, product, nowMs));
      const next = JSON.stringify(cards);
      if (next === shown) return;
      shown = next;
      const focused = document.activeElement?.getAttribute('href');
      list.replaceChildren(...cards.map(saleCard));
      // A card that is drawn anew keeps the focus.
      if (focused !== undefined && focused !== null) {
        [...list.querySelectorAll('a')].find((a) => a.getAttribute('href') === focused)?.focus();
      }
    },
  };
}

interface CardTexts {
  readonly productId: string;
  readonly name: string;
  readonly price: string;
  readonly state: string;
  readonly stateText: string;
  readonly note: string;
}

function cardTexts(texts: Texts, product: Product, nowMs: number): CardTexts {
  const { language } = texts;
  const state = saleStateAt(product, nowMs);
  return {
    productId: product.productId,
    name: product.name,
    price: formatPrice(product.unitPrice, product.currency, language),
    state,
    stateText: texts.state[state],
    note: cardNote(texts, product, nowMs),
  };
}

function cardNote(texts: Texts, product: Product, nowMs: number): string {
  const { language } = texts;
  const state = saleStateAt(product, nowMs);
  if (state === 'scheduled') {
    if (product.opensAtMs === undefined) return texts.opensSoon;
    const { days, hours, minutes } = durationOf(product.opensAtMs - nowMs);
    return days + hours + minutes > 0
      ? texts.opensAt(formatOpening(product.opensAtMs, nowMs, language))
      : texts.opensNow;
  }
  if (state === 'open' || state === 'paused') {
    return texts.left(formatNumber(product.left, language), formatNumber(product.stock, language));
  }
  return texts.soldOf(formatNumber(product.stock, language));
}

function saleCard(card: CardTexts): HTMLElement {
  return h(
    'li',
    {},
    h(
      'a',
      { class: 'card sale', href: productLink(card.productId), 'data-state': card.state },
      h(
        'span',
        { class: 'sale-row' },
        h('span', { class: 'sale-name' }, card.name),
        h('span', { class: 'chip' }, card.stateText),
      ),
      h(
        'span',
        { class: 'sale-row' },
        h('span', { class: 'sale-price' }, card.price),
        h('span', { class: 'sale-note' }, card.note),
      ),
    ),
  );
}

/** Keeps the path the page was served under. */
export function productLink(productId: string): string {
  return `?product=${encodeURIComponent(productId)}`;
}

export interface HotView {
  readonly element: HTMLElement;
  update(products: readonly HotProduct[], nameOf: (productId: string) => string): void;
}

export function createHotView(texts: Texts): HotView {
  const list = h('ol', { class: 'hot', role: 'list' });
  const element = h(
    'section',
    { class: 'card', 'aria-labelledby': 'hot' },
    h('h2', { id: 'hot' }, texts.hotProducts),
    list,
  );
  element.hidden = true;
  let shown = '';
  return {
    element,
    update(products, nameOf) {
      element.hidden = products.length === 0;
      const rows = products.map(({ productId, sold }) => ({
        productId,
        name: nameOf(productId),
        sold: texts.sold(formatNumber(sold, texts.language)),
      }));
      const next = JSON.stringify(rows);
      if (next === shown) return;
      shown = next;
      list.replaceChildren(
        ...rows.map((row, index) =>
          h(
            'li',
            { class: 'place' },
            h('span', { class: 'place-rank' }, String(index + 1)),
            h('a', { class: 'hot-name', href: productLink(row.productId) }, row.name),
            h('span', { class: 'place-value' }, row.sold),
          ),
        ),
      );
    },
  };
}
