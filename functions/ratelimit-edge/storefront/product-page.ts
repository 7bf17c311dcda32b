// The page of one sale: everything the buyer sees follows from the product, the purchase and the
// orders, and is drawn from them anew whenever one of them or the second changes.

import { openingAnnouncer } from './announcer.ts';
import type { Product } from './answers.ts';
import { ReadError } from './api.ts';
import { type BuyButton, buyButton } from './buy-button.ts';
import { productLink } from './catalogue-view.ts';
import { formatPrice } from './format.ts';
import { newKey } from './key.ts';
import { emptyState } from './notices.ts';
import { type OrderWatch, watchOrders } from './order-watch.ts';
import { everySecond, type Page, pollVisibly, streamVisibly } from './page.ts';
import type { Poll } from './poll.ts';
import { createProductLayout, type ProductLayout } from './product-layout.ts';
import {
  createPurchaseFlow,
  type FlowState,
  isUnderWay,
  type PurchaseFlow,
} from './purchase-flow.ts';
import { type MessageAction, type PurchaseMessage, purchaseMessage } from './purchase-message.ts';
import { createPurchaseStore, purchasesAsked } from './purchase-store.ts';
import {
  boardIntervalMs,
  nextChangeMs,
  productIntervalMs,
  quantityMaxOf,
  saleStateAt,
  unitsOwned,
} from './sale.ts';

/** So many failed polls in a row, and the figures are called old. */
const staleAfterFailures = 3;
const hotIntervalMs = 10_000;

/** Shows the sale until the page is left; `isOnly`: there are no others to go back to. */
export function showProduct(page: Page, productId: string, isOnly = false): void {
  new ProductPage(page, productId, isOnly).start();
}

class ProductPage {
  private readonly page: Page;
  private readonly productId: string;
  private readonly layout: ProductLayout;
  private readonly flow: PurchaseFlow | undefined;
  private readonly announcement: (leftMs: number) => string | undefined;
  private orderWatch: OrderWatch | undefined;
  private productPoll: Poll | undefined;
  private boardPoll: Poll | undefined;
  private product: Product | undefined;
  private names: ReadonlyMap<string, string> = new Map();
  private failures = 0;
  private quantity = 1;
  private cancelChange: () => void = () => undefined;

  constructor(page: Page, productId: string, isOnly: boolean) {
    this.page = page;
    this.productId = productId;
    this.announcement = openingAnnouncer(page.texts);
    this.layout = createProductLayout(page.texts, {
      press: () => this.flow?.press(this.quantity),
      signIn: () => {
        page.signIn.start();
      },
      quantity: (quantity) => {
        this.quantity = quantity;
        this.draw();
      },
      action: (action) => {
        this.act(action);
      },
      board: () => this.boardPoll?.refresh(),
    });
    this.layout.back.hidden = isOnly;
    this.flow = this.createFlow();
  }

  start(): void {
    const { page } = this;
    if (page.session.user !== undefined) {
      this.orderWatch = watchOrders(page.api, pollVisibly, (on) => streamVisibly(page, on), {
        change: () => {
          this.draw();
        },
        signedOut: () => {
          page.session.end();
          this.draw();
        },
      });
    }
    this.productPoll = pollVisibly({
      task: () => this.readProduct(),
      intervalMs: () => productIntervalMs(this.product, page.clock.nowMs()),
      onError: (error) => {
        this.failed(error);
      },
    });
    this.boardPoll = pollVisibly({
      task: () => this.readBoard(),
      intervalMs: () => boardIntervalMs(this.product, page.clock.nowMs()),
    });
    pollVisibly({ task: () => this.readHot(), intervalMs: () => hotIntervalMs });
    this.flow?.resume();
    window.addEventListener('online', () => this.flow?.hurry());
    // Another tab has bought, or given up, the same thing.
    window.addEventListener('storage', () => this.orderWatch?.refresh());
    page.onChange(() => {
      this.draw();
    });
    everySecond(page, () => {
      this.draw();
    });
  }

  private createFlow(): PurchaseFlow | undefined {
    const { api, clock, session, storage, timers } = this.page;
    if (session.user === undefined) return undefined;
    return createPurchaseFlow({
      productId: this.productId,
      userId: session.user,
      store: createPurchaseStore(storage, this.productId, session.user),
      send: (purchase) => api.purchase(purchase),
      timers,
      serverNowMs: () => clock.nowMs(),
      deviceNowMs: () => Date.now(),
      newKey: () => newKey(),
      onChange: (state) => {
        this.flowChanged(state);
      },
    });
  }

  private flowChanged(state: FlowState): void {
    const { product } = this;
    if (state.name === 'accepted') {
      this.quantity = 1;
      this.productPoll?.refresh();
      this.boardPoll?.refresh();
      this.orderWatch?.add({
        orderId: state.orderId,
        productId: this.productId,
        quantity: state.quantity,
        status: 'accepted',
        unitPrice: product?.unitPrice ?? 0,
        currency: product?.currency ?? 'CNY',
        acceptedAtMs: undefined,
      });
    } else if (state.name === 'refused') {
      if (state.outcome === 'sold_out' && state.left !== undefined && state.left > 0) {
        this.quantity = Math.min(this.quantity, state.left);
      }
      this.productPoll?.refresh();
      this.orderWatch?.refresh();
    } else if (state.name === 'signed_out') {
      this.page.session.end();
    } else if (state.name !== 'idle') {
      this.quantity = state.purchase.quantity;
    }
    this.draw();
  }

