// Holds answers against the OpenAPI document: a body is of the documented shape, and has nothing
// that the document does not name.

import { z } from 'zod';

export type Json = Record<string, unknown>;

export interface DocumentedOperation {
  readonly responses: Record<
    string,
    { headers?: Record<string, Json>; content: Record<string, { schema: Json }> }
  >;
}

/** As much of an OpenAPI document as tests ask for. */
export interface OpenApi {
  readonly openapi: string;
  readonly paths: Record<string, Record<string, DocumentedOperation>>;
  readonly components: { schemas: Record<string, Json> };
}

/** What is wrong with a body by a schema of the document; undefined where nothing is. */
export function faultOf(document: OpenApi, schema: unknown, body: unknown): string | undefined {
  const parsed = z
    .fromJSONSchema(closed(document, schema) as z.core.JSONSchema.JSONSchema)
    .safeParse(body);
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
