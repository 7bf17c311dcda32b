// What the stores hold about one sale, as they hold it: nothing is parsed, added up or believed
// yet, so that `check.ts` can judge even a value that makes no sense.

import type {
  operations,
  orders,
  orderUnits,
  products,
  stockMovements,
} from '#lib/mysql/schema.ts';
import type { BoardKind, consumerGroups } from '#lib/names.ts';

export type Sink = keyof typeof consumerGroups;
export type ProductRow = typeof products.$inferSelect;
export type OrderRow = typeof orders.$inferSelect;
export type UnitRow = typeof orderUnits.$inferSelect;
/** A line of the audit log. */
export type AuditRow = Pick<
  typeof operations.$inferSelect,
  'operationId' | 'action' | 'details' | 'at'
>;
/** A line of the ledger of stock. */
export type MovementRow = Pick<typeof stockMovements.$inferSelect, 'kind' | 'reference' | 'units'>;

/** The fields of a HASH; empty where the key is missing. */
export type Fields = ReadonlyMap<string, string>;

export interface RedisFacts {
  /** The sale's fields, read before and again after everything else of this sale. */
  readonly sale: Fields;
  readonly saleAfter: Fields;
  /** The process that holds the sale now. */
  readonly runId: string;
  readonly replid: string;
  readonly orders: Fields;
  readonly buyers: Fields;
  readonly outbox: Fields;
  readonly boards: Readonly<Record<BoardKind, ReadonlyMap<string, number>>>;
  /** The product's score on the board of products. */
  readonly productScore: number | undefined;
}

/** One record of a topic that names this product as its subject. */
export interface EventFact {
  readonly partition: number;
  readonly offset: number;
  /** `ce_id`: the batch. Where there is none, `partition/offset`. */
  readonly id: string;
  readonly data: string;
  /** Whether a key of ours signed it; undefined where whoever collected it had no keys. */
  readonly signed?: boolean | undefined;
  /** Of a dead letter: where the record lay that died, `partition/offset`. */
  readonly origin?: string | undefined;
}

export interface KafkaFacts {
  readonly events: readonly EventFact[];
  readonly deadLetters: Readonly<Record<Sink, readonly EventFact[]>>;
  /** Partition → the first offset that this sink's source does not count as delivered. */
  readonly committed: Readonly<Record<Sink, ReadonlyMap<number, number>>>;
  /** False once the topic's oldest records have been deleted: then events may be missing. */
  readonly complete: boolean;
}

export interface MysqlFacts {
  readonly product: ProductRow | undefined;
  readonly orders: readonly OrderRow[];
  readonly units: readonly UnitRow[];
  /** What operators did, in order. */
  readonly audit: readonly AuditRow[];
  readonly ledger: readonly MovementRow[];
}

/** The rows of orders by their ids. */
export type Rows = ReadonlyMap<string, OrderRow>;

export interface Facts {
  readonly productId: string;
  readonly redis: RedisFacts;
  readonly kafka: KafkaFacts;
  readonly mysql: MysqlFacts;
}

/**
 * The verdict on one sale. Counts are derived from orders, events and unit rows; no counter that
 * a store keeps is among them, except `stock`, which is what the operator put on sale.
 */
export interface Verdict {
  readonly stock: number;
  /** Units of all accepted orders: in Kafka or still in the outbox. */
  readonly sold: number;
  /** Confirmed orders in MySQL. */
  readonly rows: number;
  /** Units sold in MySQL. */
  readonly units: number;
  /** Units sold beyond the stock or twice, in the store where it is worst. */
  readonly oversold: number;
  /** Accepted orders that have no confirmed row and will not get one by themselves. */
  readonly lost: number;
  /** Orders accepted or written more than once, and units that belong to more than one order. */
  readonly duplicated: number;
  /** Members of the board by speed. */
  readonly ranked: number;
  /** Accepted orders still in the outbox. */
  readonly pending: number;
  /** False where no store has ever heard of the product. */
  readonly known: boolean;
  /** Nothing is wrong and nothing is under way. */
  readonly ok: boolean;
  /** Nothing is known to be wrong, but something is under way: look again. */
  readonly settling: boolean;
  /** What is wrong, for a person. */
  readonly problems: readonly string[];
  /** What is under way, for a person. */
  readonly waiting: readonly string[];
}
