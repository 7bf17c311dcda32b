// Where the page starts: who, which language, which sale. What a purchase does is told by
// purchase-flow.ts, what the buyer sees of it by product-page.ts.

import { createApi } from './api.ts';
import { showCatalogue } from './catalogue-page.ts';
import { createServerClock } from './clock.ts';
import { h } from './dom.ts';
import type { Page } from './page.ts';
import { showProduct } from './product-page.ts';
import { openSession, type Session } from './session.ts';
import { type Texts, textsFor } from './texts.ts';
import { browserTimers } from './timers.ts';

function start(): void {
  const texts = textsFor(navigator.languages);
  const clock = createServerClock({
    monotonicMs: () => performance.now(),
    deviceMs: () => Date.now(),
  });
  const session = openSession(window, () => clock.nowMs());
  const page: Page = {
    texts,
    clock,
    session,
    api: createApi({
      fetch: (input, init) => fetch(input, init),
      nowMs: () => performance.now(),
      token: () => session.token(),
    }),
    timers: browserTimers,
    storage: storageOf(window),
    main: element('main'),
    announce(text) {
      element('announcer').textContent = text;
    },
  };
  dress(texts, session);
  document.addEventListener('visibilitychange', () => {
    clock.forget();
  });
  // A sign-in link opened in this same tab only changes the fragment.
  window.addEventListener('hashchange', () => {
    if (window.location.hash.startsWith('#token=')) window.location.reload();
  });
  page.main.append(h('p', { class: 'loading' }, texts.loading));
  const productId = new URLSearchParams(window.location.search).get('product');
  if (productId === null) showCatalogue(page);
  else showProduct(page, productId);
}

/** The words around the sale. */
function dress(texts: Texts, session: Session): void {
  document.documentElement.lang = texts.language;
  document.documentElement.dir = 'ltr';
  document.title = texts.pageTitle(undefined);
  element('brand').textContent = texts.brand;
  element('skip').textContent = texts.skipToContent;
  element('who').textContent =
    session.user === undefined ? texts.signedOutShort : texts.signedIn(session.user);
}

/** Reading `localStorage` throws where the browser forbids it; purchases then live in memory. */
function storageOf(page: Window): Storage | undefined {
  try {
    return page.localStorage;
  } catch {
    return undefined;
  }
}

function element(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`index.html lacks #${id}`);
  return found;
}

start();
