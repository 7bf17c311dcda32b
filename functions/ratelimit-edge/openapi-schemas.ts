// The shapes of the public API's bodies, as JSON Schema. A test holds real answers against them.

import { limitMax, tiers } from '#lib/buckets/limits.ts';
import {
  idempotencyKeyPattern,
  orderIdPattern,
  productIdPattern,
  quantityMax,
} from '#lib/constants.ts';
import { boardKinds } from '#lib/names.ts';
import { OUTCOMES } from '#lib/outcome.ts';

export type Schema = Readonly<Record<string, unknown>>;

const text = { type: 'string' } as const;
const whole = { type: 'integer', minimum: 0 } as const;
const instant = { type: 'string', format: 'date-time' } as const;
const instantOrNone = { anyOf: [instant, { type: 'null' }] } as const;
const currency = { type: 'string', minLength: 3, maxLength: 3 } as const;
const price = { ...whole, description: "In the currency's smallest unit." };

export const productId = { type: 'string', pattern: productIdPattern.source } as const;
export const orderId = { type: 'string', pattern: orderIdPattern.source } as const;
export const idempotencyKey = { type: 'string', pattern: idempotencyKeyPattern.source } as const;
export const boardKind = { type: 'string', enum: boardKinds } as const;
export const tier = { type: 'string', enum: tiers } as const;
const quantity = { type: 'integer', minimum: 1, maximum: quantityMax } as const;

const limit = object({
  rate: { type: 'integer', minimum: 1, maximum: limitMax, description: 'Tokens a second.' },
  capacity: { type: 'integer', minimum: 1, maximum: limitMax, description: 'Tokens.' },
});

const place = object(
  {
    rank: { type: 'integer', minimum: 1 },
    name: { ...text, description: 'A pseudonym of this buyer in this sale.' },
    score: { type: 'number' },
    firstAt: instant,
    quantity: { type: 'integer', minimum: 1 },
  },
  ['firstAt', 'quantity'],
);

export const schemas: Readonly<Record<string, Schema>> = {
  Purchase: object({ quantity }),
  Acceptance: object({ orderId, productId, quantity }),
  Product: object({
    productId,
    name: text,
    unitPrice: price,
    currency,
    stock: whole,
    left: { ...whole, description: 'Roughly, while the sale runs.' },
    state: { type: 'string', enum: ['scheduled', 'open', 'paused', 'sold_out', 'ended'] },
    opensAt: instantOrNone,
    closesAt: instantOrNone,
    now: { ...instantOrNone, description: "The server's clock." },
    limitPerUser: { type: 'integer', minimum: 1 },
  }),
  Order: object(
    {
      orderId,
      productId,
      quantity,
      status: {
        type: 'string',
        enum: ['pending', 'accepted', 'confirmed', 'cancelled', 'rejected'],
      },
      unitPrice: price,
      currency,
      acceptedAt: instant,
      reason: text,
    },
    ['reason'],
  ),
  Place: place,
  Board: object({ productId, by: boardKind, entries: { type: 'array', items: place }, me: place }, [
    'me',
  ]),
  HotProduct: object({ rank: { type: 'integer', minimum: 1 }, productId, sold: whole }),
  Limit: limit,
  Limits: object({
    user: limit,
    ip: { anyOf: [limit, { type: 'null' }] },
    product: limit,
    global: limit,
    products: { type: 'object', additionalProperties: limit },
  }),
  Problem: {
    description: 'RFC 9457. `outcome` is stable; `detail` names the field that is wrong.',
    type: 'object',
    properties: {
      type: text,
      title: text,
      status: { type: 'integer' },
      outcome: { type: 'string', enum: Object.keys(OUTCOMES) },
      detail: text,
      opensAt: { ...instant, description: 'With `not_open`, where it is known.' },
      left: { ...whole, description: 'With `sold_out`: above 0 a smaller quantity may do.' },
      tier: { ...tier, description: 'With `rate_limited`.' },
    },
    required: ['type', 'title', 'status', 'outcome'],
  },
};

/** A reference to one of the schemas above. */
export function ref(name: string): Schema {
  if (!Object.hasOwn(schemas, name)) throw new Error(`there is no schema ${name}`);
  return { $ref: `#/components/schemas/${name}` };
}

export function listOf(name: string, items: Schema): Schema {
  return object({ [name]: { type: 'array', items } });
}

function object(
  properties: Readonly<Record<string, Schema>>,
  optional: readonly string[] = [],
): Schema {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { type: 'object', properties, required };
}
