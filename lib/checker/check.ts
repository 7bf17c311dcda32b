// The three promises, stated once: facts about a sale → verdict. Never oversold, no accepted order
// lost, one acceptance per purchase; and every store tells the same story about it.
// It serves `kn-seckill verify`, the integration tests and the load tests.

import { setImmediate } from 'node:timers/promises';
import { acceptedOrders } from './accepted-orders.ts';
import { type Audit, checkAudit, readAudit } from './audit.ts';
import { buyersOf } from './buyers.ts';
import {
  compareRedis,
  compareRowsWithEvents,
  compareTotals,
  findLost,
  type Look,
} from './check-across.ts';
import { checkBoards } from './check-boards.ts';
import { checkLedger } from './check-ledger.ts';
import { checkMysql } from './check-mysql.ts';
import { checkRedis, holdsUnits, parseRedisOrders, type RedisOrders } from './check-redis.ts';
import { countSold } from './counts.ts';
import type { Facts, Fields, Rows, Verdict } from './facts.ts';
import { createFindings, type Findings } from './findings.ts';
import { withOurEvents } from './our-events.ts';

/** The verdict on the facts. Pure: it reads no clock and no store. */
export function check(facts: Facts): Verdict {
  const steps = judge(facts);
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/**
 * The same, in steps between which other work of this process gets its turn: for a sale of
 * 100,000 orders the whole takes seconds.
 */
export async function checkInSteps(facts: Facts): Promise<Verdict> {
  const steps = judge(facts);
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
    await setImmediate();
  }
}

/** Yields between the steps; what the steps find together is the verdict. */
function* judge(collected: Facts): Generator<void, Verdict> {
  const facts = withOurEvents(collected);
  const problems = createFindings();
  const waiting = createFindings();
  const { product, orders } = facts.mysql;
  const accepted = yield* acceptedOrders(facts, problems);
  const rows: Rows = new Map(orders.map((row) => [row.orderId, row]));
  yield;
  const redisOrders = yield* parseRedisOrders(facts.redis.orders, problems);
  const audit = readAudit(facts.mysql.audit, problems);
  const unsure =
    isUnsure(facts, problems, waiting) || isOnItsWay({ facts, audit, rows, redisOrders }, waiting);
  const look: Look = { facts, accepted, redisOrders, rows, audit, problems, waiting, unsure };
  const pending = countPending(look);
  yield;
  const lost = yield* findLost(look);
  yield;
  if (product === undefined) problems.add('MySQL does not know this product');
  else {
    yield* checkMysql({ ...facts.mysql, product }, accepted, problems);
    checkAudit(audit, { product, orders }, problems);
    yield;
    checkLedger({ ...facts.mysql, product }, problems);
  }
  yield;
  if (!unsure) compareRowsWithEvents(look);
  if (!unsure) yield* compareTotals(look);
  yield;
  const isComparable = !unsure && isLoaded(facts);
  if (isComparable) {
    yield* checkRedis(facts.redis, redisOrders, accepted.outbox, problems);
  }
  yield;
  if (isComparable) yield* compareRedis(look);
  yield;
  yield* judgeBoards(look);
  yield;
  const { duplicated, ...sold } = yield* countSold(look);
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
    waiting.add('Redis was restarted since; the next purchase or `sale warm` rebuilds the sale');
    return true;
  }
  return false;
}

interface Change {
  readonly facts: Facts;
  readonly audit: Audit;
  readonly rows: Rows;
  readonly redisOrders: RedisOrders;
}

/** Whether Redis has still to hear of an operator's change; whoever looks after it brings it. */
function isOnItsWay({ facts, audit, rows, redisOrders }: Change, waiting: Findings): boolean {
  const { product } = facts.mysql;
  const stock = Number(facts.redis.sale.get('stock'));
  const isRestocked = product !== undefined && product.stock === audit.stock;
  const isShort = isRestocked && stock < product.stock;
  if (isShort) waiting.add('A restock is on its way to Redis');
  const open = [...audit.cancelled.keys()].filter((orderId) => {
    const order = redisOrders.get(orderId);
    return order && holdsUnits(order) && rows.get(orderId)?.status === 'cancelled';
  });
  for (const orderId of open) waiting.add('Cancellations are on their way to Redis', orderId);
  return isShort || open.length > 0;
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
function* judgeBoards(look: Look): Generator<void, void> {
  const { facts, accepted, rows, audit, unsure, problems, waiting } = look;
  const { boards, productScore } = facts.redis;
  const areAway =
    productScore === undefined && Object.values(boards).every(({ size }) => size === 0);
  if (areAway && facts.mysql.product?.state === 'settled' && !isLoaded(facts)) return;
  const found = createFindings();
  const buyers = yield* buyersOf(accepted, rows);
  yield* checkBoards(facts.redis, buyers, audit.cancelled.size, found);
  if (found.lines().length === 0) return;
  const undelivered = [...accepted.byId.values()].some(
    ({ batch }) => !batch.delivered['update-rank'],
  );
  if (unsure || undelivered) waiting.add('The leaderboards wait for events');
  else for (const line of found.lines()) problems.add(line);
}