  private act(action: MessageAction): void {
    if (action === 'orders') {
      this.layout.orders.focus();
      return;
    }
    if (action === 'sales') {
      window.location.assign('./');
      return;
    }
    if (action === 'stop') this.flow?.stop();
    else this.flow?.dismiss();
    // The link that was pressed is gone; the button stays.
    document.getElementById('buy')?.focus();
  }

  private async readProduct(): Promise<void> {
    const { product, exchange } = await this.page.api.product(this.productId);
    this.page.clock.observe(exchange, product.nowMs);
    const isFirst = this.product === undefined;
    this.product = product;
    this.failures = 0;
    if (isFirst) {
      document.title = this.page.texts.pageTitle(product.name);
      this.page.main.replaceChildren(this.layout.element);
    }
    this.layout.describe(product);
    this.draw();
  }

  private failed(error: unknown): void {
    const { main, texts } = this.page;
    this.failures += 1;
    if (this.product !== undefined) {
      this.draw();
      return;
    }
    const isUnknown = error instanceof ReadError && error.status === 404;
    const link = { href: './', text: texts.allSales };
    main.replaceChildren(
      isUnknown ? emptyState(texts.unknownProduct, link) : emptyState(texts.loadFailed),
    );
  }

  private async readBoard(): Promise<void> {
    const { kind } = this.layout.board;
    const board = await this.page.api.board(this.productId, kind);
    // The buyer may have gone to another tab meanwhile.
    if (kind !== this.layout.board.kind) return;
    const opensAtMs = this.product?.opensAtMs;
    this.layout.board.update(board, { opensAtMs, nowMs: this.page.clock.nowMs() });
  }

  private async readHot(): Promise<void> {
    const { api } = this.page;
    const [hot, products] = await Promise.all([api.hotProducts(), api.products()]);
    this.names = new Map(products.map(({ productId, name }) => [productId, name]));
    this.layout.hot.update(hot, (productId) => this.nameOf(productId));
    this.draw();
  }

  private nameOf(productId: string): string {
    if (productId === this.productId && this.product !== undefined) return this.product.name;
    return this.names.get(productId) ?? productId;
  }

  private draw(): void {
    const { product, layout } = this;
    if (product === undefined) return;
    const nowMs = this.page.clock.nowMs();
    this.drawAtChange(product, nowMs);
    if (product.opensAtMs !== undefined) {
      const text = this.announcement(product.opensAtMs - nowMs);
      if (text !== undefined) this.page.announce(text);
    }
    layout.dial.update(product, nowMs);
    layout.notices.update({
      sign: this.page.session.sign(),
      signIn: this.page.signIn,
      isStale: this.failures >= staleAfterFailures,
      elsewhere: this.elsewhere(),
    });
    layout.orders.update(this.orderWatch?.orders, {
      isSignedIn: this.page.session.user !== undefined,
      nowMs,
      nameOf: (productId) => this.nameOf(productId),
    });
    this.drawBar(product, nowMs);
  }

  private drawBar(product: Product, nowMs: number): void {
    const { texts, timers, session, signIn } = this.page;
    const flow: FlowState = this.flow?.state ?? { name: 'idle' };
    const saleState = saleStateAt(product, nowMs);
    const owned = unitsOwned(this.orderWatch?.orders ?? [], this.productId);
    const hasShare = owned >= product.limitPerUser;
    const isFixed = isUnderWay(flow) || flow.name === 'stopped';
    const quantityMax = quantityMaxOf(product, owned);
    if (!isFixed) this.quantity = Math.min(this.quantity, quantityMax);
    const button: BuyButton = buyButton({
      texts,
      isSignedIn: session.sign() === 'in',
      isSignInOffered: signIn.isOffered,
      saleState,
      flow,
      hasShare,
      total: formatPrice(product.unitPrice * this.quantity, product.currency, texts.language),
      nowMs: timers.nowMs(),
    });
    this.layout.bar.update({
      button,
      message: this.message(flow, product, saleState === 'open' && !hasShare, nowMs),
      quantity: this.quantity,
      quantityMax,
      isQuantityShown:
        session.sign() === 'in' &&
        (saleState === 'open' || saleState === 'scheduled') &&
        flow.name !== 'accepted' &&
        product.limitPerUser > 1 &&
        !hasShare,
      isQuantityFixed: isFixed,
      nowMs: timers.nowMs(),
    });
  }

  private message(
    flow: FlowState,
    product: Product,
    mayBuyMore: boolean,
    nowMs: number,
  ): PurchaseMessage | undefined {
    const order =
      flow.name === 'accepted'
        ? this.orderWatch?.orders?.find(({ orderId }) => orderId === flow.orderId)
        : undefined;
    const { texts } = this.page;
    const { limitPerUser } = product;
    return purchaseMessage(flow, {
      texts,
      limitPerUser,
      nowMs,
      monotonicMs: this.page.timers.nowMs(),
      order,
      mayBuyMore,
      hasOthers: !this.layout.back.hidden,
      isSignInOffered: this.page.signIn.isOffered,
    });
  }

  private elsewhere(): { name: string; href: string } | undefined {
    const { session, storage } = this.page;
    if (session.user === undefined) return undefined;
    const open = purchasesAsked(storage, session.user).find(
      ({ productId }) => productId !== this.productId,
    );
    if (open === undefined) return undefined;
    return { name: this.nameOf(open.productId), href: productLink(open.productId) };
  }

  /** The sale opens and closes at its instant, not at the next second or answer. */
  private drawAtChange(product: Product, nowMs: number): void {
    this.cancelChange();
    const waitMs = (nextChangeMs(product, nowMs) ?? Number.POSITIVE_INFINITY) - nowMs;
    if (waitMs > 2_000) return;
    this.cancelChange = this.page.timers.after(waitMs + 1, () => {
      this.draw();
    });
  }
}
