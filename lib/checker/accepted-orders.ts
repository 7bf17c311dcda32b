// Which orders were accepted, derived from the events in Kafka and the outbox alone. An event may
// lie in Kafka several times; what counts is that the same batch always says the same.

import { isErased } from '#lib/names.ts';
import { type EventOrder, type OrderEvent, readOrderEvent, unitsIn } from '#lib/order-event.ts';
import type { EventFact, Facts, OrderRow, Sink } from './facts.ts';
import type { Findings } from './findings.ts';
import { createPace } from './pace.ts';

export interface Batch {
  readonly id: string;
  readonly generation: number;
  readonly number: number;
  readonly event: OrderEvent;
  /** Still in the outbox: nobody was told that these orders are accepted. */
  readonly pending: boolean;
  /** Whether the sink's source has got an answer for it that it will not ask for again. */
  readonly delivered: Readonly<Record<Sink, boolean>>;
  /** Whether persist-order refused it for good. */
  readonly dead: boolean;
  /** Whether persist-order has still to answer for a copy, for instance one that was replayed. */
  readonly onItsWay: boolean;
}

/** An order, and the batch that says it was accepted. */
export interface AcceptedOrder {
  readonly batch: Batch;
  readonly order: EventOrder;
  /** The orders of an event are accepted a microsecond apart. */
  readonly acceptedAtUs: number;
}

export interface AcceptedOrders {
  readonly byId: ReadonlyMap<string, AcceptedOrder>;
  /** Orders that two batches, or two versions of one batch, claim to have accepted. */
  readonly duplicated: ReadonlySet<string>;
  /** The batches by the numbers they have in the outbox. */
  readonly outbox: ReadonlyMap<number, Batch>;
}

/**
 * Derives the accepted orders. An event of an older generation than MySQL's counts for the orders
 * whose rows name it; its other orders were never answered 202 (decision 6). Yields now and then.
 */
export function* acceptedOrders(facts: Facts, problems: Findings): Generator<void, AcceptedOrders> {
  const duplicated = new Set<string>();
  const contents = yield* readContents(facts, duplicated, problems);
  const { batches, outbox } = yield* collectBatches(facts, contents, problems);
  const generation = facts.mysql.product?.generation ?? 0;
  const rows = new Map(facts.mysql.orders.map((row) => [row.orderId, row]));
  yield;
  const byId = new Map<string, AcceptedOrder>();
  const isDue = createPace();
  for (const batch of batches.values()) {
    if (batch.generation > generation) {
      problems.add('Events are of a generation that MySQL has not reached', batch.id);
    }
    for (const [index, order] of batch.event.orders.entries()) {
      if (isDue()) yield;
      if (batch.generation < generation && !isItsRow(rows.get(order.orderId), batch)) continue;
      if (unitsIn(order.units) !== order.quantity) {
        problems.add('Kafka: orders have more or fewer units than their quantity', order.orderId);
      }
      const acceptedAtUs = batch.event.acceptedAt + index;
      const accepted = { batch, order: asErased(order, rows.get(order.orderId)), acceptedAtUs };
      if (!byId.has(order.orderId)) byId.set(order.orderId, accepted);
      else duplicated.add(order.orderId);
    }
  }
  for (const orderId of duplicated) problems.add('Orders were accepted more than once', orderId);
  return { byId, duplicated, outbox };
}

/** A person may be erased from the rows; Kafka forgets the events in its own time. */
function asErased(order: EventOrder, row: OrderRow | undefined): EventOrder {
  return row && isErased(row.userId) ? { ...order, userId: row.userId } : order;
}

function isItsRow(row: OrderRow | undefined, batch: Batch): boolean {
  return row?.batchId === batch.id;
}

interface Content {
  readonly data: string;
  readonly event: OrderEvent;
}

const eventsPerStep = 50;

