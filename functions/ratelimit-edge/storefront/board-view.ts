// The leaderboard of a product: three tabs, one's own place, and rows that move when places change.

import type { BoardKind } from '#lib/names.ts';
import type { Board, Place } from './answers.ts';
import { h, setAttributes, setText } from './dom.ts';
import { formatInstant, formatNumber, formatSeconds } from './format.ts';
import type { Texts } from './texts.ts';

const kinds: readonly BoardKind[] = ['speed', 'quantity', 'score'];
const moveMs = 350;

export interface BoardView {
  readonly element: HTMLElement;
  readonly kind: BoardKind;
  update(board: Board, context: { opensAtMs: number | undefined; nowMs: number }): void;
}

export function createBoardView(texts: Texts, onKind: (kind: BoardKind) => void): BoardView {
  const rows = h('ol', { class: 'places', role: 'list' });
  const empty = h('p', { class: 'empty' }, texts.loading);
  const own = h('p', { class: 'own' });
  const hint = h('p', { class: 'hint' });
  const panel = h(
    'div',
    { role: 'tabpanel', id: 'board-panel', tabindex: 0 },
    hint,
    rows,
    empty,
    own,
  );
  const tabs = createTabs(texts, (kind) => {
    setText(hint, texts.boardHints[kind]);
    setAttributes(panel, { 'aria-labelledby': `board-${kind}` });
    rows.replaceChildren();
    setText(empty, texts.loading);
    empty.hidden = false;
    own.hidden = true;
    onKind(kind);
  });
  setText(hint, texts.boardHints.speed);
  setAttributes(panel, { 'aria-labelledby': 'board-speed' });
  return {
    element: h(
      'section',
      { class: 'card', 'aria-labelledby': 'board' },
      h('h2', { id: 'board' }, texts.leaderboard),
      tabs.element,
      panel,
    ),
    get kind() {
      return tabs.kind;
    },
    update(board, context) {
      empty.hidden = board.places.length > 0;
      if (!empty.hidden) setText(empty, texts.boardEmpty);
      const isOwn = (place: Place) => place.buyer === board.own?.buyer;
      const valueOf = (place: Place) => placeValue(texts, place, context);
      showPlaces(rows, board.places, (place) => placeParts(texts, place, isOwn(place), valueOf));
      own.hidden = board.own === undefined || board.places.some(isOwn);
      if (board.own !== undefined) {
        setText(own, texts.ownPlace(formatNumber(board.own.rank, texts.language)));
      }
    },
  };
}

/** Tabs as the ARIA practices describe them: one stop for Tab, arrows move within. */
function createTabs(texts: Texts, onKind: (kind: BoardKind) => void) {
  let selected: BoardKind = 'speed';
  const tabs = kinds.map((kind) =>
    h(
      'button',
      { type: 'button', role: 'tab', id: `board-${kind}`, 'aria-controls': 'board-panel' },
      texts.boards[kind],
    ),
  );
  const mark = () => {
    tabs.forEach((tab, index) => {
      const isSelected = kinds[index] === selected;
      setAttributes(tab, {
        'aria-selected': isSelected ? 'true' : 'false',
        tabindex: isSelected ? 0 : -1,
      });
    });
  };
  const select = (index: number) => {
    const kind = kinds[(index + kinds.length) % kinds.length] ?? 'speed';
    tabs[kinds.indexOf(kind)]?.focus();
    if (kind === selected) return;
    selected = kind;
    mark();
    onKind(kind);
  };
  tabs.forEach((tab, index) => {
    tab.addEventListener('click', () => {
      select(index);
    });
    tab.addEventListener('keydown', (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step !== undefined) select(index + step);
      else if (event.key === 'Home') select(0);
      else if (event.key === 'End') select(kinds.length - 1);
      else return;
      event.preventDefault();
    });
  });
  mark();
  const element = h('div', { class: 'tabs', role: 'tablist', 'aria-label': texts.leaderboard });
  element.append(...tabs);
  return {
    element,
    get kind() {
      return selected;
    },
  };
}

type Parts = { readonly name: string; readonly value: string; readonly isOwn: boolean };

function placeParts(
  texts: Texts,
  place: Place,
  isOwn: boolean,
  valueOf: (place: Place) => string,
): Parts {
  return {
    name: isOwn ? `${texts.you} · ${place.buyer}` : place.buyer,
    value: valueOf(place),
    isOwn,
  };
}

function placeValue(
  texts: Texts,
  { firstAtMs, quantity }: Place,
  { opensAtMs, nowMs }: { opensAtMs: number | undefined; nowMs: number },
): string {
  const parts: string[] = [];
  if (quantity !== undefined) parts.push(texts.pieces(quantity));
  if (firstAtMs !== undefined) {
    parts.push(
      opensAtMs !== undefined && firstAtMs >= opensAtMs && firstAtMs - opensAtMs < 3_600_000
        ? texts.afterOpening(formatSeconds(firstAtMs - opensAtMs, texts.language))
        : formatInstant(firstAtMs, nowMs, texts.language),
    );
  }
  return parts.join(' · ');
}

/** Keeps the row of a buyer who stays and lets it slide to its new place. */
function showPlaces(
  list: HTMLElement,
  places: readonly Place[],
  partsOf: (place: Place) => Parts,
): void {
  const old = new Map<string, { row: HTMLElement; top: number }>();
  for (const row of list.querySelectorAll<HTMLElement>('li')) {
    old.set(row.dataset['buyer'] ?? '', { row, top: row.offsetTop });
  }
  const rows = places.map((place) => {
    const row = old.get(place.buyer)?.row ?? placeRow(place.buyer);
    const { name, value, isOwn } = partsOf(place);
    row.classList.toggle('is-own', isOwn);
    const [rank, buyer, figure] = row.children;
    if (rank !== undefined) setText(rank, String(place.rank));
    if (buyer !== undefined) setText(buyer, name);
    if (figure !== undefined) setText(figure, value);
    return row;
  });
  const isSame =
    rows.length === list.children.length && rows.every((row, i) => list.children[i] === row);
  if (isSame) return;
  list.replaceChildren(...rows);
  if (old.size === 0 || matchMedia('(prefers-reduced-motion: reduce)').matches) return;
  for (const row of rows) {
    const before = old.get(row.dataset['buyer'] ?? '');
    const from =
      before === undefined
        ? { opacity: 0 }
        : { transform: `translateY(${before.top - row.offsetTop}px)` };
    row.animate([from, { opacity: 1, transform: 'none' }], {
      duration: moveMs,
      easing: 'ease-out',
    });
  }
}

function placeRow(buyer: string): HTMLElement {
  return h(
    'li',
    { class: 'place', 'data-buyer': buyer },
    h('span', { class: 'place-rank' }),
    h('span', { class: 'place-buyer' }),
    h('span', { class: 'place-value' }),
  );
}
