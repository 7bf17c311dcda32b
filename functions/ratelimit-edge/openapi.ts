// The API as OpenAPI 3.1. Statuses and texts come from the table in lib/outcome.ts, and tests drive
// the operations and hold the answers against this document.

import type { Outcome } from '#lib/outcome.ts';
import { json } from './answers.ts';
import { boardLimitMax } from './boards.ts';
import { operatorPaths } from './openapi-operator.ts';
import { answer, eventsOf, operation, parameter, problems } from './openapi-parts.ts';
import { listOf, ref, schemas } from './openapi-schemas.ts';
import * as shape from './openapi-shapes.ts';

const identity = ['unauthenticated', 'unavailable'] as const;
const body = ['malformed', 'wrong_type', 'too_large'] as const;

const location = { Location: 'Where the order is.' };

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
        202: answer(ref('Acceptance'), 'accepted', location),
        200: answer(ref('Acceptance'), 'replayed', {
          ...location,
          'Idempotency-Replayed': 'Always `true`.',
        }),
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
      answers: {
        200: answer(listOf('orders', ref('Order'))),
        ...problems(...identity, 'rate_limited'),
      },
    }),
  },
  '/api/orders/{orderId}': {
    get: operation('One of your orders', {
      isForUsers: true,
      parameters: [parameter('orderId', 'path', shape.orderId)],
      answers: {
        200: answer(ref('Order')),
        ...problems(...identity, 'forbidden', 'not_found', 'rate_limited'),
      },
    }),
  },
  '/sign-in.json': {
    get: operation('Where buyers sign in: nothing where no OpenID provider is configured', {
      answers: { 200: answer(ref('SignIn')), ...problems('unavailable') },
    }),
  },
  '/api/orders/{orderId}/events': {
    get: operation('What becomes of one of your orders, as it comes; at most 30 s', {
      isForUsers: true,
      parameters: [
        parameter('orderId', 'path', shape.orderId),
        parameter('Last-Event-ID', 'header', shape.text),
      ],
      answers: {
        200: eventsOf(ref('Order'), 'Events `order`; the id of each is the status'),
        204: { description: 'Nothing comes after the last event that you have', content: {} },
        ...problems(...identity, 'forbidden', 'not_found', 'rate_limited'),
      },
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
  ...operatorPaths,
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
