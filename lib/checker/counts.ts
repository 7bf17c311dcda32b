// The figures of the verdict that tell what was sold, and how often.

import type { UnitRange } from '#lib/order-event.ts';
import { gaveBack } from './buyers.ts';
import type { Look } from './check-across.ts';
import { holdsUnits, type RedisOrders } from './check-redis.ts';
import type { Rows, UnitRow, Verdict } from './facts.ts';
import { unitsTooMany, unitsTwice } from './unit-ranges.ts';

type Counts = Pick<Verdict, 'stock' | 'sold' | 'rows' | 'units' | 'oversold' | 'duplicated'>;

/** Counts, and notes what was sold too often. */
export function* countSold(look: Look): Generator<void, Counts> {
  const { facts, accepted, rows, redisOrders, problems } = look;
  const { product, orders, units } = facts.mysql;
  const stock = product?.stock ?? 0;
  const inEvents = soldInEvents(look);
  yield;
  const inRows = units.map(({ unit }: UnitRow): UnitRange => [unit, unit]);
  const tooMany: number[] = [inEvents.quantity - stock, soldTooEarly(look), 0];
  for (const ranges of [inEvents.units, soldInRedis(redisOrders, rows), inRows]) {
    tooMany.push(unitsTooMany(ranges, stock));
    yield;
  }
  const oversold = Math.max(...tooMany);
  if (oversold > 0) problems.add(`Oversold: ${oversold} units were sold twice or beyond the stock`);
  const rowsTooMany = orders.length - rows.size;
  if (rowsTooMany > 0) problems.add(`MySQL: ${rowsTooMany} orders have more than one row`);
  const twiceInRows = unitsTwice(inRows);
  yield;
  const unitsOfTwo = Math.max(twiceInRows, unitsTwice(inEvents.units));
  yield;
  if (unitsOfTwo > 0) problems.add(`${unitsOfTwo} units belong to more than one order`);
  return {
    stock,
    sold: inEvents.quantity + soldInRowsAlone(look),
    rows: orders.filter(({ status }) => status === 'confirmed').length,
    units: units.length,
    oversold,
    duplicated: accepted.duplicated.size + rowsTooMany + unitsOfTwo,
  };
}

function soldInEvents({ accepted, rows }: Look) {
  const units: UnitRange[] = [];
  let quantity = 0;
  for (const [orderId, { order }] of accepted.byId) {
    if (rows.get(orderId)?.status === 'cancelled') continue;
    units.push(...order.units);
    quantity += order.quantity;
  }
  return { units, quantity };
}

/** The audit log goes by another clock than acceptances. */
const clocksApartMaxUs = 1_000_000;

/**
 * Units that were sold again before they were given back: that their order was cancelled later
 * does not make it right.
 */
function soldTooEarly({ accepted, rows, audit }: Look): number {
  if (audit.cancelled.size === 0) return 0;
  const holdings = [...accepted.byId].flatMap(([orderId, { order, acceptedAtUs: from }]) => {
    const isCancelled = rows.get(orderId)?.status === 'cancelled';
    const until = isCancelled
      ? (audit.cancelled.get(orderId) ?? from) - clocksApartMaxUs
      : Number.POSITIVE_INFINITY;
    return order.units.map(([first, last]) => ({ first, last, from, until, isCancelled }));
  });
  holdings.sort((a, b) => a.first - b.first);
  let tooEarly = 0;
  let open: typeof holdings = [];
  for (const next of holdings) {
    open = open.filter(({ last }) => last >= next.first);
    for (const other of open) {
      // Two that were not cancelled are counted as what they are elsewhere.
      if (!next.isCancelled && !other.isCancelled) continue;
      const isAtOnce = next.from < other.until && other.from < next.until;
      if (isAtOnce) tooEarly += Math.min(next.last, other.last) - next.first + 1;
    }
    open.push(next);
  }
  return tooEarly;
}

/** Once the topic's beginning is deleted, rows stand for the events that are gone. */
function soldInRowsAlone({ facts, accepted }: Look): number {
  if (facts.kafka.complete) return 0;
  return facts.mysql.orders
    .filter(({ orderId, status }) => status === 'confirmed' && !accepted.byId.has(orderId))
    .reduce((sum, { quantity }) => sum + quantity, 0);
}

function soldInRedis(orders: RedisOrders, rows: Rows): UnitRange[] {
  const units: UnitRange[] = [];
  for (const [orderId, order] of orders) {
    if (holdsUnits(order) && !gaveBack(rows, orderId)) units.push(...order.units);
  }
  return units;
}
