// The three promises, stated once: facts about a sale → verdict. Never oversold, no accepted order
// lost, one acceptance per purchase; and every store tells the same story about it.
// It serves `kn-seckill verify`, the integration tests and the load tests.

import type { UnitRange } from '#lib/order-event.ts';
import { acceptedOrders } from './accepted-orders.ts';
import { buyersOf, gaveBack } from './buyers.ts';
import {
  compareRedis,
  compareRowsWithEvents,
  compareTotals,
  findLost,
  type Look,
} from './check-across.ts';
import { checkBoards } from './check-boards.ts';
import { checkMysql } from './check-mysql.ts';
import { checkRedis, holdsUnits, parseRedisOrders, type RedisOrders } from './check-redis.ts';
import type { Facts, Fields, Rows, Verdict } from './facts.ts';
import { createFindings, type Findings } from './findings.ts';
import { unitsTooMany, unitsTwice } from './unit-ranges.ts';

/** The verdict on the facts. Pure: it reads no clock and no store. */
export function check(facts: Facts): Verdict {
  const problems = createFindings();
  const waiting = createFindings();
  const { product, orders } = facts.mysql;
  const accepted = acceptedOrders(facts, problems);
  const rows: Rows = new Map(orders.map((row) => [row.orderId, row]));
  const redisOrders = parseRedisOrders(facts.redis.orders, problems);
  const unsure = isUnsure(facts, problems, waiting);
  const look: Look = { facts, accepted, redisOrders, rows, problems, waiting, unsure };

  const pending = countPending(look);
  const lost = findLost(look);
  if (product === undefined) problems.add('MySQL does not know this product');
  else checkMysql({ ...facts.mysql, product }, accepted, problems);
  if (!unsure) {
    compareRowsWithEvents(look);
    compareTotals(look);
  }
  if (!unsure && isLoaded(facts)) {
    checkRedis(facts.redis, redisOrders, accepted.outbox, problems);
    compareRedis(look);
  }
  judgeBoards(look);
  const sold = countSold(look);
  const duplicated = countDuplicated(look);
  const problemLines = problems.lines();
  const waitingLines = waiting.lines();
  return {
    ...sold,
    lost: lost.size,
    duplicated,
    ranked: facts.redis.boards.speed.size,
    ok: problemLines.length === 0 && waitingLines.length === 0,
    pending,
    known: isKnown(facts),
    settling: problemLines.length === 0 && waitingLines.length > 0,
    problems: problemLines,
    waiting: waitingLines,
  };
}

/** Whether the sale is in Redis. A settled sale leaves it after some days. */
function isLoaded({ redis: { sale, orders, buyers, outbox } }: Facts): boolean {
  return [sale, orders, buyers, outbox].some(({ size }) => size > 0);
}

function isKnown(facts: Facts): boolean {
  const { kafka, mysql } = facts;
  return (
    mysql.product !== undefined || mysql.orders.length + kafka.events.length > 0 || isLoaded(facts)
  );
}

/** Whether Redis can be compared with the other stores now, and if not, why. */
function isUnsure(facts: Facts, problems: Findings, waiting: Findings): boolean {
  const { sale, saleAfter, runId, replid } = facts.redis;
  const state = facts.mysql.product?.state;
  const isOver = state === 'closed' || state === 'settled';
  if (!isLoaded(facts)) {
    // Generation 0: it has never been loaded.
    if (isOver || facts.mysql.product?.generation === 0) return false;
    waiting.add('The sale is not in Redis; the next purchase or `sale warm` rebuilds it');
    return true;
  }
  if (sale.size === 0) {
    problems.add('Redis: the sale is missing, but not its orders');
    return true;
  }
  if (sale.get('state') === 'loading') {
    waiting.add('The sale is being rebuilt in Redis');
    return true;
  }
  if (!sameFields(sale, saleAfter)) {
    waiting.add('The sale changed while it was looked at');
    return true;
  }
  if (Number(sale.get('generation')) < (facts.mysql.product?.generation ?? 0)) {
    waiting.add('Redis holds an older generation of the sale than MySQL: a rebuild is under way');
    return true;
  }
  const isSameProcess = sale.get('run_id') === runId && sale.get('replid') === replid;
  if (!isSameProcess && !isOver) {
    waiting.add('Redis is not the process that the sale was loaded into: a rebuild is due');
    return true;
  }
  return false;
}

