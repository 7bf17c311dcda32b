// The event that carries one batch of accepted orders from `purchase` to the two sinks.
// The Lua call writes its data (`lib/sale/sell-4.lua`); these are its shape and its headers.
// Version rule: a field may be added under v1; readers ignore what they don't know. Anything
// else is a new type (`….v2`), and readers of both ship one release before its first writer.
// `order-event.v1.golden.json` is one as it was written, and is read for ever.

import * as z from 'zod';
import {
  eventOrdersMax,
  orderIdPattern,
  productIdPattern,
  quantityMax,
  userIdBytesMax,
} from '#lib/constants.ts';
import { eventSource, eventType } from '#lib/names.ts';

/** As far as MySQL's INT goes. */
const count = z.int().positive().max(2_147_483_647);
/** Epoch microseconds by Redis' clock: exact in a double until the year 2255, as DATETIME(6). */
const epochUs = z.int().positive();

/** Unit numbers from first to last, both included. */
const unitRangeSchema = z
  .tuple([count, count])
  .refine(([first, last]) => first <= last, 'a range of units ends before it starts');

const eventOrderSchema = z.object({
  orderId: z.string().regex(orderIdPattern),
  // utf8mb4 has no half characters.
  userId: z
    .string()
    .min(1)
    .max(userIdBytesMax)
    .refine((id) => id.isWellFormed(), 'has half a character'),
  quantity: count.max(quantityMax),
  units: z.array(unitRangeSchema).min(1).max(quantityMax),
  /** When this user first bought in this sale; unique within the sale. */
  userFirstAt: epochUs,
  /** Running totals after this order: of this user, and of the sale. */
  userQuantity: count,
  sold: count,
  /** W3C trace context, level 1. One that is none costs no order: it is left out. */
  traceparent: z
    .string()
    .regex(/^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/)
    .optional()
    .catch(undefined),
});

/**
 * The data of an event. What has passed is written by MySQL and Redis without an error of its
 * values: no bound here is wider than the column behind it.
 */
export const orderEventSchema = z.object({
  productId: z.string().regex(productIdPattern),
  generation: count,
  acceptedAt: epochUs,
  /** In the currency's smallest unit. */
  unitPrice: z.int().nonnegative(),
  currency: z.string().regex(/^[A-Z]{3}$/),
  orders: z.array(eventOrderSchema).min(1).max(eventOrdersMax),
});

export type UnitRange = readonly [first: number, last: number];
export type OrderEvent = z.infer<typeof orderEventSchema>;
export type EventOrder = z.infer<typeof eventOrderSchema>;

/** The event that these data are; undefined where this release cannot read them. */
export function readOrderEvent(data: string): OrderEvent | undefined {
  try {
    return orderEventSchema.safeParse(JSON.parse(data)).data;
  } catch {
    return undefined;
  }
}

const traceparentMember = /"traceparent":"(00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2})"/g;

/**
 * The trace contexts of the sampled orders in an event's data, as they stand there. Nothing that a
 * buyer has chosen can look like one: within a JSON string there is no quote without a backslash.
 */
export function traceparentsIn(data: string): string[] {
  // Most events have none, and this is many times as fast to say so.
  if (!data.includes('"traceparent":"')) return [];
  return [...data.matchAll(traceparentMember)].map(([, traceparent = '']) => traceparent);
}

/** A batch is named by its sale, the sale's generation and its number in the sale. */
export function batchIdOf(productId: string, generation: number, batchNumber: number): string {
  return `${productId}.${generation}.${batchNumber}`;
}

/** The generation that the name of a batch of this sale tells; undefined where it is no such name. */
export function generationIn(productId: string, batchId: string): number | undefined {
  if (!batchId.startsWith(`${productId}.`)) return undefined;
  const [, generation] =
    /^([1-9]\d{0,8})\.[1-9]\d*$/.exec(batchId.slice(productId.length + 1)) ?? [];
  return generation === undefined ? undefined : Number(generation);
}

/** The CloudEvents attributes of a batch, without their transport's prefix (`ce_`, `ce-`). */
export type EventAttributes = Readonly<
  Record<'specversion' | 'id' | 'type' | 'source' | 'subject' | 'time' | 'partitionkey', string>
>;

/** The attributes of a batch accepted at `acceptedAtUs` (epoch microseconds). */
export function eventAttributes(
  productId: string,
  batchId: string,
  acceptedAtUs: number,
): EventAttributes {
  return {
    specversion: '1.0',
    id: batchId,
    type: eventType,
    source: eventSource,
    subject: productId,
    time: isoTimeOf(acceptedAtUs),
    partitionkey: batchId,
  };
}

/** RFC 3339 with microseconds, as `ce_time` and MySQL's DATETIME(6) both carry them. */
export function isoTimeOf(epochUsValue: number): string {
  const milliseconds = Math.floor(epochUsValue / 1_000);
  const microseconds = String(epochUsValue % 1_000).padStart(3, '0');
  return `${new Date(milliseconds).toISOString().slice(0, -1)}${microseconds}Z`;
}

/** The reverse of `isoTimeOf`; NaN where the text is no time. */
export function epochUsOf(isoTime: string): number {
  const fraction = /\.(\d+)Z$/.exec(isoTime)?.[1] ?? '';
  const seconds = Date.parse(isoTime.replace(/\.\d+Z$/, 'Z'));
  return seconds * 1_000 + Number(fraction.padEnd(6, '0').slice(0, 6));
}

/** How many units a list of ranges holds. */
export function unitsIn(ranges: readonly UnitRange[]): number {
  return ranges.reduce((sum, [first, last]) => sum + last - first + 1, 0);
}
