// What operators may do with sales, orders and dead letters, as OpenAPI paths. The edge passes these on to
// `purchase` (functions/purchase/operator-routes.ts), whose tests hold its answers against them.

import type { Outcome } from '#lib/outcome.ts';
import { letterId, sink } from './openapi-letter-schemas.ts';
import { rowStatus } from './openapi-operator-schemas.ts';
import { answer, operation, parameter, problems } from './openapi-parts.ts';
import { listOf, ref } from './openapi-schemas.ts';
import { object, orderId, productId, type Schema } from './openapi-shapes.ts';

const identity = ['unauthenticated', 'forbidden', 'unavailable'] as const;
const body = ['malformed', 'too_large'] as const;

const product = parameter('productId', 'path', productId);
const order = parameter('orderId', 'path', orderId);
const operationId = {
  ...parameter('operation-id', 'header', { type: 'string', pattern: '^[A-Za-z0-9_-]{8,50}$' }),
  required: true,
  description: 'Names the change: sent again with the same id it is made once.',
};
const limit = (preset: number, maximum = 1_000) =>
  parameter('limit', 'query', { type: 'integer', minimum: 1, maximum, default: preset });

interface Parts {
  readonly parameters?: readonly Schema[];
  readonly body?: Schema;
  readonly isBodyOptional?: boolean;
}

function read(summary: string, schema: Schema, parts: Parts, ...outcomes: Outcome[]): Schema {
  return operation(summary, {
    ...parts,
    isForUsers: true,
    answers: { 200: answer(schema), ...problems(...identity, ...outcomes) },
  });
}

/** A change of a sale that is asked for by its name alone. */
function change(summary: string): { readonly post: Schema } {
  const parts = { parameters: [product, operationId] };
  const outcomes = [...body, 'unknown_product', 'conflict'] as const;
  return { post: read(summary, ref('Sale'), parts, ...outcomes) };
}

const ofSale = '/operator/sales/{productId}';

const salePaths = {
  '/operator/sales': {
    get: read('All sales, the newest first', listOf('sales', ref('Sale')), {}),
    post: operation('Puts a product on sale', {
      isForUsers: true,
      parameters: [operationId],
      body: ref('NewSale'),
      answers: { 201: answer(ref('Sale')), ...problems(...identity, ...body, 'conflict') },
    }),
  },
  '/operator/sales/warm': {
    post: read(
      'Loads many sales into Redis',
      listOf('sales', ref('Warmed')),
      { body: ref('WarmMany') },
      ...body,
    ),
  },
  [ofSale]: {
    get: read('One sale', ref('Sale'), { parameters: [product] }, 'unknown_product'),
  },
  [`${ofSale}/warm`]: change('Loads a sale into Redis'),
  [`${ofSale}/open`]: change('Opens a sale now, or ends a pause'),
  [`${ofSale}/pause`]: change('Refuses purchases until it is opened again'),
  [`${ofSale}/close`]: change('Ends a sale, and settles it once every order is a row'),
  [`${ofSale}/ignore-unsigned`]: change('Says that events without our signature are not ours'),
  [`${ofSale}/restock`]: {
    post: read(
      'Puts more units on sale, while buyers buy',
      ref('Sale'),
      { parameters: [product, operationId], body: ref('Restock') },
      ...([...body, 'unknown_product', 'conflict'] as const),
    ),
  },
  [`${ofSale}/reconcile`]: {
    post: read(
      'Compares the stores, and repairs what is provably safe',
      ref('Reconciliation'),
      {
        parameters: [
          product,
          {
            ...parameter('dryRun', 'query', { type: 'string' }),
            description: 'Given, whatever it says: nothing is repaired.',
          },
        ],
      },
      'too_large',
      'unknown_product',
      'conflict',
    ),
  },
  [`${ofSale}/verify`]: {
    get: read('Whether the promises hold', ref('Verdict'), { parameters: [product] }),
  },
  [`${ofSale}/log`]: {
    get: read(
      'What operators did, the newest last',
      listOf('log', ref('AuditLine')),
      { parameters: [product, limit(200)] },
      'malformed',
      'unknown_product',
    ),
  },
};

const orderPaths = {
  '/operator/orders': {
    get: read(
      'Orders of a sale that have a row, the newest first, page by page',
      object({
        orders: { type: 'array', items: ref('OperatorOrder') },
        next: {
          anyOf: [orderId, { type: 'null' }],
          description: 'What to ask `after` for the next page.',
        },
      }),
      {
        parameters: [
          { ...parameter('productId', 'query', productId), required: true },
          parameter('userId', 'query', { type: 'string' }),
          parameter('status', 'query', rowStatus),
          parameter('after', 'query', orderId),
          limit(100),
        ],
      },
      'malformed',
      'unknown_product',
    ),
  },
  '/operator/orders/{orderId}': {
    get: read('One order', ref('OrderDetails'), { parameters: [order] }, 'not_found'),
  },
  '/operator/orders/{orderId}/cancel': {
    post: read(
      'Cancels an order, and puts its units on sale again',
      ref('OrderDetails'),
      { parameters: [order, operationId], body: ref('Cancellation'), isBodyOptional: true },
      ...([...body, 'not_found', 'conflict'] as const),
    ),
  },
};

const ofLetters = '/operator/dead-letters';

/** What is decided about letters; each is answered with what became of it. */
const decision = (summary: string, shape: 'Replay' | 'Drop') => ({
  post: read(
    summary,
    listOf('letters', ref('DecidedLetter')),
    { parameters: [operationId], body: ref(shape) },
    ...([...body, 'not_found', 'conflict'] as const),
  ),
});

const letterPaths = {
  [ofLetters]: {
    get: read(
      'Dead letters that are open, page by page',
      object({
        letters: { type: 'array', items: ref('DeadLetter') },
        next: {
          anyOf: [letterId, { type: 'null' }],
          description: 'What to ask `after` for the next page, also after an empty one.',
        },
      }),
      {
        parameters: [
          parameter('sink', 'query', sink),
          parameter('productId', 'query', productId),
          {
            ...parameter('all', 'query', { type: 'boolean', default: false }),
            description: 'Those that were replayed or dropped, too.',
          },
          parameter('after', 'query', letterId),
          limit(100, 500),
        ],
      },
      'malformed',
    ),
  },
  [`${ofLetters}/replay`]: decision('Publishes letters again', 'Replay'),
  [`${ofLetters}/drop`]: decision('Says that letters are never to be consumed', 'Drop'),
  [`${ofLetters}/replays/{operationId}`]: {
    get: read(
      'What became of a replay',
      ref('ReplayProgress'),
      { parameters: [parameter('operationId', 'path', { type: 'string' })] },
      'not_found',
    ),
  },
};

const personPaths = {
  '/operator/erase': {
    post: read(
      'Removes a person from the sales that are settled',
      ref('Erasure'),
      { parameters: [operationId], body: ref('Erase') },
      ...([...body, 'conflict'] as const),
    ),
  },
};

const doctorPaths = {
  '/operator/doctor': {
    get: read('Whether the stores are reachable and rightly set', ref('Diagnosis'), {}),
  },
};

export const operatorPaths = {
  ...salePaths,
  ...orderPaths,
  ...letterPaths,
  ...personPaths,
  ...doctorPaths,
};
