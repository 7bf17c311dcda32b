// The document is OpenAPI 3.1 as far as it uses it: every object has what the specification asks
// for and nothing that it does not know, references lead somewhere, and paths declare their names.

import { expect, test } from 'vitest';
import { z } from 'zod';
import { answerOpenApi } from './openapi.ts';

/** An object of the specification: no other members, but for extensions. */
function specified<Shape extends z.ZodRawShape>(shape: Shape) {
  return z.looseObject(shape).superRefine((value, context) => {
    for (const name of Object.keys(value)) {
      if (Object.hasOwn(shape, name) || name.startsWith('x-')) continue;
      context.addIssue({ code: 'custom', message: `${name} is not in the specification` });
    }
  });
}

const type = z.enum(['string', 'integer', 'number', 'boolean', 'object', 'array', 'null']);
const text = z.string().min(1);
const schema: z.ZodType = z.lazy(() =>
  specified({
    $ref: z
      .string()
      .regex(/^#\/components\/schemas\/\w+$/)
      .optional(),
    ...{ type: type.optional(), description: text.optional(), format: text.optional() },
    ...{ enum: z.array(z.unknown()).min(1).optional(), examples: z.array(z.unknown()).optional() },
    ...{ pattern: text.refine((source) => new RegExp(source)).optional() },
    ...{ minimum: z.number().optional(), maximum: z.number().optional() },
    ...{ minLength: z.int().optional(), maxLength: z.int().optional() },
    ...{ minItems: z.int().optional(), maxItems: z.int().optional() },
    ...{ items: schema.optional(), allOf: schemas.optional(), anyOf: schemas.optional() },
    properties: z.record(text, schema).optional(),
    additionalProperties: z.union([z.boolean(), schema]).optional(),
    required: z.array(text).optional(),
    default: z.unknown().optional(),
  }),
);
const schemas = z.array(schema).min(1);

const content = z.record(z.string().regex(/^\w+\/[\w+-]+$/), specified({ schema }));
const description = text.optional();
const headers = z
  .record(text, specified({ description, required: z.boolean().optional(), schema }))
  .optional();
const parameter = specified({
  name: text,
  in: z.enum(['path', 'query', 'header']),
  ...{ description, schema },
  required: z.boolean(),
}).refine((one) => one.in !== 'path' || one.required, 'a parameter of a path is required');
const operation = specified({
  summary: text,
  ...{ description, operationId: text.optional() },
  security: z.array(z.record(text, z.array(text))).default([]),
  parameters: z.array(parameter),
  requestBody: specified({ description, required: z.boolean().optional(), content }).optional(),
  responses: z
    .record(
      z.string().regex(/^[2-5]\d\d$/),
      specified({ description: text, headers, content: content.optional() }),
    )
    .refine((responses) => Object.keys(responses).some((status) => status.startsWith('2'))),
});
const document = specified({
  openapi: z.string().regex(/^3\.1\.\d+$/),
  info: specified({ title: text, version: text, description }),
  paths: z.record(
    z.string().regex(/^(\/([\w.-]+|\{\w+\}))+$/),
    z.partialRecord(z.enum(['get', 'put', 'post', 'delete', 'patch']), operation),
  ),
  components: specified({
    schemas: z.record(z.string().regex(/^\w+$/), schema),
    securitySchemes: z.record(
      text,
      specified({
        ...{ type: z.literal('http'), scheme: z.literal('bearer'), bearerFormat: text },
        description,
      }),
    ),
  }),
});

const read = async () => document.parse(await answerOpenApi().json());

test('every object is as the specification has it', async () => {
  await expect(read()).resolves.toBeDefined();
  const whole = (await answerOpenApi().json()) as Record<string, object>;
  expect(document.safeParse({ ...whole, path: {} }).success).toBe(false);
  const [path, operations] = Object.entries(whole['paths'] ?? {})[0] as [string, object];
  const wrong = { ...whole, paths: { [path]: { ...operations, got: {} } } };
  expect(document.safeParse(wrong).success).toBe(false);
});

test('every reference leads somewhere, and every schema is used', async () => {
  const whole = await read();
  const used = JSON.stringify(whole).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g);
  const names = new Set([...used].map(([, name]) => name));
  expect([...names].sort()).toEqual(Object.keys(whole.components.schemas).sort());
});

test('every path declares the names in it, each operation its own, and no others', async () => {
  const { paths, components } = await read();
  for (const [path, operations] of Object.entries(paths)) {
    const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    for (const { parameters, security } of Object.values(operations)) {
      const declared = parameters.filter((one) => one.in === 'path').map(({ name }) => name);
      expect(declared.sort(), path).toEqual(named.sort());
      const names = parameters.map((one) => `${one.in} ${one.name}`);
      expect(new Set(names).size, path).toBe(names.length);
      for (const scheme of security.flatMap((one) => Object.keys(one))) {
        expect(Object.keys(components.securitySchemes)).toContain(scheme);
      }
    }
  }
});