/** What each batch says, by its id; a batch that says two things says the first. */
function* readContents(
  facts: Facts,
  duplicated: Set<string>,
  problems: Findings,
): Generator<void, ReadonlyMap<string, Content>> {
  const contents = new Map<string, Content>();
  const note = (id: string, data: string, where: string) => {
    const known = contents.get(id);
    if (known?.data === data) return;
    const event = parseEvent(data, facts.productId);
    if (event === undefined) {
      problems.add(`Events in ${where} cannot be read`, id);
    } else if (known === undefined) {
      contents.set(id, { data, event });
    } else {
      problems.add('Batches have more than one content', id);
      for (const { orderId } of event.orders) duplicated.add(orderId);
    }
  };
  for (const [index, { id, data }] of facts.kafka.events.entries()) {
    note(id, data, 'Kafka');
    if (index % eventsPerStep === 0) yield;
  }
  for (const [number, data] of facts.redis.outbox) {
    note(outboxId(facts.productId, number, data), data, 'the outbox');
  }
  return contents;
}

/** The batch that a field of the outbox will be in Kafka. */
function outboxId(productId: string, number: string, data: string): string {
  return `${productId}.${parseEvent(data, productId)?.generation ?? 0}.${number}`;
}

interface Batches {
  readonly batches: ReadonlyMap<string, Batch>;
  readonly outbox: ReadonlyMap<number, Batch>;
}

function* collectBatches(
  facts: Facts,
  contents: ReadonlyMap<string, Content>,
  problems: Findings,
): Generator<void, Batches> {
  const copies = Map.groupBy(facts.kafka.events, ({ id }) => id);
  const dead = Map.groupBy(facts.kafka.deadLetters['persist-order'], ({ id }) => id);
  const pending = new Set(
    [...facts.redis.outbox].map(([number, data]) => outboxId(facts.productId, number, data)),
  );
  const batches = new Map<string, Batch>();
  const outbox = new Map<number, Batch>();
  const isDue = createPace();
  for (const [id, { event }] of contents) {
    if (isDue()) yield;
    const number = numberIn(id, event);
    if (number === undefined) {
      problems.add('Events do not belong to the batch they are named after', id);
      continue;
    }
    const batch: Batch = {
      id,
      generation: event.generation,
      number,
      event,
      pending: pending.has(id),
      delivered: {
        'persist-order': isDelivered(facts, copies.get(id), 'persist-order'),
        'update-rank': isDelivered(facts, copies.get(id), 'update-rank'),
      },
      dead: dead.has(id),
      onItsWay: isOnItsWay(facts, copies.get(id), dead.get(id)),
    };
    batches.set(id, batch);
    if (batch.pending) outbox.set(number, batch);
  }
  return { batches, outbox };
}

function parseEvent(data: string, productId: string): OrderEvent | undefined {
  const event = readOrderEvent(data);
  return event?.productId === productId ? event : undefined;
}

/** The batch's number, or undefined where its id does not say what its event says. */
function numberIn(id: string, { productId, generation }: OrderEvent): number | undefined {
  const prefix = `${productId}.${generation}.`;
  const number = id.startsWith(prefix) ? id.slice(prefix.length) : '';
  return /^[1-9]\d*$/.test(number) ? Number(number) : undefined;
}

function isDelivered(facts: Facts, copies: readonly EventFact[] = [], sink: Sink): boolean {
  const committed = facts.kafka.committed[sink];
  return copies.some(({ partition, offset }) => offset < (committed.get(partition) ?? 0));
}

/**
 * Whether a copy is neither delivered nor in the dead letters: one may have died whose offset is
 * not committed yet, because of others before it.
 */
function isOnItsWay(
  facts: Facts,
  copies: readonly EventFact[] = [],
  letters: readonly EventFact[] = [],
): boolean {
  const died = new Set(letters.map(({ origin }) => origin));
  if (died.has(undefined)) return false;
  return copies.some(
    (copy) =>
      !isDelivered(facts, [copy], 'persist-order') && !died.has(`${copy.partition}/${copy.offset}`),
  );
}
