// What stands above everything: not signed in, out of reach, or a purchase open elsewhere.

import { h, icon, setChildren, setText } from './dom.ts';
import type { SignIn } from './sign-in.ts';
import type { Message, Texts } from './texts.ts';

export interface NoticesState {
  readonly sign: 'in' | 'out' | 'ended';
  readonly signIn: SignIn;
  readonly isStale: boolean;
  /** A product whose purchase has no answer yet, with the link to its page. */
  readonly elsewhere: { readonly name: string; readonly href: string } | undefined;
}

export interface Notices {
  readonly element: HTMLElement;
  update(state: NoticesState): void;
}

export function createNotices(texts: Texts): Notices {
  const sign = createNotice(texts);
  const stale = h('p', { class: 'notice is-slim' }, icon('wait'), h('span', {}, texts.stale));
  const elsewhereText = h('span');
  const elsewhereLink = h('a', {}, texts.goThere);
  const elsewhere = h(
    'p',
    { class: 'notice is-slim' },
    icon('alert'),
    elsewhereText,
    elsewhereLink,
  );
  const element = h('div', { class: 'notices' });
  return {
    element,
    update(state) {
      const shown: HTMLElement[] = [];
      if (state.sign !== 'in') {
        sign.say(signMessage(texts, state), state.signIn);
        shown.push(sign.element);
      }
      if (state.isStale) shown.push(stale);
      if (state.elsewhere !== undefined) {
        setText(elsewhereText, texts.openElsewhere(state.elsewhere.name));
        elsewhereLink.href = state.elsewhere.href;
        shown.push(elsewhere);
      }
      setChildren(element, ...shown);
    },
  };
}

function signMessage(texts: Texts, { sign, signIn }: NoticesState): Message {
  const { isOffered, failure } = signIn;
  if (failure !== undefined) return texts.signInFailed[failure];
  if (sign === 'out') return isOffered ? texts.signInOffered : texts.signedOut;
  return isOffered ? texts.signInAgain : texts.signInEnded;
}

function createNotice(texts: Texts) {
  const title = h('strong');
  const text = h('span');
  const button = h('button', { class: 'link', type: 'button', id: 'sign-in' }, texts.signIn);
  let start: () => void = () => undefined;
  button.addEventListener('click', () => {
    start();
  });
  return {
    element: h('div', { class: 'notice' }, icon('user'), h('p', {}, title, text), button),
    say(message: Message, signIn: SignIn) {
      setText(title, message.title);
      setText(text, message.text);
      button.hidden = !signIn.isOffered;
      start = () => {
        signIn.start();
      };
    },
  };
}

/** A card that stands in for a page which cannot be shown. */
export function emptyState(message: Message, link?: { href: string; text: string }): HTMLElement {
  const card = h('div', { class: 'card empty-state' });
  card.append(h('h1', {}, message.title), h('p', {}, message.text));
  if (link !== undefined) card.append(h('a', { class: 'buy', href: link.href }, link.text));
  return card;
}
