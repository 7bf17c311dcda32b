// Reads one batch of orders from the HTTP request that a KafkaSource sends: a CloudEvent signed by
// `purchase`. A refusal says what is wrong, never what was in it.

import { isUtf8 } from 'node:buffer';
import { isSigned } from '#lib/http/signature.ts';
import { eventType } from '#lib/names.ts';
import { batchIdOf, type OrderEvent, orderEventSchema, unitsIn } from '#lib/order-event.ts';
import { productIdOf } from '#lib/order-id.ts';
import type { Span } from '#lib/telemetry/tracing.ts';
import { type HeaderFields, type Malformed, mediaTypeOf, readCloudEvent } from './content-modes.ts';

/** One event, checked: its signature is ours and its parts agree with each other. */
export interface OrderBatch {
  readonly batchId: string;
  readonly event: OrderEvent;
  /** When it was accepted, in epoch milliseconds; the consume delay counts from here. */
  readonly acceptedAtMs: number;
  /** Of this delivery, for each of its orders that is sampled; see `trace-event.ts`. */
  readonly spans?: readonly Span[];
}

/** Why an event can never be read, for a person; free of the event's content. */
export interface Refusal {
  readonly refused: string;
}

/** A refusal by who reads, with its reason as metrics know it. */
export interface Unreadable extends Refusal {
  readonly reason: Malformed['reason'] | 'type' | 'version' | 'signature' | 'schema';
}

/** Reads, verifies and checks the batch in a request. `body` is as it came, byte by byte. */
export function readOrderBatch(
  headers: HeaderFields,
  body: Buffer,
  signingKeys: readonly string[],
): OrderBatch | Unreadable {
  const read = readCloudEvent(headers, body);
  if ('refused' in read) return read;
  const { id: batchId, type, subject, timeMs, contentType, signature, data } = read;
  if (type !== eventType) return refusalOfType(type);
  if (mediaTypeOf(contentType) !== 'application/json') {
    return { refused: 'content-type of data is not application/json', reason: 'content_type' };
  }
  if (!isSigned(signingKeys, batchId, data, signature)) {
    const refused = 'ce-signature is missing or does not match ce-id and data';
    return { refused, reason: 'signature' };
  }
  const parsed = orderEventSchema.safeParse(parseJson(data));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const path = ['data', ...(issue?.path ?? [])].map(String).join('.');
    return { refused: `${path}: ${issue?.message ?? 'malformed'}`, reason: 'schema' };
  }
  const event = parsed.data;
  const disagreement = disagreementIn(event, batchId, subject);
  if (disagreement !== undefined) return { refused: disagreement, reason: 'schema' };
  return { batchId, event, acceptedAtMs: timeMs ?? event.acceptedAt / 1_000 };
}

/** A newer version shows a writer that came before its readers, which is worth an alarm. */
function refusalOfType(type: string): Unreadable {
  const [, family = ''] = /^(.*\.)v\d+$/.exec(eventType) ?? [];
  const version = type.startsWith(family) ? type.slice(family.length) : '';
  if (!/^v\d{1,4}$/.test(version))
    return { refused: `ce-type is not ${eventType}`, reason: 'type' };
  return { refused: `ce-type is of version ${version}, read is ${eventType}`, reason: 'version' };
}

/** The value, or undefined where it is no JSON (which JSON itself cannot say). */
function parseJson(body: Buffer): unknown {
  if (!isUtf8(body)) return undefined;
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
}

/** What no schema can say: the id, the subject and the orders must be about the same sale. */
function disagreementIn(
  { productId, generation, orders }: OrderEvent,
  batchId: string,
  subject: string | undefined,
): string | undefined {
  if (subject !== undefined && subject !== productId) return 'ce-subject is not data.productId';
  const batchNumber = /\.(\d{1,15})$/.exec(batchId)?.[1];
  if (
    batchNumber === undefined ||
    batchId !== batchIdOf(productId, generation, Number(batchNumber))
  ) {
    return 'ce-id is not productId.generation.number of data';
  }
  for (const [index, { orderId, quantity, units }] of orders.entries()) {
    const at = `data.orders.${index}`;
    if (productIdOf(orderId) !== productId) return `${at}.orderId is of another product`;
    if (unitsIn(units) !== quantity) return `${at}.units are not as many as its quantity`;
  }
  return undefined;
}
