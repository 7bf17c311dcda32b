// What must hold between the stores: every accepted order has its row, and Redis knows the same
// orders, settings and totals as Kafka and MySQL.

import type { AcceptedOrder, AcceptedOrders } from './accepted-orders.ts';
import type { Audit } from './audit.ts';
import { type BuyerTotals, buyersOf } from './buyers.ts';
import { holdsUnits, type RedisOrders } from './check-redis.ts';
import type { Facts, Fields, ProductRow, Rows } from './facts.ts';
import type { Findings } from './findings.ts';
import { createPace } from './pace.ts';
import { sameUnits } from './unit-ranges.ts';

/** What is compared, and where what is found goes. */
export interface Look {
  readonly facts: Facts;
  readonly accepted: AcceptedOrders;
  readonly redisOrders: RedisOrders;
  readonly rows: Rows;
  readonly audit: Audit;
  readonly problems: Findings;
  readonly waiting: Findings;
  /** Redis cannot be compared with the others: the sale changed, or is being rebuilt. */
  readonly unsure: boolean;
}

/**
 * The accepted orders that have no confirmed row and will not get one by themselves. An event
 * whose delivery is still open is waited for.
 */
export function* findLost(look: Look): Generator<void, ReadonlySet<string>> {
  const { accepted, redisOrders, rows, audit, problems, waiting } = look;
  const lost = new Set<string>();
  const lose = (kind: string, orderId: string) => {
    if (!lost.has(orderId)) problems.add(kind, orderId);
    lost.add(orderId);
  };
  const isDue = createPace();
  for (const [orderId, { status }] of rows) {
    if (isDue()) yield;
    if (status === 'rejected') lose('Lost: accepted orders were rejected', orderId);
    if (status === 'cancelled' && !audit.cancelled.has(orderId)) {
      lose('Lost: orders were cancelled, by nobody in the audit log', orderId);
    }
  }
  for (const [orderId, { batch }] of accepted.byId) {
    if (isDue()) yield;
    if (rows.has(orderId) || batch.pending) continue;
    const hadRow = redisOrders.get(orderId)?.status === 'confirmed';
    if (batch.dead && !batch.onItsWay) lose('Lost: orders are in the dead letters', orderId);
    else if (hadRow || (batch.delivered['persist-order'] && !batch.onItsWay)) {
      lose('Lost: orders were delivered and have no row', orderId);
    } else waiting.add('Accepted orders wait for their rows', orderId);
  }
  if (look.unsure) return lost;
  const outbox = look.facts.redis.outbox;
  for (const [orderId, order] of redisOrders) {
    if (isDue()) yield;
    if (!holdsUnits(order) || accepted.byId.has(orderId) || rows.has(orderId)) continue;
    if (outbox.has(String(order.batchNumber))) continue;
    lose('Lost: orders are accepted in Redis, but neither in Kafka nor in MySQL', orderId);
  }
  return lost;
}

/** Compares Redis with the events and the rows. Call it only while Redis can be compared. */
export function* compareRedis({
  facts,
  accepted,
  redisOrders,
  rows,
  problems,
}: Look): Generator<void, void> {
  const { product } = facts.mysql;
  const buyers = yield* buyersOf(accepted, rows);
  yield* compareBuyers(facts.redis.buyers, buyers, problems);
  const isDue = createPace();
  if (product !== undefined) compareSettings(facts.redis.sale, product, problems);
  const generation = Number(facts.redis.sale.get('generation'));
  for (const [orderId, known] of accepted.byId) {
    if (isDue()) yield;
    const order = redisOrders.get(orderId);
    if (order === undefined) {
      problems.add('Redis: accepted orders are missing', orderId);
      continue;
    }
    // A rebuild loads an order of an older generation from its row, as batch 0.
    const wasLoaded = known.batch.generation < generation;
    const isSame =
      order.userId === known.order.userId &&
      order.quantity === known.order.quantity &&
      (!holdsUnits(order) || sameUnits(order.units, known.order.units)) &&
      (wasLoaded
        ? order.batchNumber === 0 && order.acceptedAtUs === rows.get(orderId)?.acceptedAt
        : order.batchNumber === known.batch.number && order.acceptedAtUs === known.acceptedAtUs);
    if (!isSame) problems.add('Redis: orders differ from their events', orderId);
  }
  for (const [orderId, row] of rows) {
    if (isDue()) yield;
    const order = redisOrders.get(orderId);
    if (order === undefined) {
      if (!accepted.byId.has(orderId)) problems.add('Redis: orders of MySQL are missing', orderId);
    } else if (order.status !== row.status && order.status !== 'accepted') {
      // That a row is written is noted in Redis later, and only if Redis is there.
      problems.add('Redis: orders have another status than in MySQL', orderId);
    } else if (order.userId !== row.userId || order.quantity !== row.quantity) {
      problems.add('Redis: orders differ from their rows', orderId);
    }
  }
}

