import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { OrderBatch } from '#lib/http/cloud-event.ts';
import { batchIdOf, type OrderEvent } from '#lib/order-event.ts';
import { anEvent, type OrderSpec } from '#lib/testing/order-events.ts';
import { decide, type OrderRow, type Standing } from './decide.ts';

const nowUs = 1_790_000_000_500_000;
const nobody: Standing = {
  generation: 1,
  stock: 10,
  unsold: 10,
  statuses: new Map(),
  takenUnits: new Set(),
};

function aBatch(event: OrderEvent, batchNumber = 1): OrderBatch {
  const batchId = batchIdOf(event.productId, event.generation, batchNumber);
  return { batchId, event, acceptedAtMs: event.acceptedAt / 1_000 };
}

function statusesOf(orderRows: readonly OrderRow[]) {
  return orderRows.map(({ status, reason }) => [status, reason]);
}

test('an order becomes a row of its own and one for each unit', () => {
  const batch = aBatch(
    anEvent('p', [
      {
        units: [
          [4, 4],
          [7, 8],
        ],
        userId: 'u',
      },
    ]),
  );
  const { orderRows, unitRows, movementRows, results } = decide([batch], nobody, nowUs);
  const [order] = batch.event.orders;
  expect(movementRows).toEqual([
    { productId: 'p', kind: 'sold', reference: 'p.1.1', units: -3, at: nowUs },
  ]);
  expect(orderRows).toEqual([
    {
      orderId: order?.orderId,
      productId: 'p',
      userId: 'u',
      quantity: 3,
      status: 'confirmed',
      reason: null,
      unitPrice: 9_900,
      currency: 'CNY',
      batchId: 'p.1.1',
      userFirstAt: order?.userFirstAt,
      userQuantity: 3,
      sold: 8,
      acceptedAt: batch.event.acceptedAt,
      createdAt: nowUs,
    },
  ]);
  expect(unitRows.map(({ unit }) => unit)).toEqual([4, 7, 8]);
  expect(results).toEqual([
    {
      counts: { confirmed: 1, rejected: 0, repeated: 0, dropped: 0 },
      rejections: { unit_taken: 0, no_stock: 0 },
      statuses: [[order?.orderId, 'confirmed']],
    },
  ]);
});

describe('only the order that cannot be written is rejected', () => {
  const reject = (specs: readonly OrderSpec[], standing: Partial<Standing> = {}) => {
    const { orderRows, unitRows, movementRows } = decide(
      [aBatch(anEvent('p', specs))],
      { ...nobody, ...standing },
      nowUs,
    );
    // Only what is confirmed has left the stock.
    expect(movementRows.map(({ units }) => -units)).toEqual([unitRows.length]);
    return { statuses: statusesOf(orderRows), units: unitRows.map(({ unit }) => unit) };
  };
  const confirmed = ['confirmed', null];

  test('whose unit is taken', () => {
    const specs: OrderSpec[] = [{ units: [[1, 1]] }, { units: [[2, 3]] }, { units: [[4, 4]] }];
    const { statuses, units } = reject(specs, { takenUnits: new Set([3]), unsold: 9 });
    expect(statuses).toEqual([confirmed, ['rejected', 'unit_taken'], confirmed]);
    expect(units).toEqual([1, 4]);
  });

  test('whose unit another order of the same event takes', () => {
    const { statuses, units } = reject([{ units: [[1, 2]] }, { units: [[2, 3]] }]);
    expect(statuses).toEqual([confirmed, ['rejected', 'unit_taken']]);
    expect(units).toEqual([1, 2]);
  });

  test('that names a unit twice', () => {
    const { statuses, units } = reject([
      {
        units: [
          [1, 2],
          [2, 3],
        ],
      },
      { units: [[2, 2]] },
    ]);
    expect(statuses).toEqual([['rejected', 'unit_taken'], confirmed]);
    expect(units).toEqual([2]);
  });

  test('for which the stock does not suffice, while a smaller one after it fits', () => {
    const { statuses } = reject([{ units: [[1, 3]] }, { units: [[4, 5]] }], { unsold: 2 });
    expect(statuses).toEqual([['rejected', 'no_stock'], confirmed]);
  });

  test('for a unit that was never on sale', () => {
    const { statuses } = reject([{ units: [[10, 11]] }, { units: [[10, 10]] }]);
    expect(statuses).toEqual([['rejected', 'no_stock'], confirmed]);
  });
});

