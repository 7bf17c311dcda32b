// Batches of orders for tests, and the requests in which a KafkaSource would deliver them.

import { randomBytes } from 'node:crypto';
import { sign } from '#lib/http/signature.ts';
import { batchIdOf, type EventOrder, eventAttributes, type OrderEvent } from '#lib/order-event.ts';
import { orderIdOf } from '#lib/order-id.ts';

/** What a test says about an order; the rest follows. */
export interface OrderSpec extends Partial<EventOrder> {
  readonly units: EventOrder['units'];
}

const acceptedAtUs = 1_790_000_000_000_000;

/** An order for these units of a user of its own. */
export function anOrder(productId: string, spec: OrderSpec): EventOrder {
  const quantity = spec.units.reduce((sum, [first, last]) => sum + last - first + 1, 0);
  const userId = spec.userId ?? `user-${randomBytes(6).toString('hex')}`;
  const key = randomBytes(9).toString('base64url');
  return {
    orderId: orderIdOf(productId, userId, key),
    userId,
    quantity,
    userFirstAt: acceptedAtUs,
    userQuantity: quantity,
    sold: Math.max(...spec.units.map(([, last]) => last)),
    ...spec,
  };
}

/** An event of the first generation with these orders. */
export function anEvent(
  productId: string,
  orders: readonly OrderSpec[],
  others: Partial<Omit<OrderEvent, 'productId' | 'orders'>> = {},
): OrderEvent {
  return {
    productId,
    generation: 1,
    acceptedAt: acceptedAtUs,
    unitPrice: 9_900,
    currency: 'CNY',
    ...others,
    orders: orders.map((order) => anOrder(productId, order)),
  };
}

/** An event of `count` orders, one unit each, from unit `first` on. */
export function anEventOf(count: number, productId: string, first = 1): OrderEvent {
  const orders = Array.from({ length: count }, (_, index): OrderSpec => {
    return { units: [[first + index, first + index]] };
  });
  return anEvent(productId, orders);
}

export interface EventRequest {
  readonly method: 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The request as the dispatcher sends it, signed with the first of the keys. */
export function requestOf(
  event: OrderEvent,
  keys: readonly string[],
  batchNumber = 1,
): EventRequest {
  const { productId, generation, acceptedAt } = event;
  const batchId = batchIdOf(productId, generation, batchNumber);
  const body = JSON.stringify(event);
  const attributes = Object.entries(eventAttributes(productId, batchId, acceptedAt));
  return {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...Object.fromEntries(attributes.map(([name, value]) => [`ce-${name}`, value])),
      'ce-signature': sign(keys, batchId, body),
      'ce-knativekafkapartition': '3',
      'ce-knativekafkaoffset': '4711',
      prefer: 'reply',
    },
    body,
  };
}
