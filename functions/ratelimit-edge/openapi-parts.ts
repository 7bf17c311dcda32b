// What an operation of the OpenAPI document is made of. Statuses and texts come from the table in
// lib/outcome.ts.

import { OUTCOMES, type Outcome } from '#lib/outcome.ts';
import { ref } from './openapi-schemas.ts';
import type { Schema } from './openapi-shapes.ts';

interface OperationParts {
  readonly isForUsers?: boolean;
  readonly parameters?: readonly Schema[];
  readonly body?: Schema;
  readonly isBodyOptional?: boolean;
  readonly answers: Readonly<Record<string, Schema>>;
}

export function operation(summary: string, parts: OperationParts): Schema {
  const { isForUsers = false, parameters = [], body: schema, answers } = parts;
  const required = parts.isBodyOptional !== true;
  const content = { 'application/json': { schema } };
  return {
    summary,
    ...(isForUsers ? { security: [{ token: [] }] } : {}),
    parameters,
    ...(schema === undefined ? {} : { requestBody: { required, content } }),
    responses: answers,
  };
}

export function parameter(
  name: string,
  where: 'path' | 'query' | 'header',
  schema: Schema,
): Schema {
  return { name, in: where, required: where === 'path', schema };
}

export function answer(
  schema: Schema,
  outcome?: Outcome,
  headers: Readonly<Record<string, string>> = {},
): Schema {
  return {
    description: outcome === undefined ? 'Done' : OUTCOMES[outcome].title,
    headers: Object.fromEntries(
      Object.entries(headers).map(([name, description]) => [
        name,
        { description, required: true, schema: { type: 'string' } },
      ]),
    ),
    content: { 'application/json': { schema } },
  };
}

/** An answer of server-sent events, the `data` of each of which is such JSON. */
export function eventsOf(schema: Schema, description: string): Schema {
  const media = { schema: { type: 'string' }, 'x-event-data': schema };
  const unbuffered = { description: 'no: for proxies', schema: { type: 'string' } };
  const headers = { 'X-Accel-Buffering': unbuffered };
  return { description, headers, content: { 'text/event-stream': media } };
}

/** The answers to these outcomes, by status: several share one. */
export function problems(...outcomes: readonly Outcome[]): Record<string, Schema> {
  const byStatus = Map.groupBy(outcomes, (outcome) => OUTCOMES[outcome].status);
  return Object.fromEntries(
    [...byStatus].map(([status, members]) => [
      String(status),
      {
        description: members.map((outcome) => OUTCOMES[outcome].title).join('; '),
        ...headersOf(status),
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

const retryAfter = { 'Retry-After': { required: true, schema: { type: 'integer', minimum: 1 } } };
const challenge = { 'WWW-Authenticate': { required: true, schema: { type: 'string' } } };
const limited = {
  ...retryAfter,
  'RateLimit-Policy': {
    description: 'Of the tier that has refused: as many (q) in so many seconds (w).',
    required: true,
    schema: { type: 'string', examples: ['"user";q=100;w=2'] },
  },
  RateLimit: {
    description: 'How many are left (r) until then (t, seconds).',
    required: true,
    schema: { type: 'string', examples: ['"user";r=0;t=1'] },
  },
};

function headersOf(status: number): { readonly headers?: Schema } {
  if (status === 401) return { headers: challenge };
  if (status === 429) return { headers: limited };
  return status === 503 ? { headers: retryAfter } : {};
}
