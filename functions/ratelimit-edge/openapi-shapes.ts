// What the shapes of the API's bodies are made of, as JSON Schema.

import { tiers } from '#lib/buckets/limits.ts';
import {
  idempotencyKeyPattern,
  orderIdPattern,
  productIdPattern,
  quantityMax,
} from '#lib/constants.ts';
import { boardKinds } from '#lib/names.ts';

export type Schema = Readonly<Record<string, unknown>>;

export const text = { type: 'string' } as const;
export const whole = { type: 'integer', minimum: 0 } as const;
export const instant = { type: 'string', format: 'date-time' } as const;
export const instantOrNone = { anyOf: [instant, { type: 'null' }] } as const;
export const currency = { type: 'string', minLength: 3, maxLength: 3 } as const;
export const price = { ...whole, description: "In the currency's smallest unit." };

export const productId = { type: 'string', pattern: productIdPattern.source } as const;
export const orderId = { type: 'string', pattern: orderIdPattern.source } as const;
export const idempotencyKey = { type: 'string', pattern: idempotencyKeyPattern.source } as const;
export const boardKind = { type: 'string', enum: boardKinds } as const;
export const tier = { type: 'string', enum: tiers } as const;
export const quantity = { type: 'integer', minimum: 1, maximum: quantityMax } as const;

/** An object; all of its members are there, but for the optional ones. */
export function object(
  properties: Readonly<Record<string, Schema>>,
  optional: readonly string[] = [],
): Schema {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { type: 'object', properties, required };
}

export function arrayOf(items: Schema): Schema {
  return { type: 'array', items };
}
