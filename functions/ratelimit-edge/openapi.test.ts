// The document is OpenAPI 3.1 by its specification's own schema; and what that cannot say:
// references lead somewhere, and paths declare their names.

import { Validator } from '@seriousme/openapi-schema-validator';
import { expect, test } from 'vitest';
import { answerOpenApi } from './openapi.ts';

interface Operation {
  readonly security?: readonly Readonly<Record<string, unknown>>[];
  readonly parameters?: readonly { readonly in: string; readonly name: string }[];
}

interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, object>>;
    readonly securitySchemes: Readonly<Record<string, object>>;
  };
}

const read = async () => (await answerOpenApi().json()) as Document;

test('the document is as the specification has it', async () => {
  const document = await read();
  expect(document.openapi).toMatch(/^3\.1\./);
  expect(await new Validator().validate({ ...document })).toEqual({ valid: true });
  const [path = ''] = Object.keys(document.paths);
  const wrong = { ...document, paths: { [path]: { get: { parameters: 'none' } } } };
  expect(await new Validator().validate(wrong)).toMatchObject({ valid: false });
});

test('every reference leads somewhere, and every schema is used', async () => {
  const document = await read();
  const used = JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g);
  const names = new Set([...used].map(([, name]) => name));
  expect([...names].sort()).toEqual(Object.keys(document.components.schemas).sort());
});

test('every path declares the names in it, each operation its own, and no others', async () => {
  const { paths, components } = await read();
  for (const [path, operations] of Object.entries(paths)) {
    const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    for (const { parameters = [], security = [] } of Object.values(operations)) {
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
