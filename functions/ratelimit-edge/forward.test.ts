import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import {
  batchOrdersMax,
  edgeBatchesInFlightPerProduct,
  edgeQueuePerProductMax,
} from '#lib/constants.ts';
import type { PurchaseAnswer } from '#lib/outcome.ts';
import { createForward, type ForwardedPurchase, queueTimeMaxMs } from './forward.ts';

const accepted: PurchaseAnswer = { outcome: 'accepted', quantity: 1 };
const purchase = (orderId: string): ForwardedPurchase => ({ orderId, userId: 'u', quantity: 1 });

/** A `purchase` whose batches are answered when the test says so. */
function heldSender() {
  const held: {
    productId: string;
    orderIds: string[];
    answer: () => void;
    fail: () => void;
  }[] = [];
  const forward = createForward(
    (productId, purchases) =>
      new Promise((resolve, reject) => {
        held.push({
          productId,
          orderIds: purchases.map(({ orderId }) => orderId),
          answer: () => {
            resolve(purchases.map(() => accepted));
          },
          fail: () => {
            reject(new Error('gone'));
          },
        });
      }),
  );
  return { forward, held };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});

afterEach(() => {
  vi.useRealTimers();
});

test('the first goes at once, and what comes meanwhile goes together', async () => {
  const { forward, held } = heldSender();
  const answers: Promise<PurchaseAnswer>[] = [];
  for (let batch = 0; batch < edgeBatchesInFlightPerProduct; batch += 1) {
    answers.push(forward('p', purchase(`first ${batch}`)));
    await turn();
    expect(held).toHaveLength(batch + 1);
  }
  for (let one = 0; one < 10; one += 1) answers.push(forward('p', purchase(`then ${one}`)));
  await turn();
  expect(held).toHaveLength(edgeBatchesInFlightPerProduct);
  held[0]?.answer();
  await vi.waitFor(() => {
    expect(held).toHaveLength(edgeBatchesInFlightPerProduct + 1);
  });
  expect(held.at(-1)?.orderIds).toHaveLength(10);
  for (const { answer } of held) answer();
  expect(await Promise.all(answers)).toEqual(answers.map(() => accepted));
});

test('what is admitted together travels together, before the event-loop turn ends', async () => {
  let turnEnded = false;
  setImmediate(() => {
    turnEnded = true;
  });
  const sent: { orders: number; turnEnded: boolean }[] = [];
  const forward = createForward((_productId, purchases) => {
    sent.push({ orders: purchases.length, turnEnded });
    return Promise.resolve(purchases.map(() => accepted));
  });
  // Each gets here over as many promises as it happens to have on its way.
  const [first, second] = [Promise.resolve(), Promise.resolve().then(() => undefined)];
  await Promise.all([
    first.then(() => forward('p', purchase('a'))),
    second.then(() => forward('p', purchase('b'))),
  ]);
  expect(sent).toEqual([{ orders: 2, turnEnded: false }]);
});

test('batches are bounded in size and number, and each buyer gets their own answer', async () => {
  const sizes: number[] = [];
  const inFlight: number[] = [0];
  let now = 0;
  const forward = createForward(async (_productId, purchases) => {
    sizes.push(purchases.length);
    now += 1;
    inFlight.push(now);
    await turn();
    now -= 1;
    return purchases.map(({ orderId }) => ({ outcome: 'accepted', quantity: Number(orderId) }));
  });
  const all = Array.from({ length: 2_000 }, (_, index) => index);
  const answers = await Promise.all(all.map((index) => forward('p', purchase(String(index)))));
  expect(answers).toEqual(all.map((quantity) => ({ outcome: 'accepted', quantity })));
  expect(Math.max(...sizes)).toBe(batchOrdersMax);
  expect(Math.max(...inFlight)).toBe(edgeBatchesInFlightPerProduct);
});

test('a slow product holds up no other', async () => {
  const { forward, held } = heldSender();
  for (let batch = 0; batch < 2 * edgeBatchesInFlightPerProduct; batch += 1) {
    void forward('slow', purchase(`slow ${batch}`));
    await turn();
  }
  void forward('other', purchase('other'));
  await turn();
  expect(held.at(-1)).toMatchObject({ productId: 'other', orderIds: ['other'] });
});

test('a batch that fails is unavailable for all in it, and the next one goes', async () => {
  const { forward, held } = heldSender();
  const [first, second] = [forward('p', purchase('a')), forward('p', purchase('b'))];
  await turn();
  held[0]?.fail();
  expect(await Promise.all([first, second])).toEqual([
    { outcome: 'unavailable' },
    { outcome: 'unavailable' },
  ]);
  const third = forward('p', purchase('c'));
  await turn();
  held[1]?.answer();
  expect(await third).toEqual(accepted);
});

test('a full queue refuses at once', async () => {
  const { forward, held } = heldSender();
  for (let batch = 0; batch < edgeBatchesInFlightPerProduct; batch += 1) {
    void forward('p', purchase('in flight'));
    await turn();
  }
  const queued = Array.from({ length: edgeQueuePerProductMax }, () => {
    return forward('p', purchase('waiting'));
  });
  expect(await forward('p', purchase('too many'))).toEqual({ outcome: 'unavailable' });
  const answerAll = setInterval(() => {
    for (const { answer } of held.splice(0)) answer();
  });
  const outcomes = new Set((await Promise.all(queued)).map(({ outcome }) => outcome));
  clearInterval(answerAll);
  expect(outcomes).toEqual(new Set(['accepted']));
});

test('who has waited too long is refused unsent', async () => {
  const { forward, held } = heldSender();
  for (let batch = 0; batch < edgeBatchesInFlightPerProduct; batch += 1) {
    void forward('p', purchase('in flight'));
    await turn();
  }
  const early = forward('p', purchase('early'));
  await vi.advanceTimersByTimeAsync(queueTimeMaxMs - 100);
  const late = forward('p', purchase('late'));
  await vi.advanceTimersByTimeAsync(101);
  expect(await early).toEqual({ outcome: 'unavailable' });
  held[0]?.answer();
  await vi.waitFor(() => {
    expect(held).toHaveLength(edgeBatchesInFlightPerProduct + 1);
  });
  expect(held.at(-1)?.orderIds).toEqual(['late']);
  held.at(-1)?.answer();
  expect(await late).toEqual(accepted);
});
