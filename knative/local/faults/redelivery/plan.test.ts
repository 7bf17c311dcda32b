import { expect, test } from 'vitest';
import { eventBytesMax, eventOrdersMax } from '#lib/constants.ts';
import { orderEventSchema, unitsIn } from '#lib/order-event.ts';
import { planSale, type SalePlan } from './plan.ts';

/** On a busy machine. */
const slow = { timeout: 60_000 };

const partsOf = (plan: SalePlan) => [[...plan.opening()], [...plan.first()], [...plan.second()]];

test.each([1_000, 20_000])(
  '%i orders: the same seed plans the same, another seed something else',
  slow,
  (orders) => {
    const [one, same, other] = [7, 7, 8].map((seed) => partsOf(planSale({ seed, orders })));
    expect(same).toEqual(one);
    expect(other).not.toEqual(one);
  },
);

test.each([1_000, 20_000])(
  '%i orders: every event is one that a sale would publish, and no two have one id',
  slow,
  (orders) => {
    const plan = planSale({ seed: 3, orders });
    const all = partsOf(plan).flat();
    const sizes = new Set<number>();
    for (const { event } of all) {
      expect(orderEventSchema.parse(event)).toEqual(event);
      expect(Buffer.byteLength(JSON.stringify(event))).toBeLessThanOrEqual(eventBytesMax);
      for (const { quantity, units } of event.orders) expect(unitsIn(units)).toBe(quantity);
      sizes.add(event.orders.length);
    }
    expect(Math.min(...sizes)).toBe(1);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(eventOrdersMax);
    expect(new Set(all.map(({ batchId }) => batchId)).size).toBe(all.length);
    expect(plan.expected.confirmed + plan.expected.noStock + plan.expected.unitTaken).toBe(orders);
  },
);

test('no two orders that are new fight for a unit, whatever comes first', slow, () => {
  for (let seed = 0; seed < 10; seed += 1) {
    const plan = planSale({ seed, orders: 2_000 });
    const [opening = [], first = [], second = []] = partsOf(plan);
    const newest = [...opening, ...first, ...second.filter(({ event }) => event.generation === 2)];
    const takers = new Map<string, number>();
    for (const { event } of newest) {
      for (const unit of event.orders.flatMap(({ units }) => units.flatMap(each))) {
        const name = `${event.productId} ${unit}`;
        takers.set(name, (takers.get(name) ?? 0) + 1);
      }
    }
    const openingUnits = new Set(
      opening.flatMap(({ event }) =>
        event.orders.flatMap(({ units }) =>
          units.flatMap(each).map((unit) => `${event.productId} ${unit}`),
        ),
      ),
    );
    const fought = [...takers].filter(([name, count]) => {
      const isBeyond = Number(name.split(' ')[1]) > plan.stock;
      return count > 1 && !isBeyond && !openingUnits.has(name);
    });
    expect(fought).toEqual([]);
    expect(takers.size).toBeGreaterThan(plan.expected.units / 2);
  }
});

test('late events name orders that are sold again, and some that are not', () => {
  const plan = planSale({ seed: 5, orders: 5_000 });
  const [, , second = []] = partsOf(plan);
  const late = second.filter(({ event }) => event.generation === 1);
  const sold = new Set(
    second
      .filter(({ event }) => event.generation === 2)
      .flatMap(({ event }) => event.orders.map(({ orderId }) => orderId)),
  );
  const again = late.flatMap(({ event }) => event.orders.map(({ orderId }) => sold.has(orderId)));
  expect(new Set(again)).toEqual(new Set([true, false]));
});

const each = ([first, last]: readonly [number, number]) =>
  Array.from({ length: last - first + 1 }, (_, at) => first + at);
