// The shapes of what operators ask and are told, and of what buyers see of the same things.

import { stockMax, unitPriceMax } from '#lib/constants.ts';
import { letterSchemas } from './openapi-letter-schemas.ts';
import {
  arrayOf,
  currency,
  instant,
  instantOrNone,
  object,
  orderId,
  price,
  productId,
  quantity,
  type Schema,
  text,
  whole,
} from './openapi-shapes.ts';

const units = { type: 'integer', minimum: 1, maximum: stockMax } as const;
const yes = { type: 'boolean' } as const;
const texts = arrayOf(text);

export const product = {
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
};

export const order = {
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
};

const operatorOrder = { ...order, userId: text };

/** Orders that have a row. */
export const rowStatus = {
  type: 'string',
  enum: ['confirmed', 'rejected', 'cancelled'],
} as const;

export const operatorSchemas: Readonly<Record<string, Schema>> = {
  ...letterSchemas,
  Diagnosis: object({
    at: instant,
    ok: { ...yes, description: 'Nothing is wrong, and everything could be told.' },
    checks: arrayOf(
      object(
        {
          area: text,
          name: text,
          result: { type: 'string', enum: ['ok', 'advice', 'wrong', 'unknown'] },
          found: text,
          why: text,
          todo: text,
        },
        ['why', 'todo'],
      ),
    ),
  }),
  NewSale: object(
    {
      productId,
      name: { ...text, minLength: 1, maxLength: 200 },
      stock: units,
      unitPrice: { ...price, maximum: unitPriceMax },
      currency: { ...currency, default: 'CNY' },
      limitPerUser: units,
      opensAt: { ...instantOrNone, description: 'Without it, the sale is opened by hand.' },
      closesAt: instantOrNone,
    },
    ['currency', 'opensAt', 'closesAt'],
  ),
  Sale: object({
    ...product,
    sold: whole,
    pending: { ...whole, description: 'Orders that Kafka has not acknowledged yet.' },
    generation: { ...whole, description: 'How often it was loaded into Redis.' },
    loaded: { ...yes, description: 'Whether Redis holds it.' },
    settled: { ...yes, description: 'Closed, and every accepted order is a row.' },
  }),
  Restock: object({ units: { ...units, description: 'How many more are put on sale.' } }),
  WarmMany: object({ productIds: { ...arrayOf(productId), minItems: 1 } }),
  Warmed: object(
    {
      productId,
      result: { type: 'string', enum: ['loaded', 'was_loaded', 'failed'] },
      reason: text,
    },
    ['reason'],
  ),
  Cancellation: object({ reason: { ...text, minLength: 1, maxLength: 64 } }, ['reason']),
  Erase: object({ userId: { ...text, minLength: 1, maxLength: 128 } }),
  Erasure: object({ sales: arrayOf(object({ productId, orders: { type: 'integer' } })) }),
  OperatorOrder: object(operatorOrder, ['reason']),
  OrderDetails: object(
    {
      ...operatorOrder,
      units: {
        ...arrayOf({ type: 'array', items: units, minItems: 2, maxItems: 2 }),
        description: 'Ranges of unit numbers, once the row is there and unless it is cancelled.',
      },
    },
    ['reason'],
  ),
  AuditLine: object({
    operationId: text,
    operator: text,
    action: {
      type: 'string',
      enum: [
        ...['create', 'open', 'pause', 'restock', 'close', 'settle', 'cancel', 'ignore_unsigned'],
        ...['replay_letters', 'drop_letters'],
      ],
    },
    at: instant,
    details: { type: 'object', description: 'What it came to, as absolute values.' },
  }),
  Verdict: object({
    ...{ stock: whole, sold: whole, rows: whole, units: whole },
    ...{ oversold: whole, lost: whole, duplicated: whole, ranked: whole },
    ok: { ...yes, description: 'Every promise holds, and nothing is under way.' },
    pending: whole,
    known: yes,
    settling: { ...yes, description: 'Nothing is wrong, but something is under way.' },
    problems: texts,
    waiting: texts,
  }),
  Reconciliation: object({
    ...{ productId, ok: yes, oversold: whole, lost: whole, deep: yes, dryRun: yes },
    ...{ generation: whole, orders: whole, rows: whole },
    lag: { type: 'object', additionalProperties: whole },
    differences: arrayOf(
      object({
        ...{ code: text, count: whole, found: text },
        repair: { anyOf: [text, { type: 'null' }] },
        repaired: yes,
      }),
    ),
    warnings: texts,
    waiting: texts,
  }),
};