function* compareBuyers(
  redisBuyers: Fields,
  buyers: ReadonlyMap<string, BuyerTotals>,
  problems: Findings,
): Generator<void, void> {
  let wrong = 0;
  const isDue = createPace();
  for (const [userId, { firstAtUs, quantity }] of buyers) {
    if (isDue()) yield;
    if (redisBuyers.get(userId) !== `${firstAtUs}|${quantity}`) wrong += 1;
  }
  if (wrong > 0) problems.add(`Redis: ${wrong} buyers differ from their orders in Kafka or MySQL`);
}

function compareSettings(sale: Fields, product: ProductRow, problems: Findings): void {
  const expected = {
    name: product.name,
    unit_price: String(product.unitPrice),
    currency: product.currency,
    limit: String(product.limitPerUser),
    stock: String(product.stock),
    state: product.state === 'settled' ? 'closed' : product.state,
    opens_at: String(product.opensAt ?? ''),
    closes_at: String(product.closesAt ?? ''),
    generation: String(product.generation),
  };
  for (const [name, value] of Object.entries(expected)) {
    if (sale.get(name) === value) continue;
    problems.add(`Redis and MySQL differ in the sale’s \`${name}\``);
  }
}

/** Rows whose event should be in Kafka and is not: nobody can have been told 202 for them. */
export function compareRowsWithEvents({ facts, accepted, rows, problems }: Look): void {
  if (!facts.kafka.complete) return;
  for (const orderId of rows.keys()) {
    if (!accepted.byId.has(orderId)) problems.add('MySQL: orders have no event in Kafka', orderId);
  }
}

/**
 * Each event tells the totals after each of its orders. They can be derived again from what was
 * sold before, as long as nothing was given back and no rebuild has dropped an order.
 */
export function* compareTotals({ facts, accepted, rows, problems }: Look): Generator<void, void> {
  const gaveBack = [...rows.values()].some(({ status }) => status !== 'confirmed');
  if (gaveBack || !facts.kafka.complete || facts.mysql.product?.generation !== 1) return;
  const inOrder = [...accepted.byId].sort(([, a], [, b]) => a.acceptedAtUs - b.acceptedAtUs);
  yield;
  const isDue = createPace();
  const buyers = new Map<string, { firstAtUs: number; quantity: number }>();
  let sold = 0;
  for (const [orderId, { order, acceptedAtUs }] of inOrder) {
    if (isDue()) yield;
    const buyer = buyers.get(order.userId) ?? { firstAtUs: acceptedAtUs, quantity: 0 };
    buyer.quantity += order.quantity;
    sold += order.quantity;
    buyers.set(order.userId, buyer);
    const isRight = totalsAre(order, { ...buyer, sold });
    if (!isRight) problems.add('Kafka: events tell wrong totals', orderId);
  }
}

function totalsAre(
  { userFirstAt, userQuantity, sold }: AcceptedOrder['order'],
  expected: { readonly firstAtUs: number; readonly quantity: number; readonly sold: number },
): boolean {
  return (
    userFirstAt === expected.firstAtUs &&
    userQuantity === expected.quantity &&
    sold === expected.sold
  );
}
