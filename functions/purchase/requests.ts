// The shapes of what is asked of `purchase`.

import type { Context } from 'hono';
import * as z from 'zod';
import {
  batchOrdersMax,
  orderIdPattern,
  productIdPattern,
  quantityMax,
  stockMax,
  unitPriceMax,
  userIdBytesMax,
} from '#lib/constants.ts';
import { reservedProductIds } from '#lib/names.ts';
import { epochUsOf } from '#lib/order-event.ts';
import { letterIdOf, placeOf } from './dead-letters/letter.ts';

export const purchasesSchema = z.object({
  purchases: z
    .array(
      z.object({
        orderId: z.string().regex(orderIdPattern),
        userId: z
          .string()
          .min(1)
          .max(userIdBytesMax)
          .refine((id) => id.isWellFormed(), 'has half a character'),
        quantity: z.int().positive().max(quantityMax),
        traceparent: z.string().max(64).optional(),
      }),
    )
    .min(1)
    .max(batchOrdersMax),
});

/** As wide as MySQL's column. */
const reasonMax = 64;

const instant = z.iso
  .datetime({ offset: true, error: 'must be a time in ISO 8601, like 2026-11-22T20:00:00Z' })
  .transform((text) => epochUsOf(new Date(text).toISOString()));

export const newSaleSchema = z
  .strictObject({
    productId: z
      .string()
      .regex(productIdPattern, 'must be 1 to 64 of A-Z, a-z, 0-9, _ and -')
      .refine((id) => !reservedProductIds.has(id), 'is a reserved name'),
    name: z.string().trim().min(1).max(200),
    stock: z.int().positive().max(stockMax),
    unitPrice: z.int().nonnegative().max(unitPriceMax),
    currency: z
      .string()
      .regex(/^[A-Z]{3}$/, 'must be a currency code of ISO 4217, like CNY')
      .default('CNY'),
    limitPerUser: z.int().positive().max(stockMax),
    opensAt: instant.nullish(),
    closesAt: instant.nullish(),
  })
  .transform(({ opensAt, closesAt, ...sale }) => ({
    ...sale,
    opensAtUs: opensAt ?? null,
    closesAtUs: closesAt ?? null,
  }))
  .refine(({ opensAtUs, closesAtUs }) => closesAtUs === null || closesAtUs > (opensAtUs ?? 0), {
    path: ['closesAt'],
    message: 'must be later than opensAt',
  });

export const restockSchema = z.strictObject({ units: z.int().positive().max(stockMax) });

/** Nobody needs to give a reason, nor to send a body for that. */
export const cancelSchema = z
  .strictObject({
    reason: z.string().trim().min(1).max(reasonMax).nullish(),
  })
  .optional();

export const eraseSchema = z.strictObject({ userId: z.string().min(1).max(userIdBytesMax) });

const pageOf = (preset: number, max: number) =>
  z.coerce.number().int().positive().max(max).default(preset);

export const ordersQuerySchema = z.strictObject({
  productId: z.string().regex(productIdPattern),
  userId: z.string().min(1).max(userIdBytesMax).optional(),
  status: z.enum(['confirmed', 'rejected', 'cancelled']).optional(),
  after: z.string().regex(orderIdPattern).optional(),
  limit: pageOf(100, 1_000),
});

export const logQuerySchema = z.strictObject({ limit: pageOf(200, 1_000) });

/** As many sales as are loaded while one request waits. */
const warmedAtOnceMax = 500;

export const warmSchema = z.strictObject({
  productIds: z.array(z.string().regex(productIdPattern)).min(1).max(warmedAtOnceMax),
});

const letterId = z.string().transform((id, context) => {
  const place = placeOf(id);
  if (place) return place;
  context.addIssue({ code: 'custom', message: 'must be like persist-order/0/17' });
  return z.NEVER;
});

/** As many as are decided while one request waits. */
const lettersAtOnceMax = 100;

export const lettersQuerySchema = z.strictObject({
  sink: z.enum(['persist-order', 'update-rank']).optional(),
  productId: z.string().regex(productIdPattern).optional(),
  all: z.enum(['true', 'false']).default('false'),
  after: letterId.optional(),
  limit: pageOf(100, 500),
});

export const dropSchema = z.strictObject({
  ids: z
    .array(letterId)
    .min(1)
    .max(lettersAtOnceMax)
    .refine((ids) => new Set(ids.map(letterIdOf)).size === ids.length, 'names a letter twice'),
});

export const replaySchema = dropSchema.extend({ force: z.boolean().default(false) });

export const operationSchema = z.object({
  operationId: z.string().regex(/^[A-Za-z0-9_-]{8,50}$/, 'must be 8 to 50 of A-Z, a-z, 0-9, _, -'),
  operator: z.string().min(1).max(userIdBytesMax),
});

const issuesMax = 10;

/** The body as JSON, or undefined where it is none. */
export async function readJson(context: Context): Promise<unknown> {
  try {
    return JSON.parse(await context.req.text());
  } catch {
    return undefined;
  }
}

/** What is wrong, field by field, in one line; of a long list, the first ones. */
export function describeIssues(error: z.ZodError): string {
  return error.issues
    .slice(0, issuesMax)
    .map(({ path, message }) => (path.length > 0 ? `${path.join('.')}: ${message}` : message))
    .join('; ');
}
