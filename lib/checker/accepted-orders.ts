// Which orders were accepted, derived from the events in Kafka and the outbox alone. An event may
// lie in Kafka several times; what counts is that the same batch always says the same.

import { type EventOrder, type OrderEvent, orderEventSchema, unitsIn } from '#lib/order-event.ts';
import type { EventFact, Facts, OrderRow, Sink } from './facts.ts';
import type { Findings } from './findings.ts';

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
 * whose rows name it; its other orders were never answered 202 (decision 6).
 */
export function acceptedOrders(facts: Facts, problems: Findings): AcceptedOrders {
  const duplicated = new Set<string>();
  const { batches, outbox } = collectBatches(facts, duplicated, problems);
  const generation = facts.mysql.product?.generation ?? 0;
  const rows = new Map(facts.mysql.orders.map((row) => [row.orderId, row]));
  const byId = new Map<string, AcceptedOrder>();
  for (const batch of batches.values()) {
    if (batch.generation > generation) {
      problems.add('Events are of a generation that MySQL has not reached', batch.id);
    }
    for (const [index, order] of batch.event.orders.entries()) {
      if (batch.generation < generation && !isItsRow(rows.get(order.orderId), batch)) continue;
      if (unitsIn(order.units) !== order.quantity) {
        problems.add('Kafka: orders have more or fewer units than their quantity', order.orderId);
      }
      const acceptedAtUs = batch.event.acceptedAt + index;
      if (!byId.has(order.orderId)) byId.set(order.orderId, { batch, order, acceptedAtUs });
      else duplicated.add(order.orderId);
    }
  }
  for (const orderId of duplicated) problems.add('Orders were accepted more than once', orderId);
  return { byId, duplicated, outbox };
}

function isItsRow(row: OrderRow | undefined, batch: Batch): boolean {
  return row?.batchId === batch.id;
}

interface Content {
  readonly data: string;
  readonly event: OrderEvent;
}

function collectBatches(facts: Facts, duplicated: Set<string>, problems: Findings) {
  const contents = new Map<string, Content>();
  const copies = Map.groupBy(facts.kafka.events, ({ id }) => id);
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
  for (const { id, data } of facts.kafka.events) note(id, data, 'Kafka');
  const outboxIds = new Map<string, number>();
  for (const [number, data] of facts.redis.outbox) {
    const generation = parseEvent(data, facts.productId)?.generation ?? 0;
    const id = `${facts.productId}.${generation}.${number}`;
    outboxIds.set(id, Number(number));
    note(id, data, 'the outbox');
  }
  const dead = new Set(facts.kafka.deadLetters['persist-order'].map(({ id }) => id));
  const batches = new Map<string, Batch>();
  const outbox = new Map<number, Batch>();
  for (const [id, { event }] of contents) {
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
      pending: outboxIds.has(id),
      delivered: {
        'persist-order': isDelivered(facts, copies.get(id), 'persist-order'),
        'update-rank': isDelivered(facts, copies.get(id), 'update-rank'),
      },
      dead: dead.has(id),
    };
    batches.set(id, batch);
    if (batch.pending) outbox.set(number, batch);
  }
  return { batches, outbox };
}

function parseEvent(data: string, productId: string): OrderEvent | undefined {
  let json: unknown;
  try {
    json = JSON.parse(data);
  } catch {
    return undefined;
  }
  const parsed = orderEventSchema.safeParse(json);
  return parsed.success && parsed.data.productId === productId ? parsed.data : undefined;
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
