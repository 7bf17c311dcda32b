// The shapes of dead letters, and of what is decided about them.

import {
  arrayOf,
  instant,
  instantOrNone,
  object,
  productId,
  type Schema,
  text,
  whole,
} from './openapi-shapes.ts';

const orNone = (schema: Schema) => ({ anyOf: [schema, { type: 'null' }] });
const yes = { type: 'boolean' } as const;

export const letterId = {
  type: 'string',
  pattern: '^(persist-order|update-rank)/(0|[1-9]\\d{0,8})/(0|[1-9]\\d{0,14})$',
  description: 'Sink, partition and offset.',
} as const;

export const sink = { type: 'string', enum: ['persist-order', 'update-rank'] } as const;

const decision = object({
  action: { type: 'string', enum: ['replayed', 'dropped'] },
  operator: text,
  operationId: text,
  at: instant,
});

const ids = { ...arrayOf(letterId), minItems: 1, maxItems: 100 };
const lag = { type: 'object', additionalProperties: whole };

export const letterSchemas: Readonly<Record<string, Schema>> = {
  DeadLetter: object({
    id: letterId,
    sink,
    productId: orNone(productId),
    batchId: orNone(text),
    type: orNone(text),
    orders: { ...orNone(whole), description: 'How many it carries, if that can be read.' },
    bytes: whole,
    acceptedAt: instantOrNone,
    diedAt: instantOrNone,
    where: { ...orNone(text), description: 'Who refused it.' },
    code: { ...orNone({ type: 'integer' }), description: 'With which status.' },
    reason: { ...orNone(text), description: 'And why, in its own words.' },
    ours: { ...yes, description: 'Signed by a key of ours.' },
    readable: { ...yes, description: 'An event of our type and version.' },
    decision: { ...orNone(decision), description: 'What an operator decided; null: it is open.' },
  }),
  Replay: object(
    { ids, force: { ...yes, description: 'Also what is not ours, or was decided before.' } },
    ['force'],
  ),
  Drop: object({ ids }),
  DecidedLetter: object(
    {
      id: letterId,
      result: { type: 'string', enum: ['replayed', 'dropped', 'already_decided', 'refused'] },
      reason: text,
      decision,
    },
    ['reason', 'decision'],
  ),
  ReplayProgress: object({
    operationId: text,
    letters: whole,
    lag: { ...lag, description: 'Events that each sink has not answered for yet.' },
    delivered: yes,
    orders: { ...orNone(whole), description: 'Once all is delivered.' },
    rows: { ...orNone(whole), description: 'So many of these orders have a row.' },
    deadAgain: { ...orNone(arrayOf(letterId)), description: 'The letters that came of it.' },
  }),
};
