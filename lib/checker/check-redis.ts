// What must hold within one sale in Redis: its counters, free ranges, buyers and outbox are all
// derived once more from its orders.

import { type UnitRange, unitsIn } from '#lib/order-event.ts';
import { type OrderRecord, parseOrderRecord, parseRanges } from '#lib/sale/order-record.ts';
import { saleVersion } from '#lib/sale/sale.ts';
import type { AcceptedOrders } from './accepted-orders.ts';
import type { Fields, RedisFacts } from './facts.ts';
import type { Findings } from './findings.ts';
import { createPace } from './pace.ts';
import { areRanges, sameUnits, unitsTooMany } from './unit-ranges.ts';

/** The orders of the HASH `…:orders` that can be read. */
export type RedisOrders = ReadonlyMap<string, OrderRecord>;

const statuses: ReadonlySet<string> = new Set(['accepted', 'confirmed', 'rejected', 'cancelled']);
const countFields = [
  'generation',
  'revision',
  'incarnation',
  'unit_price',
  'limit',
  'stock',
  'left',
  'sold',
  'batches',
  'last_at',
];

/** Whether this order holds its units: it was neither cancelled nor rejected. */
export function holdsUnits({ status }: OrderRecord): boolean {
  return status === 'accepted' || status === 'confirmed';
}

export function* parseRedisOrders(
  orders: Fields,
  problems: Findings,
): Generator<void, RedisOrders> {
  const records = new Map<string, OrderRecord>();
  const isDue = createPace();
  for (const [orderId, text] of orders) {
    if (isDue()) yield;
    const record = parseOrderRecord(text);
    if (record !== undefined && statuses.has(record.status) && areRanges(record.units)) {
      records.set(orderId, record);
    } else {
      problems.add('Redis: orders cannot be read', orderId);
    }
  }
  return records;
}

export function* checkRedis(
  facts: RedisFacts,
  orders: RedisOrders,
  outbox: AcceptedOrders['outbox'],
  problems: Findings,
): Generator<void, void> {
  checkFields(facts.sale, problems);
  const holding = new Map<string, OrderRecord>();
  const isDue = createPace();
  for (const [orderId, order] of orders) {
    if (isDue()) yield;
    if (!holdsUnits(order)) continue;
    holding.set(orderId, order);
    if (order.quantity >= 1 && unitsIn(order.units) === order.quantity) continue;
    problems.add('Redis: orders have more or fewer units than their quantity', orderId);
  }
  yield;
  checkStock(facts.sale, holding, problems);
  yield;
  yield* checkBuyers(facts, holding, problems);
  yield* checkBatches(facts, orders, outbox, problems);
}

function checkFields(sale: Fields, problems: Findings): void {
  if (sale.get('version') !== String(saleVersion)) {
    problems.add('Redis: the sale has a layout that is not known here');
  }
  for (const name of countFields) {
    if (!/^\d+$/.test(sale.get(name) ?? '')) problems.add(`Redis: \`${name}\` is no number`);
  }
}

function checkStock(sale: Fields, holding: RedisOrders, problems: Findings): void {
  const stock = Number(sale.get('stock'));
  const sold = [...holding.values()].flatMap(({ units }) => units);
  const held = unitsIn(sold);
  if (Number(sale.get('left')) !== stock - held) {
    problems.add('Redis: `left` is not the stock less the units that orders hold');
  }
  if (Number(sale.get('sold')) !== held) {
    problems.add('Redis: `sold` is not the number of units that orders hold');
  }
  const free = parseRanges(sale.get('free') ?? '');
  if (!areRanges(free)) {
    problems.add('Redis: the free ranges cannot be read');
  } else if (!isRising(free)) {
    problems.add('Redis: the free ranges are not in order');
  } else if (unitsIn(free) + held !== stock || unitsTooMany([...free, ...sold], stock) > 0) {
    problems.add('Redis: free and sold units together are not exactly the units on sale');
  }
}

function isRising(ranges: readonly UnitRange[]): boolean {
  return ranges.every(([first], index) => first > (ranges[index - 1]?.[1] ?? 0));
}

function* checkBuyers(
  { sale, buyers }: RedisFacts,
  holding: RedisOrders,
  problems: Findings,
): Generator<void, void> {
  const bought = new Map<string, number>();
  const isDue = createPace();
  for (const [orderId, { userId, quantity }] of holding) {
    if (isDue()) yield;
    const total = (bought.get(userId) ?? 0) + quantity;
    bought.set(userId, total);
    if (total > Number(sale.get('limit'))) {
      problems.add('Redis: buyers have more than the limit', orderId);
    }
  }
  for (const userId of new Set([...buyers.keys(), ...bought.keys()])) {
    if (isDue()) yield;
    const total = /^\d+\|(\d+)$/.exec(buyers.get(userId) ?? '')?.[1];
    if (Number(total) === (bought.get(userId) ?? 0)) continue;
    problems.add('Redis: buyers’ totals are not the sum of their orders');
  }
}

function* checkBatches(
  { sale, outbox: waiting }: RedisFacts,
  orders: RedisOrders,
  outbox: AcceptedOrders['outbox'],
  problems: Findings,
): Generator<void, void> {
  const batches = Number(sale.get('batches'));
  const lastAt = Number(sale.get('last_at'));
  const isDue = createPace();
  for (const [orderId, { batchNumber, acceptedAtUs }] of orders) {
    if (isDue()) yield;
    if (batchNumber > batches) {
      problems.add('Redis: orders are of a batch that has not been sold yet', orderId);
    }
    if (acceptedAtUs > lastAt) {
      problems.add('Redis: `last_at` is earlier than orders that were accepted', orderId);
    }
    if (!waiting.has(String(batchNumber))) continue;
    const inEvent = outbox
      .get(batchNumber)
      ?.event.orders.some((order) => order.orderId === orderId);
    if (inEvent !== true) problems.add('Redis: pending orders are not in their batch', orderId);
  }
  for (const [number, { id, generation, event }] of outbox) {
    if (number > batches || generation !== Number(sale.get('generation'))) {
      problems.add('Redis: the outbox holds a batch that has not been sold yet', id);
    }
    for (const order of event.orders) {
      const record = orders.get(order.orderId);
      if (
        record?.batchNumber === number &&
        record.quantity === order.quantity &&
        record.userId === order.userId &&
        sameUnits(record.units, order.units)
      ) {
        continue;
      }
      problems.add('Redis: orders differ from their batch in the outbox', order.orderId);
    }
  }
}
