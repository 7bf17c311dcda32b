// For tests: the facts of a small sale in which everything is right. Four orders of three buyers
// in three batches, 7 of 10 units sold.

import { batchIdOf, type OrderEvent, type UnitRange } from '#lib/order-event.ts';
import { orderIdOf } from '#lib/order-id.ts';
import { formatOrderRecord } from '#lib/sale/order-record.ts';
import { compositeScore } from './check-boards.ts';
import type { Facts, KafkaFacts, MovementRow, MysqlFacts, RedisFacts } from './facts.ts';

const startUs = 1_795_000_000_000_000;
const unitPrice = 1_999;
const currency = 'CNY';

/** Batch, user, units, when accepted; then the user's first purchase and total, and the sale's. */
type Line = readonly [
  batchNumber: number,
  userId: string,
  units: readonly UnitRange[],
  afterStartUs: number,
  firstAfterStartUs: number,
  userQuantity: number,
  sold: number,
];
const split: readonly UnitRange[] = [
  [4, 5],
  [7, 7],
];
const lines: readonly Line[] = [
  [1, 'ann', [[1, 2]], 0, 0, 2, 2],
  [1, 'bob|x', [[3, 3]], 1, 1, 1, 3],
  [2, 'cy', split, 50, 50, 3, 6],
  [3, 'ann', [[6, 6]], 900, 0, 3, 7],
];
const batchNumbers = [1, 2, 3];

type CleanOrder = ReturnType<typeof cleanOrders>[number];

function cleanOrders(productId: string) {
  return lines.map(([batchNumber, userId, units, afterStart, firstAfterStart, total, sold]) => ({
    orderId: orderIdOf(productId, userId, `key-of-batch-${batchNumber}`),
    userId,
    quantity: units.reduce((sum, [first, last]) => sum + last - first + 1, 0),
    units,
    batchNumber,
    acceptedAtUs: startUs + afterStart,
    userFirstAt: startUs + firstAfterStart,
    userQuantity: total,
    sold,
  }));
}

/** The event of one batch of the sale. */
export function cleanEvent(productId: string, batchNumber: number): OrderEvent {
  const orders = cleanOrders(productId).filter((order) => order.batchNumber === batchNumber);
  return {
    productId,
    generation: 1,
    acceptedAt: orders[0]?.acceptedAtUs ?? 0,
    unitPrice,
    currency,
    orders: orders.map(({ orderId, userId, quantity, units, userFirstAt, userQuantity, sold }) => ({
      orderId,
      userId,
      quantity,
      units: units.map(([first, last]) => [first, last]),
      userFirstAt,
      userQuantity,
      sold,
    })),
  };
}

/** A sale that was sold, delivered and ranked, and goes on. */
export function cleanFacts(productId = 'p-1'): Facts {
  const orders = cleanOrders(productId);
  return {
    productId,
    redis: redisFacts(orders),
    kafka: kafkaFacts(productId),
    mysql: mysqlFacts(productId, orders),
  };
}

function redisFacts(orders: readonly CleanOrder[]): RedisFacts {
  const sale = new Map([
    ['version', '1'],
    ['generation', '1'],
    ['revision', '17'],
    ['incarnation', '1'],
    ['run_id', 'a1'],
    ['replid', 'b2'],
    ['name', 'Lamp'],
    ['unit_price', String(unitPrice)],
    ['currency', currency],
    ['limit', '3'],
    ['stock', '10'],
    ['left', '3'],
    ['sold', '7'],
    ['free', '8-10'],
    ['state', 'on_sale'],
    ['opens_at', String(startUs - 1_000)],
    ['closes_at', ''],
    ['batches', '3'],
    ['last_at', String(startUs + 900)],
  ]);
  const byUser = <T>(value: (order: CleanOrder) => T) =>
    new Map(orders.map((order) => [order.userId, value(order)]));
  return {
    sale,
    saleAfter: new Map(sale),
    runId: 'a1',
    replid: 'b2',
    orders: new Map(
      orders.map((order) => [order.orderId, formatOrderRecord({ ...order, status: 'confirmed' })]),
    ),
    buyers: byUser(({ userFirstAt, userQuantity }) => `${userFirstAt}|${userQuantity}`),
    outbox: new Map(),
    boards: {
      speed: byUser(({ userFirstAt }) => userFirstAt),
      quantity: byUser(({ userQuantity }) => userQuantity),
      score: byUser(({ userFirstAt, userQuantity }) =>
        compositeScore({ firstAtUs: userFirstAt, quantity: userQuantity }),
      ),
    },
    productScore: 7,
  };
}

function kafkaFacts(productId: string): KafkaFacts {
  // Each batch lies in a partition of its own, and its source has got past it.
  const committed = () => new Map(batchNumbers.map((partition) => [partition, 6]));
  return {
    events: batchNumbers.map((number) => ({
      partition: number,
      offset: 5,
      id: batchIdOf(productId, 1, number),
      data: JSON.stringify(cleanEvent(productId, number)),
    })),
    deadLetters: { 'persist-order': [], 'update-rank': [] },
    committed: { 'persist-order': committed(), 'update-rank': committed() },
    complete: true,
  };
}

function mysqlFacts(productId: string, orders: readonly CleanOrder[]): MysqlFacts {
  const operationId = `create-${productId}`;
  return {
    product: {
      productId,
      name: 'Lamp',
      unitPrice,
      currency,
      stock: 10,
      unsold: 3,
      limitPerUser: 3,
      state: 'on_sale',
      opensAt: startUs - 1_000,
      closesAt: null,
      generation: 1,
      createdAt: startUs - 9_000,
    },
    orders: orders.map((order) => ({
      orderId: order.orderId,
      productId,
      userId: order.userId,
      quantity: order.quantity,
      status: 'confirmed',
      reason: null,
      unitPrice,
      currency,
      batchId: batchIdOf(productId, 1, order.batchNumber),
      userFirstAt: order.userFirstAt,
      userQuantity: order.userQuantity,
      sold: order.sold,
      acceptedAt: cleanEvent(productId, order.batchNumber).acceptedAt,
      createdAt: order.acceptedAtUs + 2_000,
    })),
    units: orders.flatMap(({ orderId, units }) =>
      units.flatMap(([first, last]) =>
        Array.from({ length: last - first + 1 }, (_, index) => ({
          productId,
          unit: first + index,
          orderId,
        })),
      ),
    ),
    audit: [{ operationId, action: 'create', details: { stock: 10 }, at: startUs - 9_000 }],
    ledger: [
      { kind: 'on_sale', reference: operationId, units: 10 },
      ...batchNumbers.map((number): MovementRow => {
        const sold = orders.filter(({ batchNumber }) => batchNumber === number);
        const units = -sold.reduce((sum, { quantity }) => sum + quantity, 0);
        return { kind: 'sold', reference: batchIdOf(productId, 1, number), units };
      }),
    ],
  };
}
