// The page without a chosen product: all sales, or at once the only one.

import type { HotProduct, Product } from './answers.ts';
import { createCatalogueView, createHotView, productLink } from './catalogue-view.ts';
import { h } from './dom.ts';
import { createNotices, emptyState } from './notices.ts';
import { everySecond, type Page, pollVisibly } from './page.ts';
import { showProduct } from './product-page.ts';
import { purchasesAsked } from './purchase-store.ts';

const productsIntervalMs = 5_000;
const staleAfterFailures = 2;

/** Shows the list, or the page of the product if there is exactly one. */
export function showCatalogue(page: Page): void {
  const { texts } = page;
  const notices = createNotices(texts);
  const catalogue = createCatalogueView(texts);
  const hot = createHotView(texts);
  const layout = h('div', { class: 'catalogue-page' });
  layout.append(notices.element, catalogue.element, hot.element);
  let products: readonly Product[] | undefined;
  let hotProducts: readonly HotProduct[] = [];
  let failures = 0;
  const nameOf = (id: string) => products?.find(({ productId }) => productId === id)?.name ?? id;
  const draw = () => {
    if (products === undefined) return;
    const open =
      page.session.user === undefined
        ? undefined
        : purchasesAsked(page.storage, page.session.user)[0];
    notices.update({
      sign: page.session.sign(),
      signIn: page.signIn,
      isStale: failures >= staleAfterFailures,
      elsewhere:
        open === undefined
          ? undefined
          : { name: nameOf(open.productId), href: productLink(open.productId) },
    });
    catalogue.update(products, page.clock.nowMs());
    hot.update(hotProducts, nameOf);
  };
  const poll = pollVisibly({
    async task() {
      const answer = await page.api.products();
      failures = 0;
      const [only] = answer;
      if (products === undefined && answer.length === 1 && only !== undefined) {
        // Nothing more comes of this page.
        queueMicrotask(() => {
          poll.stop();
        });
        showProduct(page, only.productId, true);
        return;
      }
      if (products === undefined) page.main.replaceChildren(layout);
      products = answer;
      draw();
    },
    intervalMs: () => productsIntervalMs,
    onError() {
      failures += 1;
      if (products === undefined) page.main.replaceChildren(emptyState(texts.loadFailed));
      draw();
    },
  });
  pollVisibly({
    async task() {
      hotProducts = await page.api.hotProducts();
      draw();
    },
    intervalMs: () => productsIntervalMs,
  });
  page.onChange(draw);
  everySecond(page, draw);
}