function sameFields(some: Fields, others: Fields): boolean {
  return some.size === others.size && [...some].every(([key, value]) => others.get(key) === value);
}

function countPending({ accepted, waiting }: Look): number {
  const batches = [...accepted.outbox.values()];
  for (const { id } of batches) waiting.add('Batches are in the outbox', id);
  return batches.reduce((sum, { event }) => sum + event.orders.length, 0);
}

/** The boards are made from events, so they are judged once update-rank has got them all. */
function judgeBoards(look: Look): void {
  const { facts, accepted, rows, unsure, problems, waiting } = look;
  const { boards, productScore } = facts.redis;
  const areAway =
    productScore === undefined && Object.values(boards).every(({ size }) => size === 0);
  if (areAway && facts.mysql.product?.state === 'settled' && !isLoaded(facts)) return;
  const found = createFindings();
  checkBoards({ boards, productScore }, buyersOf(accepted, rows), found);
  if (found.lines().length === 0) return;
  const undelivered = [...accepted.byId.values()].some(
    ({ batch }) => !batch.delivered['update-rank'],
  );
  if (unsure || undelivered) waiting.add('The leaderboards wait for events');
  else for (const line of found.lines()) problems.add(line);
}

function countSold(look: Look) {
  const { facts, accepted, rows, redisOrders, problems } = look;
  const { product, orders, units } = facts.mysql;
  const stock = product?.stock ?? 0;
  const confirmed = orders.filter(({ status }) => status === 'confirmed');
  const inEvents = soldInEvents(look);
  // Once the topic's beginning is deleted, rows stand for the events that are gone.
  const rowsAlone = facts.kafka.complete
    ? 0
    : confirmed
        .filter(({ orderId }) => !accepted.byId.has(orderId))
        .reduce((sum, { quantity }) => sum + quantity, 0);
  const sold = quantityIn(look) + rowsAlone;
  const oversold = Math.max(
    sold - stock,
    unitsTooMany(inEvents, stock),
    unitsTooMany(soldInRedis(redisOrders, rows), stock),
    unitsTooMany(
      units.map(({ unit }): UnitRange => [unit, unit]),
      stock,
    ),
    0,
  );
  if (oversold > 0) problems.add(`Oversold: ${oversold} units were sold twice or beyond the stock`);
  return { stock, sold, rows: confirmed.length, units: units.length, oversold };
}

function quantityIn({ accepted, rows }: Look): number {
  return [...accepted.byId]
    .filter(([orderId]) => rows.get(orderId)?.status !== 'cancelled')
    .reduce((sum, [, { order }]) => sum + order.quantity, 0);
}

function soldInEvents({ accepted, rows }: Look): UnitRange[] {
  return [...accepted.byId]
    .filter(([orderId]) => rows.get(orderId)?.status !== 'cancelled')
    .flatMap(([, { order }]) => order.units);
}

function soldInRedis(orders: RedisOrders, rows: Rows): UnitRange[] {
  return [...orders]
    .filter(([orderId, order]) => holdsUnits(order) && !gaveBack(rows, orderId))
    .flatMap(([, { units }]) => units);
}

function countDuplicated(look: Look): number {
  const { facts, accepted, rows, problems } = look;
  const { orders, units } = facts.mysql;
  const rowsTooMany = orders.length - rows.size;
  if (rowsTooMany > 0) problems.add(`MySQL: ${rowsTooMany} orders have more than one row`);
  const unitsInRows = units.map(({ unit }): UnitRange => [unit, unit]);
  const unitsOfTwo = Math.max(unitsTwice(unitsInRows), unitsTwice(soldInEvents(look)));
  if (unitsOfTwo > 0) problems.add(`${unitsOfTwo} units belong to more than one order`);
  return accepted.duplicated.size + rowsTooMany + unitsOfTwo;
}
