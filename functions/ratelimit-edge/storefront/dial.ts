// The dial: sixty ticks around the one figure that matters now. Before the opening they are the
// seconds of the minute, during the sale the stock that is left.

import type { Product } from './answers.ts';
import { h, setAttributes, setChildren, setText, svg } from './dom.ts';
import { durationOf, formatNumber, formatOpening, isoDuration } from './format.ts';
import { dialTicks, saleStateAt } from './sale.ts';
import type { Texts } from './texts.ts';

export interface Dial {
  readonly element: HTMLElement;
  update(product: Product, serverNowMs: number): void;
}

const tickCount = 60;
/** A closing further away than this is no news. */
const closingSoonMs = 24 * 3_600_000;

export function createDial(texts: Texts): Dial {
  const ticks = Array.from({ length: tickCount }, (_, index) =>
    svg('line', {
      class: 'tick',
      x1: 100,
      y1: 5,
      x2: 100,
      y2: 15,
      transform: `rotate(${index * 6} 100 100)`,
    }),
  );
  const face = svg(
    'svg',
    { class: 'dial-face', viewBox: '0 0 200 200', 'aria-hidden': 'true', focusable: 'false' },
    ...ticks,
  );
  const center = h('div', { class: 'dial-center' });
  const element = h('div', { class: 'dial' }, face, center);
  const countdown = createCountdown(texts);
  const stock = createStock(texts);
  return {
    element,
    update(product, nowMs) {
      const state = saleStateAt(product, nowMs);
      const lit = dialTicks(product, nowMs);
      ticks.forEach((tick, index) => {
        tick.classList.toggle('is-lit', index < lit);
      });
      element.dataset['state'] = state;
      if (state === 'scheduled') {
        countdown.update(product, nowMs);
        setChildren(center, countdown.element);
      } else {
        stock.update(product, nowMs);
        setChildren(center, stock.element);
      }
    },
  };
}

function createCountdown(texts: Texts): Dial {
  const labelId = 'countdown-label';
  const label = h('p', { class: 'dial-label', id: labelId }, texts.opensIn);
  const days = h('span', { class: 'days' });
  const cells = (['h', 'm', 's'] as const).map((unit) => {
    const digits = h('span', { class: 'digits' });
    return { unit, digits, element: h('span', { class: 'cell' }, digits, unitOf(texts, unit)) };
  });
  // A timer is not a live region: it is read when asked for, not each second.
  const time = h(
    'time',
    { class: 'countdown', role: 'timer', 'aria-labelledby': labelId },
    days,
    h('span', { class: 'cells' }, ...cells.map((cell) => cell.element)),
  );
  const when = h('p', { class: 'dial-note' });
  return {
    element: h('div', { class: 'dial-stack' }, label, time, when),
    update({ opensAtMs }, nowMs) {
      time.hidden = opensAtMs === undefined;
      if (opensAtMs === undefined) {
        setText(label, texts.state.scheduled);
        setText(when, texts.opensSoon);
        return;
      }
      const duration = durationOf(opensAtMs - nowMs);
      setText(label, texts.opensIn);
      setText(days, duration.days > 0 ? `${duration.days} ${texts.units.d}` : '');
      days.hidden = duration.days === 0;
      for (const { unit, digits } of cells) {
        const value = { h: duration.hours, m: duration.minutes, s: duration.seconds }[unit];
        setText(digits, String(value).padStart(2, '0'));
      }
      setAttributes(time, { datetime: isoDuration(duration) });
      setText(when, texts.opensAt(formatOpening(opensAtMs, nowMs, texts.language)));
    },
  };
}

function unitOf(texts: Texts, unit: 'h' | 'm' | 's'): HTMLElement {
  return h('span', { class: 'unit' }, texts.units[unit]);
}

function createStock(texts: Texts): Dial {
  const state = h('p', { class: 'dial-label' });
  const figure = h('p', { class: 'figure' });
  const note = h('p', { class: 'dial-note' });
  const closing = h('p', { class: 'dial-note' });
  return {
    element: h('div', { class: 'dial-stack' }, state, figure, note, closing),
    update(product, nowMs) {
      const saleState = saleStateAt(product, nowMs);
      const number = (value: number) => formatNumber(value, texts.language);
      const isOver = saleState === 'sold_out' || saleState === 'ended';
      setText(state, isOver ? '' : texts.state[saleState]);
      state.hidden = isOver;
      setText(figure, isOver ? texts.state[saleState] : number(Math.max(0, product.left)));
      figure.classList.toggle('is-word', isOver);
      figure.classList.toggle('is-long', !isOver && figure.textContent.length > 4);
      setText(
        note,
        isOver ? texts.soldOf(number(product.stock)) : texts.leftOf(number(product.stock)),
      );
      const restMs = (product.closesAtMs ?? Number.POSITIVE_INFINITY) - nowMs;
      closing.hidden = saleState !== 'open' || restMs > closingSoonMs;
      if (!closing.hidden) setText(closing, `${texts.closesIn} ${clockText(restMs)}`);
    },
  };
}

function clockText(ms: number): string {
  const { days, hours, minutes, seconds } = durationOf(ms);
  return [days * 24 + hours, minutes, seconds]
    .map((value) => String(value).padStart(2, '0'))
    .join(':');
}
