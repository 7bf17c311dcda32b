// Where the page starts: who, which language, which sale. What a purchase does is told by
// purchase-flow.ts, what the buyer sees of it by product-page.ts.

import { createApi } from './api.ts';
import { showCatalogue } from './catalogue-page.ts';
import { createServerClock } from './clock.ts';
import { h, setText } from './dom.ts';
import { type Page, pollVisibly } from './page.ts';
import { showProduct } from './product-page.ts';
import { openSession, type Session, takeToken } from './session.ts';
import { createSignIn, finishSignIn, takesTokens } from './sign-in.ts';
import { type Texts, textsFor } from './texts.ts';
import { browserTimers } from './timers.ts';

async function start(): Promise<void> {
  const texts = textsFor(navigator.languages);
  const loading = h('p', { class: 'loading', role: 'status' }, texts.signingIn);
  element('main').append(loading);
  const failure = await finishSignIn(window);
  if (failure !== undefined) element('announcer').textContent = texts.signInFailed[failure].title;
  setText(loading, texts.loading);
  const clock = createServerClock({
    monotonicMs: () => performance.now(),
    deviceMs: () => Date.now(),
  });
  const apiOf = (token: () => string | undefined) =>
    createApi({
      fetch: (input, init) => fetch(input, init),
      nowMs: () => performance.now(),
      token,
    });
  const given = takeToken(window);
  const isTaken = given !== undefined && (await takesTokens(apiOf(() => undefined)));
  const session = openSession(window, () => clock.nowMs(), isTaken ? given : undefined);
  const api = apiOf(() => session.token());
  const draws: (() => void)[] = [];
  const page: Page = {
    texts,
    clock,
    session,
    api,
    signIn: createSignIn({
      window,
      api,
      session,
      failure,
      poll: pollVisibly,
      serverNowMs: () => clock.nowMs(),
      onChange() {
        for (const draw of draws) draw();
      },
    }),
    onChange(draw) {
      draws.push(draw);
    },
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
  if (session.name === undefined) {
    element('who').textContent = texts.signedOutShort;
    return;
  }
  const signOut = h('button', { class: 'link', type: 'button' }, texts.signOut);
  signOut.addEventListener('click', () => {
    session.leave();
  });
  element('who').replaceChildren(
    h('span', { class: 'who-name' }, texts.signedIn(session.name)),
    signOut,
  );
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

void start();
