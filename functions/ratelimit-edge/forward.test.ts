import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import {
  batchOrdersMax,
  edgeBatchesInFlightMax,
  edgeBatchesInFlightPerProduct,
  edgeQueueMax,
  edgeQueuePerProductMax,
  edgeUnknownBatchesInFlightMax,
  edgeUnknownQueueMax,
} from '#lib/constants.ts';
import type { PurchaseAnswer } from '#lib/outcome.ts';
import { createForward, type ForwardedPurchase } from './forward.ts';
import { queueTimeMaxMs } from './forward-lanes.ts';
import type { KnownProducts } from './known-products.ts';

const accepted: PurchaseAnswer = { outcome: 'accepted', quantity: 1 };
const unknownProduct: PurchaseAnswer = { outcome: 'unknown_product' };
const purchase = (orderId: string): ForwardedPurchase => ({ orderId, userId: 'u', quantity: 1 });

/** Products are known, but for those whose id says otherwise. */
const known: KnownProducts = {
  has: (productId) => !productId.startsWith('made-up'),
  find: (productId) => known.has(productId) || Promise.resolve(false),
  learn: () => undefined,
};

/** A `purchase` whose batches are answered when the test says so. */
function heldSender() {
  const held: {
    productId: string;
    orderIds: string[];
    answer: (answer?: PurchaseAnswer) => void;
    fail: () => void;
  }[] = [];
  const forward = createForward({
    known,
    sendBatch: (productId, purchases) =>
      new Promise((resolve, reject) => {
        held.push({
          productId,
          orderIds: purchases.map(({ orderId }) => orderId),
          answer: (answer = accepted) => {
            resolve(purchases.map(() => answer));
          },
          fail: () => {
            reject(new Error('gone'));
          },
        });
      }),
  });
  return { forward, held };
}

