// The document of the API is only as true as what holds answers against it.

import { expect, test } from 'vitest';
import { documentedAnswers, faultsOf, type Given, nameOf, type OpenApi } from './documented.ts';

const problemOf = (...outcomes: string[]) => ({
  schema: {
    allOf: [
      { $ref: '#/components/schemas/Problem' },
      { properties: { outcome: { enum: outcomes } } },
    ],
  },
});
const document: OpenApi = {
  openapi: '3.1.0',
  paths: {
    '/things/{id}': {
      get: {
        responses: {
          200: {
            headers: {
              Location: { required: true, schema: { type: 'string' } },
              'Idempotency-Replayed': { schema: { type: 'string', enum: ['true'] } },
            },
            content: { 'application/json': { schema: { $ref: '#/components/schemas/Thing' } } },
          },
          204: {},
          404: { content: { 'application/problem+json': problemOf('unknown', 'not_found') } },
          503: {
            headers: { 'Retry-After': { required: true, schema: { type: 'integer', minimum: 1 } } },
            content: { 'application/problem+json': problemOf('unavailable') },
          },
        },
      },
    },
    '/events': {
      get: {
        responses: {
          200: {
            content: {
              'text/event-stream': {
                schema: { type: 'string' },
                'x-event-data': { $ref: '#/components/schemas/Thing' },
              },
            },
          },
        },
      },
    },
  },
  components: {
    schemas: {
      Thing: { type: 'object', properties: { id: { type: 'string' } }, required: ['id'] },
      Problem: {
        type: 'object',
        properties: { outcome: { type: 'string' } },
        required: ['outcome'],
      },
    },
  },
};

const given = (status: number, body: unknown, headers: Record<string, string> = {}): Given => ({
  status,
  headers: new Headers({
    'content-type': status < 400 ? 'application/json' : 'application/problem+json',
    ...headers,
  }),
  text: typeof body === 'string' ? body : JSON.stringify(body),
});
const thing = (body: unknown, headers: Record<string, string> = {}) =>
  given(200, body, { location: '/things/1', ...headers });
const faults = (answer: Given, operation = 'get /things/{id}') =>
  faultsOf(document, operation, answer);

test('an answer as it is documented has no fault', () => {
  expect(faults(thing({ id: '1' }))).toEqual([]);
  expect(faults(thing({ id: '1' }, { 'idempotency-replayed': 'true' }))).toEqual([]);
  expect(faults(given(204, ''))).toEqual([]);
  expect(faults(given(404, { outcome: 'unknown' }))).toEqual([]);
  expect(faults(given(503, { outcome: 'unavailable' }, { 'retry-after': '1' }))).toEqual([]);
  const events = { 'content-type': 'text/event-stream; charset=utf-8' };
  expect(faults(given(200, 'id: 1\ndata: {"id":"1"}\n\n', events), 'get /events')).toEqual([]);
});

test.each<[string, Given, RegExp]>([
  ['a status', given(500, {}), /500 is not documented/],
  ['an outcome', given(404, { outcome: 'gone' }), /404 gone is not documented/],
  ['no outcome', given(404, {}), /404 is not documented/],
  ['a type', thing('<p>', { 'content-type': 'text/html' }), /content-type text\/html/],
  ['a missing member', thing({}), /id/],
  ['a wrong member', thing({ id: 1 }), /id/],
  ['a member too many', thing({ id: '1', name: 'x' }), /name/],
  ['a missing header', given(200, { id: '1' }), /header Location is missing/],
  ['no Retry-After', given(503, { outcome: 'unavailable' }), /header Retry-After is missing/],
  [
    'a wrong header',
    given(503, { outcome: 'unavailable' }, { 'retry-after': 'soon' }),
    /header Retry-After: /,
  ],
  [
    'a header of another value',
    thing({ id: '1' }, { 'idempotency-replayed': 'no' }),
    /Idempotency-Replayed: /,
  ],
  [
    'a header too many',
    thing({ id: '1' }, { 'retry-after': '1' }),
    /retry-after is not documented/,
  ],
  ['a body where there is none', given(204, { id: '1' }), /there is a body/],
])('a fault is found: %s', (_what, answer, fault) => {
  expect(faults(answer).join('\n')).toMatch(fault);
});

test('a fault is found: the data of an event, and an operation that is not documented', () => {
  const events = { 'content-type': 'text/event-stream' };
  expect(faults(given(200, 'data: {"id":1}\n\n', events), 'get /events')).toHaveLength(1);
  expect(faults(thing({ id: '1' }), 'post /things/{id}')).toEqual(['200 is not documented']);
});

test('every documented answer has a name, and an answer the same', () => {
  expect(documentedAnswers(document)).toEqual([
    'get /things/{id} 200',
    'get /things/{id} 204',
    'get /things/{id} 404 unknown',
    'get /things/{id} 404 not_found',
    'get /things/{id} 503 unavailable',
    'get /events 200',
  ]);
  expect(nameOf(given(404, { type: 'x', outcome: 'unknown' }))).toBe('404 unknown');
  expect(nameOf(thing({ id: '1', outcome: 'x' }))).toBe('200');
});
