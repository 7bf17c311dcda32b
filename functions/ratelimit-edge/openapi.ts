// The public API as OpenAPI 3.1. Statuses and texts come from the table in lib/outcome.ts, and a
// test drives the operations and holds the answers against this document.

import { OUTCOMES, type Outcome } from '#lib/outcome.ts';
import { json } from './answers.ts';
import { boardLimitMax } from './boards.ts';
import * as shape from './openapi-schemas.ts';
import { listOf, ref, type Schema, schemas } from './openapi-schemas.ts';

const identity = ['unauthenticated', 'unavailable'] as const;
const body = ['malformed', 'wrong_type', 'too_large'] as const;

const productParameter = parameter('productId', 'path', shape.productId);
const limitParameter = parameter('limit', 'query', {
  type: 'integer',
  minimum: 1,
  maximum: boardLimitMax,
  default: 10,
});

const paths = {
  '/api/products': {
    get: operation('What is on sale', {
      answers: { 200: answer(listOf('products', ref('Product'))), ...problems('unavailable') },
    }),
  },
  '/api/products/{productId}': {
    get: operation('One product', {
      parameters: [productParameter],
      answers: { 200: answer(ref('Product')), ...problems('unknown_product', 'unavailable') },
    }),
  },
  '/api/products/{productId}/purchase': {
    post: operation('Buys. Sent again with the same key it is the same purchase', {
      isForUsers: true,
      parameters: [
        productParameter,
        { ...parameter('Idempotency-Key', 'header', shape.idempotencyKey), required: true },
      ],
      body: ref('Purchase'),
      answers: {
        202: answer(ref('Acceptance'), 'accepted', { Location: 'Where the order is.' }),
        200: answer(ref('Acceptance'), 'replayed', { 'Idempotency-Replayed': 'true' }),
        ...problems(
          ...identity,
          ...body,
          'key_reused',
          'limit_reached',
          'not_open',
          'ended',
          'paused',
          'sold_out',
          'rate_limited',
          'unknown_product',
        ),
      },
    }),
  },
  '/api/products/{productId}/leaderboard': {
    get: operation('Who bought first, or most; with a token also where you stand', {
      parameters: [
        productParameter,
        parameter('by', 'query', { ...shape.boardKind, default: 'speed' }),
        limitParameter,
      ],
      answers: {
        200: answer(ref('Board')),
        ...problems('malformed', 'unknown_product', 'unavailable'),
      },
    }),
  },
  '/api/leaderboard/products': {
    get: operation('Products by units sold', {
      parameters: [limitParameter],
      answers: {
        200: answer(listOf('entries', ref('HotProduct'))),
        ...problems('malformed', 'unavailable'),
      },
    }),
  },
  '/api/orders': {
    get: operation('Your orders, newest first', {
      isForUsers: true,
      answers: { 200: answer(listOf('orders', ref('Order'))), ...problems(...identity) },
    }),
  },
  '/api/orders/{orderId}': {
    get: operation('One of your orders', {
      isForUsers: true,
      parameters: [parameter('orderId', 'path', shape.orderId)],
      answers: { 200: answer(ref('Order')), ...problems(...identity, 'forbidden', 'not_found') },
    }),
  },
  '/operator/limits': {
    get: operation('The rate limits', {
      isForUsers: true,
      answers: { 200: answer(ref('Limits')), ...problems(...identity, 'forbidden') },
    }),
  },
  '/operator/limits/{tier}': {
    put: operation('Sets a limit, from a second later on', {
      ...changeOfLimit('wrong_type', 'too_large'),
      body: ref('Limit'),
    }),
    delete: operation('Puts the default of a limit back', changeOfLimit()),
  },
};

const document = {
  openapi: '3.1.0',
  info: { title: 'seckill', version: '1', description: 'Flash sales that never oversell.' },
  paths,
  components: {
    schemas,
    securitySchemes: { token: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
  },
};
const documentText = JSON.stringify(document);

export function answerOpenApi(): Response {
  return json(documentText, { 'cache-control': 'no-cache' });
}

function changeOfLimit(...more: readonly Outcome[]) {
  return {
    isForUsers: true,
    parameters: [
      parameter('tier', 'path', shape.tier),
      parameter('product', 'query', shape.productId),
    ],
    answers: {
      200: answer(ref('Limits')),
      ...problems(...identity, 'malformed', 'forbidden', 'not_found', 'unknown_product', ...more),
    },
  };
}

interface OperationParts {
  readonly isForUsers?: boolean;
  readonly parameters?: readonly Schema[];
  readonly body?: Schema;
  readonly answers: Readonly<Record<string, Schema>>;
}

function operation(summary: string, parts: OperationParts): Schema {
  const { isForUsers = false, parameters = [], body: schema, answers } = parts;
  const content = { 'application/json': { schema } };
  return {
    summary,
    ...(isForUsers ? { security: [{ token: [] }] } : {}),
    parameters,
    ...(schema === undefined ? {} : { requestBody: { required: true, content } }),
    responses: answers,
  };
}

function parameter(name: string, where: 'path' | 'query' | 'header', schema: Schema): Schema {
  return { name, in: where, required: where === 'path', schema };
}

function answer(
  schema: Schema,
  outcome?: Outcome,
  headers: Readonly<Record<string, string>> = {},
): Schema {
  return {
    description: outcome === undefined ? 'Done' : OUTCOMES[outcome].title,
    headers: Object.fromEntries(
      Object.entries(headers).map(([name, description]) => [
        name,
        { description, schema: { type: 'string' } },
      ]),
    ),
    content: { 'application/json': { schema } },
  };
}

/** The answers to these outcomes, by status: several share one. */
function problems(...outcomes: readonly Outcome[]): Record<string, Schema> {
  const byStatus = Map.groupBy(outcomes, (outcome) => OUTCOMES[outcome].status);
  return Object.fromEntries(
    [...byStatus].map(([status, members]) => [
      String(status),
      {
        description: members.map((outcome) => OUTCOMES[outcome].title).join('; '),
        ...(status === 429 || status === 503
          ? { headers: { 'Retry-After': { schema: { type: 'integer', minimum: 1 } } } }
          : {}),
        content: {
          'application/problem+json': {
            schema: {
              allOf: [ref('Problem'), { properties: { outcome: { enum: members } } }],
            },
          },
        },
      },
    ]),
  );
}