test('of an older generation only orders with a row are known, the others are dropped', () => {
  const event = anEvent('p', [{ units: [[1, 1]] }, { units: [[2, 2]] }]);
  const known = event.orders[0]?.orderId ?? '';
  const standing = { ...nobody, generation: 2, statuses: new Map([[known, 'cancelled' as const]]) };
  const { orderRows, unitRows, movementRows, results } = decide([aBatch(event)], standing, nowUs);
  expect([orderRows, unitRows, movementRows]).toEqual([[], [], []]);
  expect(results).toEqual([
    {
      counts: { confirmed: 0, rejected: 0, repeated: 1, dropped: 1 },
      rejections: { unit_taken: 0, no_stock: 0 },
      statuses: [[known, 'cancelled']],
    },
  ]);
});

/** What MySQL would hold after some transactions. */
class Rows {
  readonly orders = new Map<string, OrderRow>();
  readonly units = new Map<number, string>();
  readonly movements = new Map<string, number>();
  readonly #stock: number;
  readonly #generation: number;

  constructor(stock: number, generation: number) {
    this.#stock = stock;
    this.#generation = generation;
  }

  write(batches: readonly OrderBatch[]): void {
    const standing = {
      generation: this.#generation,
      stock: this.#stock,
      unsold: this.#stock - this.units.size,
      statuses: new Map([...this.orders].map(([id, { status }]) => [id, status])),
      takenUnits: new Set(this.units.keys()),
    };
    const { orderRows, unitRows, movementRows, results } = decide(batches, standing, nowUs);
    for (const { reference, units } of movementRows) {
      expect(units).toBeLessThan(0);
      this.movements.set(reference, (this.movements.get(reference) ?? 0) + units);
    }
    for (const row of orderRows) {
      expect(this.orders.has(row.orderId)).toBe(false);
      this.orders.set(row.orderId, row);
    }
    for (const { unit, orderId } of unitRows) {
      expect(this.units.has(unit)).toBe(false);
      this.units.set(unit, orderId);
    }
    for (const [index, { counts }] of results.entries()) {
      const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
      expect(total).toBe(batches[index]?.event.orders.length);
    }
  }
}

const anySpec = fc
  .tuple(fc.integer({ min: 1, max: 14 }), fc.integer({ min: 0, max: 2 }))
  .map(([first, more]): OrderSpec => ({ units: [[first, first + more]] }));
const anyBatches = fc
  .array(
    fc.record({
      specs: fc.array(anySpec, { minLength: 1, maxLength: 4 }),
      generation: fc.integer({ min: 1, max: 2 }),
      repeats: fc.integer({ min: 1, max: 2 }),
    }),
    { maxLength: 8 },
  )
  .map((events) =>
    events.flatMap(({ specs, generation, repeats }, index) => {
      const batch = aBatch(anEvent('p', specs, { generation }), index);
      return Array.from({ length: repeats }, () => batch);
    }),
  );

test('however batches are folded, repeated and mixed up, the rows are the same, and never too many', () => {
  fc.assert(
    fc.property(
      anyBatches.chain((batches) => fc.shuffledSubarray(batches, { minLength: batches.length })),
      fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 16, maxLength: 16 }),
      (batches, foldSizes) => {
        const oneByOne = new Rows(10, 2);
        for (const batch of batches) oneByOne.write([batch]);
        const folded = new Rows(10, 2);
        for (let at = 0, turn = 0; at < batches.length; turn += 1) {
          const size = foldSizes[turn] ?? 1;
          folded.write(batches.slice(at, at + size));
          at += size;
        }
        expect(folded.orders).toEqual(oneByOne.orders);
        expect(folded.units).toEqual(oneByOne.units);
        expect(folded.movements).toEqual(oneByOne.movements);
        const moved = [...folded.movements.values()].reduce((sum, units) => sum + units, 0);
        expect(moved + folded.units.size).toBe(0);
        expect(folded.units.size).toBeLessThanOrEqual(10);
        expect(Math.max(0, ...folded.units.keys())).toBeLessThanOrEqual(10);
        for (const row of folded.orders.values()) {
          const held = [...folded.units.values()].filter((orderId) => orderId === row.orderId);
          expect(held.length).toBe(row.status === 'confirmed' ? row.quantity : 0);
        }
      },
    ),
  );
});
