import { describe, expect, test } from 'vitest';
import { OUTCOMES, type Outcome } from '#lib/outcome.ts';
import type { Order, OrderStatus } from './answers.ts';
import { buyButton } from './buy-button.ts';
import type { FlowState } from './purchase-flow.ts';
import { type MessageContext, purchaseMessage } from './purchase-message.ts';
import type { OpenPurchase } from './purchase-store.ts';
import { textsFor } from './texts.ts';

const purchase: OpenPurchase = {
  productId: 'teapot',
  userId: 'alice',
  key: '0123456789',
  quantity: 1,
  stage: 'asking',
  pressedAtMs: 0,
};
const accepted: FlowState = { name: 'accepted', purchase, orderId: 'teapot.abc', quantity: 2 };
const outcomes = Object.keys(OUTCOMES) as Outcome[];

function contextIn(language: string, changes: Partial<MessageContext> = {}): MessageContext {
  return {
    texts: textsFor([language]),
    limitPerUser: 2,
    nowMs: 0,
    monotonicMs: 0,
    order: undefined,
    mayBuyMore: false,
    hasOthers: true,
    isSignInOffered: false,
    ...changes,
  };
}

describe.each(['en-GB', 'zh-CN'])('in %s', (language) => {
  test.each(outcomes)('%s has a title and a sentence', (outcome) => {
    const flow: FlowState = { name: 'refused', purchase, outcome };
    const message = purchaseMessage(flow, contextIn(language));
    expect(message?.title).toMatch(/\S/);
    expect(message?.text).toMatch(/[.。]$/);
    expect(`${message?.title} ${message?.text}`).not.toContain('_');
  });
});

test('chooses the language the browser prefers among those we speak', () => {
  expect(textsFor(['zh-TW', 'en']).language).toBe('zh-CN');
  expect(textsFor(['de-DE', 'en-US', 'zh-CN']).language).toBe('en');
  expect(textsFor(['fr']).language).toBe('en');
  expect(textsFor([]).language).toBe('en');
});

test('fewer left than asked for is no "sold out"', () => {
  const flow: FlowState = { name: 'refused', purchase, outcome: 'sold_out', left: 1 };
  expect(purchaseMessage(flow, contextIn('en'))).toMatchObject({
    tone: 'warn',
    title: 'Only one is left',
  });
});

test('leads to other sales only where there are any', () => {
  const flow: FlowState = { name: 'refused', purchase, outcome: 'sold_out', left: 0 };
  expect(purchaseMessage(flow, contextIn('en'))?.actions).toEqual(['sales']);
  expect(purchaseMessage(flow, contextIn('en', { hasOthers: false }))?.actions).toEqual([]);
});

test('an accepted order is followed to its end', () => {
  const say = (status: OrderStatus | undefined, mayBuyMore = false) =>
    purchaseMessage(
      accepted,
      contextIn('en', {
        mayBuyMore,
        order: status === undefined ? undefined : ({ status } as Order),
      }),
    );
  expect(say(undefined)).toMatchObject({ tone: 'good', orderId: 'teapot.abc', actions: [] });
  expect(say('confirmed', true)).toMatchObject({
    text: 'Your order is confirmed.',
    actions: ['another'],
  });
  expect(say('rejected')).toMatchObject({ tone: 'bad', actions: ['another'] });
});

test('a quick answer is not preceded by a message that flashes by', () => {
  const flow = { name: 'sending', purchase, attempt: 1, sinceMs: 0, isInDoubt: false } as const;
  expect(purchaseMessage(flow, contextIn('en', { monotonicMs: 500 }))).toBeUndefined();
  expect(purchaseMessage(flow, contextIn('en', { monotonicMs: 1_500 }))?.tone).toBe('busy');
  const doubtful = purchaseMessage({ ...flow, isInDoubt: true }, contextIn('en'));
  expect(doubtful?.text).toContain('can’t buy twice');
});

describe('the button', () => {
  const button = (flow: FlowState, changes: object = {}) =>
    buyButton({
      texts: textsFor(['en']),
      isSignedIn: true,
      isSignInOffered: false,
      saleState: 'open',
      flow,
      hasShare: false,
      total: '$2',
      nowMs: 0,
      ...changes,
    });
  const idle: FlowState = { name: 'idle' };

  test('buys while the sale is open, and only then', () => {
    expect(button(idle)).toEqual({ label: 'Buy · $2', action: 'press', isBusy: false });
    for (const saleState of ['scheduled', 'paused', 'sold_out', 'ended']) {
      expect(button(idle, { saleState }).action).toBe('none');
    }
    expect(button(idle, { hasShare: true }).action).toBe('none');
    expect(button(idle, { isSignedIn: false }).action).toBe('none');
  });

  test('leads to the orders once it is theirs, however often it is pressed', () => {
    expect(button(accepted).action).toBe('orders');
  });

  test('asks a stopped purchase again though the sale is over', () => {
    expect(button({ name: 'stopped', purchase }, { saleState: 'ended' }).action).toBe('press');
  });

  test('counts down to the next try', () => {
    const flow = { name: 'limited', purchase, retryAtMs: 2_500, isAutomatic: false } as const;
    expect(button(flow)).toEqual({ label: 'Again in 3 s', action: 'none', isBusy: true });
    expect(button(flow, { nowMs: 2_500 }).action).toBe('press');
    expect(button({ ...flow, isAutomatic: true }, { nowMs: 2_500 }).action).toBe('none');
  });
});