const inFlightOf = (held: readonly { productId: string }[], prefix: string) =>
  held.filter(({ productId }) => productId.startsWith(prefix)).length;

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
  const forward = createForward({
    known,
    sendBatch(_productId, purchases) {
      sent.push({ orders: purchases.length, turnEnded });
      return Promise.resolve(purchases.map(() => accepted));
    },
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
  const forward = createForward({
    known,
    async sendBatch(_productId, purchases) {
      sizes.push(purchases.length);
      now += 1;
      inFlight.push(now);
      await turn();
      now -= 1;
      return purchases.map(({ orderId }) => ({ outcome: 'accepted', quantity: Number(orderId) }));
    },
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

test('many slow products hold up no other, and leave a place to each', async () => {
  const { forward, held } = heldSender();
  const slow = edgeBatchesInFlightMax / 2;
  for (let batch = 0; batch < edgeBatchesInFlightPerProduct; batch += 1) {
    for (let product = 0; product < slow; product += 1) {
      void forward(`slow-${product}`, purchase(`slow ${batch}`));
    }
    await turn();
  }
  expect(held).toHaveLength(slow);
  void forward('other', purchase('other'));
  await turn();
  expect(held.at(-1)).toMatchObject({ productId: 'other', orderIds: ['other'] });
});

test('lanes take turns where places are short, and no more batches go than there are', async () => {
  const { forward, held } = heldSender();
  const places = edgeBatchesInFlightMax - edgeUnknownBatchesInFlightMax;
  const products = Array.from({ length: places + 2 }, (_, index) => `p${index}`);
  const answers = products.map((productId) => forward(productId, purchase('first')));
  await turn();
  answers.push(...products.map((productId) => forward(productId, purchase('second'))));
  await turn();
  expect(held).toHaveLength(places);
  // Each has two batches, but for the last two, whose purchases had time to meet.
  for (let sent = 0; sent < 2 * places + 2; sent += 1) {
    expect(held.length).toBeGreaterThan(sent);
    held[sent]?.answer();
    await turn();
  }
  expect(await Promise.all(answers)).toEqual(answers.map(() => accepted));
  // The last two got theirs before anybody had a second one.
  expect(held.slice(places, places + 2).map(({ productId }) => productId)).toEqual(
    products.slice(-2),
  );
});

test('products that are made up share few places, and hold up no other', async () => {
  const { forward, held } = heldSender();
  const madeUp = Array.from({ length: edgeUnknownQueueMax + 100 }, (_, index) =>
    forward(`made-up-${index}`, purchase('x')),
  );
  await turn();
  expect(held).toHaveLength(edgeUnknownBatchesInFlightMax);
  void forward('real', purchase('real'));
  await turn();
  expect(held.at(-1)).toMatchObject({ productId: 'real' });
  // Those without a place have been told so at once.
  const refused = await Promise.all(madeUp.slice(-90));
  expect(new Set(refused.map(({ outcome }) => outcome))).toEqual(new Set(['unavailable']));
  // Each answer makes place for the next one only.
  held[0]?.answer(unknownProduct);
  expect(await madeUp[0]).toEqual(unknownProduct);
  expect(inFlightOf(held, 'made-up')).toBe(edgeUnknownBatchesInFlightMax + 1);
});

test('one that was taken for made up gets its places once an answer shows that it is not', async () => {
  const { forward, held } = heldSender();
  for (let one = 0; one < 2 * batchOrdersMax; one += 1) {
    void forward('made-up-not', purchase(`${one}`));
  }
  await turn();
  for (let product = 0; product < edgeUnknownBatchesInFlightMax; product += 1) {
    void forward(`made-up-${product}`, purchase('x'));
  }
  await turn();
  expect(inFlightOf(held, 'made-up-not')).toBe(1);
  held[0]?.answer({ outcome: 'sold_out', left: 0 });
  await turn();
  // Its own places, and the one that it leaves to the others.
  expect(inFlightOf(held, 'made-up-not')).toBe(2);
  expect(inFlightOf(held, 'made-up')).toBe(edgeUnknownBatchesInFlightMax + 2);
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
  expect(await forward('p', purchase('too many'))).toMatchObject({ outcome: 'unavailable' });
  const answerAll = setInterval(() => {
    for (const { answer } of held.splice(0)) answer();
  });
  const outcomes = new Set((await Promise.all(queued)).map(({ outcome }) => outcome));
  clearInterval(answerAll);
  expect(outcomes).toEqual(new Set(['accepted']));
});

test('a full shop refuses at once, whatever the product', async () => {
  const { forward } = heldSender();
  const products = Array.from({ length: 1_000 }, (_, index) => `p${index}`);
  for (let one = 0; one < edgeQueueMax; one += 1) {
    void forward(products[one % products.length] ?? '', purchase(`${one}`));
  }
  await turn();
  const sent = edgeBatchesInFlightMax - edgeUnknownBatchesInFlightMax;
  const places = sent * (edgeQueueMax / products.length);
  for (let one = 0; one < places; one += 1) {
    void forward(products[products.length - 1 - (one % 100)] ?? '', purchase(`${one}`));
  }
  expect(await forward('another', purchase('too many'))).toEqual({
    outcome: 'unavailable',
    retryAfterSeconds: queueTimeMaxMs / 1_000,
  });
});

test('Retry-After is as long as the queue takes, at the pace of its batches', async () => {
  const { forward, held } = heldSender();
  for (let batch = 0; batch < edgeBatchesInFlightPerProduct; batch += 1) {
    void forward('p', purchase('in flight'));
    await turn();
  }
  const wait = (count: number) => {
    for (let one = 0; one < count; one += 1) void forward('p', purchase(`${one}`));
  };
  wait(edgeQueuePerProductMax);
  await vi.advanceTimersByTimeAsync(300);
  for (const { answer } of held.splice(0)) answer();
  await turn();
  wait(edgeBatchesInFlightPerProduct * batchOrdersMax);
  // 10 rounds of 4 batches of 256, and one under way, each 0.3 s.
  const tooMany = async () => await forward('p', purchase('too many'));
  expect(await tooMany()).toEqual({ outcome: 'unavailable', retryAfterSeconds: 4 });
  // And where batches hang, until they are given up.
  await vi.advanceTimersByTimeAsync(1_500);
  expect(await tooMany()).toEqual({ outcome: 'unavailable', retryAfterSeconds: 8 });
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
  expect(await early).toEqual({ outcome: 'unavailable', retryAfterSeconds: 3 });
  held[0]?.answer();
  await vi.waitFor(() => {
    expect(held).toHaveLength(edgeBatchesInFlightPerProduct + 1);
  });
  expect(held.at(-1)?.orderIds).toEqual(['late']);
  held.at(-1)?.answer();
  expect(await late).toEqual(accepted);
});

test('nobody waits for a place that never comes: made-up products are refused, and forgotten', async () => {
  const { forward, held } = heldSender();
  const madeUp = Array.from({ length: 100 }, (_, index) =>
    forward(`made-up-${index}`, purchase('x')),
  );
  await turn();
  await vi.advanceTimersByTimeAsync(queueTimeMaxMs + 1);
  const waited = madeUp.slice(edgeUnknownBatchesInFlightMax);
  for (const answer of await Promise.all(waited)) expect(answer.outcome).toBe('unavailable');
  for (const { answer } of held.splice(0)) answer(unknownProduct);
  await turn();
  // Whoever comes next finds every place free.
  for (let product = 0; product < edgeUnknownBatchesInFlightMax; product += 1) {
    void forward(`made-up-again-${product}`, purchase('x'));
  }
  await turn();
  expect(inFlightOf(held, 'made-up-again')).toBe(edgeUnknownBatchesInFlightMax);
});
