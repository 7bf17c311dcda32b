// Holds answers against the OpenAPI document: the answer is one that is documented, with the
// headers that it promises and no others, and its body is of the documented shape and has nothing
// that the document does not name.

import * as z from 'zod';

export type Json = Record<string, unknown>;

interface DocumentedAnswer {
  readonly headers?: Record<string, { readonly required?: boolean; readonly schema: Json }>;
  /** Of server-sent events, `x-event-data` is what the `data` of each looks like. */
  readonly content?: Record<string, { readonly schema: Json; readonly 'x-event-data'?: Json }>;
}

export interface DocumentedOperation {
  readonly responses: Record<string, DocumentedAnswer>;
}

/** As much of an OpenAPI document as tests ask for. */
export interface OpenApi {
  readonly openapi: string;
  readonly paths: Record<string, Record<string, DocumentedOperation>>;
  readonly components: { schemas: Record<string, Json> };
}

/** An answer that has been read. */
export interface Given {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** What it is called: `200`, `404 unknown_product`. */
export function nameOf({ status, headers, text }: Given): string {
  if (headers.get('content-type') !== 'application/problem+json') return String(status);
  const { outcome } = JSON.parse(text) as { outcome?: string };
  return outcome === undefined ? String(status) : `${status} ${outcome}`;
}

/** Every answer that is documented, by operation: `get /api/products 503 unavailable`. */
export function documentedAnswers(document: OpenApi): string[] {
  return operationsOf(document).flatMap(({ operation, responses }) =>
    answersOf(responses).map((name) => `${operation} ${name}`),
  );
}

/** What is documented of one operation: `200`, `404 unknown_product`. */
export function answersOf(responses: DocumentedOperation['responses']): string[] {
  return Object.entries(responses).flatMap(([status, { content }]) => {
    const { schema } = content?.['application/problem+json'] ?? {};
    const outcomes = JSON.stringify(schema ?? {}).match(/"enum":(\[[^\]]*\])/)?.[1];
    const names = outcomes === undefined ? [''] : (JSON.parse(outcomes) as string[]);
    return names.map((name) => `${status}${name && ` ${name}`}`);
  });
}

/** All operations, called as in `get /api/products/{productId}`. */
export function operationsOf({ paths }: OpenApi) {
  return Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, { responses }]) => {
      return { operation: `${method} ${path}`, method, path, responses };
    }),
  );
}

/** What is wrong with an answer of `get /api/products`, or another; nothing where it is empty. */
export function faultsOf(document: OpenApi, operation: string, given: Given): string[] {
  const [method = '', path = ''] = operation.split(' ');
  const responses = document.paths[path]?.[method]?.responses;
  const documented = responses?.[String(given.status)];
  const name = nameOf(given);
  if (responses === undefined || documented === undefined || !answersOf(responses).includes(name)) {
    return [`${name} is not documented`];
  }
  return [...headerFaults(documented, given), ...bodyFaults(document, documented, given)];
}

/** Of HTTP itself, or on every answer alike: not the document's business. */
const plainHeaders: ReadonlySet<string> = new Set([
  ...['connection', 'content-length', 'content-type', 'date', 'keep-alive', 'transfer-encoding'],
  ...['cache-control', 'x-content-type-options'],
]);

function headerFaults({ headers = {} }: DocumentedAnswer, { headers: given }: Given): string[] {
  const documented = Object.entries(headers).map(([name, rest]) => ({ name, ...rest }));
  const missing = documented
    .filter(({ name, required }) => required === true && !given.has(name))
    .map(({ name }) => `the header ${name} is missing`);
  const wrong = documented.flatMap(({ name, schema }) => {
    const text = given.get(name);
    const value = schema['type'] === 'integer' ? Number(text) : text;
    const fault = text === null ? undefined : faultOfValue(schema, value);
    return fault === undefined ? [] : [`the header ${name}: ${fault}`];
  });
  const names = new Set(documented.map(({ name }) => name.toLowerCase()));
  const unnamed = [...given.keys()]
    .filter((name) => !names.has(name) && !plainHeaders.has(name))
    .map((name) => `the header ${name} is not documented`);
  return [...missing, ...wrong, ...unnamed];
}

function bodyFaults(
  document: OpenApi,
  { content = {} }: DocumentedAnswer,
  { headers, text }: Given,
): string[] {
  const type = headers.get('content-type')?.split(';')[0] ?? '';
  if (Object.keys(content).length === 0) return text === '' ? [] : ['there is a body'];
  const media = content[type];
  if (media === undefined) return [`the content-type ${type} is not documented`];
  const eventData = media['x-event-data'];
  const [schema, texts] =
    eventData === undefined
      ? [media.schema, [text]]
      : [eventData, [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => String(data))];
  return texts.flatMap((one) => faultOf(document, schema, JSON.parse(one)) ?? []);
}

/** What is wrong with a body by a schema of the document; undefined where nothing is. */
export function faultOf(document: OpenApi, schema: unknown, body: unknown): string | undefined {
  return faultOfValue(closed(document, schema) as Json, body);
}

function faultOfValue(schema: Json, value: unknown): string | undefined {
  const parsed = z.fromJSONSchema(schema).safeParse(value);
  return parsed.success ? undefined : z.prettifyError(parsed.error);
}

/** The schema with its references filled in, and closed: a field it does not name is an error. */
function closed(document: OpenApi, schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map((item) => closed(document, item));
  if (typeof schema !== 'object' || schema === null) return schema;
  if ('$ref' in schema) {
    return closed(
      document,
      document.components.schemas[String(schema.$ref).split('/').at(-1) ?? ''],
    );
  }
  const filled = Object.fromEntries(
    Object.entries(schema).map(([name, value]) => [name, closed(document, value)]),
  );
  const isObject = filled['type'] === 'object' && filled['properties'] !== undefined;
  return isObject ? { additionalProperties: false, ...filled } : filled;
}
