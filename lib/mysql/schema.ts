// What MySQL remembers: the products on sale, one row per order, one row per unit sold, every
// movement of stock, and who changed what. persist-order owns the migrations of these tables.

import { sql } from 'drizzle-orm';
import {
  bigint,
  char,
  check,
  customType,
  index,
  int,
  json,
  mysqlTable,
  primaryKey,
  varchar,
} from 'drizzle-orm/mysql-core';
import type { TopicEnds } from '#lib/kafka/topic-marks.ts';
import { epochUsOf, isoTimeOf } from '#lib/order-event.ts';

/**
 * DATETIME(6) in UTC ↔ epoch microseconds. A JavaScript Date would cut the microseconds off, by
 * which the leaderboard and the order of acceptance are told.
 */
const epochUs = customType<{ data: number; driverData: string }>({
  dataType: () => 'datetime(6)',
  toDriver: (us) => datetimeOf(us),
  fromDriver: (text) => epochUsOf(`${text.replace(' ', 'T')}Z`),
});

/** The latest milliseconds and their texts: the times of a batch's rows are of a few of them. */
const knownMs = new Float64Array(64).fill(Number.NaN);
const knownTexts: string[] = [];

function datetimeOf(us: number): string {
  const ms = Math.floor(us / 1_000);
  const slot = ms % knownMs.length;
  if (knownMs[slot] !== ms) {
    knownTexts[slot] = isoTimeOf(ms * 1_000)
      .slice(0, -4)
      .replace('T', ' ');
    knownMs[slot] = ms;
  }
  return `${knownTexts[slot]}${String(us % 1_000).padStart(3, '0')}`;
}

/** Ids compare byte by byte: `A` and `a` are two users. */
const id = (name: string, length: number) =>
  customType<{ data: string }>({
    dataType: () => `varchar(${length}) character set utf8mb4 collate utf8mb4_bin`,
  })(name);

export const products = mysqlTable(
  'products',
  {
    productId: id('product_id', 64).primaryKey(),
    name: varchar('name', { length: 200 }).notNull(),
    /** In the currency's smallest unit. */
    unitPrice: bigint('unit_price', { mode: 'number' }).notNull(),
    currency: char('currency', { length: 3 }).notNull(),
    /** Units ever put on sale; their numbers are 1 to `stock`. */
    stock: int('stock').notNull(),
    /** Units without a row in `order_units`; decreased with every row written. */
    unsold: int('unsold').notNull(),
    limitPerUser: int('limit_per_user').notNull(),
    state: varchar('state', {
      length: 16,
      enum: ['on_sale', 'paused', 'closed', 'settled'],
    }).notNull(),
    opensAt: epochUs('opens_at'),
    closesAt: epochUs('closes_at'),
    /** Raised by every rebuild of the sale in Redis (decision 6). */
    generation: int('generation').notNull(),
    createdAt: epochUs('created_at').notNull(),
  },
  // Whatever a statement forgets to ask, the table refuses to be oversold.
  () => [check('products_unsold', sql`unsold between 0 and stock`)],
);

export const orders = mysqlTable(
  'orders',
  {
    orderId: id('order_id', 96).primaryKey(),
    productId: id('product_id', 64).notNull(),
    userId: id('user_id', 128).notNull(),
    quantity: int('quantity').notNull(),
    status: varchar('status', {
      length: 16,
      enum: ['confirmed', 'rejected', 'cancelled'],
    }).notNull(),
    /** Why an order was rejected. */
    reason: varchar('reason', { length: 64 }),
    unitPrice: bigint('unit_price', { mode: 'number' }).notNull(),
    currency: char('currency', { length: 3 }).notNull(),
    batchId: id('batch_id', 96).notNull(),
    /** As in the event: the user's first purchase and totals after this order. */
    userFirstAt: epochUs('user_first_at').notNull(),
    userQuantity: int('user_quantity').notNull(),
    sold: int('sold').notNull(),
    acceptedAt: epochUs('accepted_at').notNull(),
    createdAt: epochUs('created_at').notNull(),
  },
  (table) => [
    index('orders_by_user').on(table.userId, table.acceptedAt),
    index('orders_by_product').on(table.productId, table.acceptedAt),
  ],
);

/** One row per unit sold. Its primary key is why no unit can ever be sold twice (decision 5). */
export const orderUnits = mysqlTable(
  'order_units',
  {
    productId: id('product_id', 64).notNull(),
    unit: int('unit').notNull(),
    orderId: id('order_id', 96).notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.productId, table.unit] }),
    index('units_by_order').on(table.orderId),
  ],
);

/**
 * The ledger of stock: every movement of a product's units once, written in the transaction of
 * the change itself. The sum over a product is its `unsold`; what was put on sale and restocked
 * is its `stock`.
 */
export const stockMovements = mysqlTable(
  'stock_movements',
  {
    productId: id('product_id', 64).notNull(),
    kind: varchar('kind', {
      length: 16,
      enum: ['on_sale', 'restock', 'sold', 'cancelled'],
    }).notNull(),
    /** The operation (`on_sale`, `restock`), the batch (`sold`), the order (`cancelled`). */
    reference: id('reference', 96).notNull(),
    /** Positive where there are more to sell, negative where there are fewer. */
    units: int('units').notNull(),
    at: epochUs('at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.productId, table.kind, table.reference] })],
);

/** The audit log: every operator's change once, by its operation id (decision 11). */
export const operations = mysqlTable(
  'operations',
  {
    operationId: id('operation_id', 64).primaryKey(),
    productId: id('product_id', 64).notNull(),
    operator: id('operator', 128).notNull(),
    action: varchar('action', { length: 32 }).notNull(),
    details: json('details').notNull(),
    at: epochUs('at').notNull(),
  },
  (table) => [index('operations_by_product').on(table.productId, table.at)],
);

/** Every generation of a sale: when it was made and why, and where its events begin. */
export const generations = mysqlTable(
  'generations',
  {
    productId: id('product_id', 64).notNull(),
    generation: int('generation').notNull(),
    /** Why the sale was loaded anew. */
    reason: varchar('reason', { length: 32 }).notNull(),
    /** Where the topics ended before it was loaded: topic → partition → offset. */
    topicEnds: json('topic_ends').$type<TopicEnds>().notNull(),
    /** Not later than these ends were asked for. */
    at: epochUs('at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.productId, table.generation] })],
);

/**
 * What operators decided about dead letters. Kafka cannot forget a single record, so what was
 * decided is hidden by these.
 */
export const deadLetterDecisions = mysqlTable(
  'dead_letter_decisions',
  {
    topic: id('topic', 249).notNull(),
    partition: int('partition_number').notNull(),
    offset: bigint('record_offset', { mode: 'number' }).notNull(),
    /** The record's own time, in epoch milliseconds: another one at this place is another letter. */
    diedMs: bigint('died_ms', { mode: 'number' }).notNull(),
    /** As far as the letter tells; a batch, only where a key of ours has signed it. */
    productId: id('product_id', 64),
    batchId: id('batch_id', 96),
    action: varchar('action', { length: 16, enum: ['replayed', 'dropped'] }).notNull(),
    operator: id('operator', 128).notNull(),
    operationId: id('operation_id', 64).notNull(),
    at: epochUs('at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.topic, table.partition, table.offset] }),
    index('decisions_by_product').on(table.productId, table.at),
    index('decisions_by_operation').on(table.operationId),
  ],
);
