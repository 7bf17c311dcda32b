// Whatever comes, waits, is sent and ends in whatever order: everything is counted, each item is
// sent or refused once, no bound is passed, nobody who could go is left, and nothing stays behind.

import fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import {
  batchOrdersMax,
  edgeBatchesInFlightMax,
  edgeBatchesInFlightPerProduct,
  edgeUnknownBatchesInFlightMax,
  edgeUnknownQueueMax,
} from '#lib/constants.ts';
import { type Batch, Lanes, queueTimeMaxMs, type Waiting } from './forward-lanes.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});

afterEach(() => {
  vi.useRealTimers();
});

interface Item extends Waiting {
  became: 'waiting' | 'sent' | 'refused';
}

const empty = { waiting: 0, inFlight: 0, wanting: 0 };

function createShop() {
  const lanes = new Lanes<Item>();
  const items: Item[] = [];
  const inFlight: Batch<Item>[] = [];
  const become = (item: Item, became: Item['became']) => {
    expect(item.became).toBe('waiting');
    item.became = became;
  };
  const sendAll = () => {
    for (let batch = lanes.next(); batch !== undefined; batch = lanes.next()) {
      expect(batch.items.length).toBeGreaterThan(0);
      expect(batch.items.length).toBeLessThanOrEqual(batchOrdersMax);
      for (const item of batch.items) become(item, 'sent');
      inFlight.push(batch);
    }
  };
  const end = (at: number, showsProduct: boolean) => {
    const [batch] = inFlight.splice(at % inFlight.length, 1);
    batch?.ended(showsProduct);
    sendAll();
  };
  const inFlightOf = (isMeant: (productId: string) => boolean) =>
    inFlight.filter(({ productId }) => isMeant(productId)).length;
  return {
    lanes,
    items,
    inFlight,
    add(productId: string, isKnown: boolean) {
      const giveUpAtMs = performance.now() + queueTimeMaxMs;
      const item: Item = {
        ...{ became: 'waiting', giveUpAtMs },
        refuse(placeInMs) {
          expect(placeInMs).toBeGreaterThanOrEqual(0);
          become(item, 'refused');
        },
      };
      items.push(item);
      lanes.add(productId, isKnown, item);
    },
    sendAll,
    end,
    check() {
      const waiting = items.filter(({ became }) => became === 'waiting').length;
      const { known, unknown } = lanes.load;
      expect(known.waiting + unknown.waiting).toBe(waiting);
      expect(known.inFlight + unknown.inFlight).toBe(inFlight.length);
      expect(inFlight.length).toBeLessThanOrEqual(edgeBatchesInFlightMax);
      for (const { productId } of inFlight) {
        const ofProduct = inFlightOf((id) => id === productId);
        expect(ofProduct).toBeLessThanOrEqual(edgeBatchesInFlightPerProduct);
      }
      expect(inFlightOf((id) => id.startsWith('made-up'))).toBeLessThanOrEqual(
        edgeUnknownBatchesInFlightMax,
      );
    },
    finish() {
      while (inFlight.length > 0) end(0, false);
      expect(items.filter(({ became }) => became === 'waiting')).toEqual([]);
      expect(lanes.load).toEqual({ lanes: 0, known: empty, unknown: empty });
    },
  };
}

const product = fc.nat({ max: 200 });
const step = fc.oneof(
  fc.record({ do: fc.constant('add'), product, count: fc.integer({ min: 1, max: 400 }) }),
  fc.record({ do: fc.constant('add unproven'), product, count: fc.integer({ min: 1, max: 400 }) }),
  fc.record({ do: fc.constant('flood'), product, count: fc.integer({ min: 1, max: 100 }) }),
  fc.record({ do: fc.constant('end'), product, count: fc.integer({ min: 1, max: 20 }) }),
  fc.record({ do: fc.constant('show'), product, count: fc.integer({ min: 1, max: 20 }) }),
  fc.record({ do: fc.constant('wait'), product, count: fc.integer({ min: 1, max: 1_500 }) }),
);

test('nothing is lost, and nothing stays behind', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const shop = createShop();
      let madeUp = 0;
      for (const { do: what, product: number, count } of steps) {
        for (let one = 0; one < (what === 'wait' ? 1 : count); one += 1) {
          if (what === 'add') shop.add(`p${number}`, true);
          else if (what === 'add unproven') shop.add(`p${number % 3}`, false);
          else if (what === 'flood') shop.add(`made-up-${(madeUp += 1)}`, false);
          else if (what === 'wait') vi.advanceTimersByTime(count);
          else if (shop.inFlight.length > 0) {
            const isReal = shop.inFlight[number % shop.inFlight.length]?.productId.startsWith('p');
            shop.end(number, what === 'show' && isReal === true);
          }
        }
        shop.sendAll();
        shop.check();
      }
      shop.finish();
    }),
    { numRuns: 100 },
  );
});

test('one product that nothing has shown to exist has one batch in flight', () => {
  const shop = createShop();
  for (let one = 0; one < edgeUnknownQueueMax; one += 1) shop.add('made-up', false);
  shop.sendAll();
  expect(shop.inFlight).toHaveLength(1);
  shop.add('made-up', true);
  shop.sendAll();
  expect(shop.inFlight).toHaveLength(edgeBatchesInFlightPerProduct);
  shop.finish();
});
