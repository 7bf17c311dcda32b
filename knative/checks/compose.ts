// docker-compose.yml as it is read here: anchors and merges followed, variables as they are by
// default.

import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse } from 'yaml';

export const composeFile = resolve(import.meta.dirname, '../../docker-compose.yml');

export interface ComposeService {
  readonly image: string;
  readonly build?: { readonly dockerfile: string; readonly args: { readonly NAME: string } };
  readonly profiles?: readonly string[];
  readonly hostname?: string;
  readonly command?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly restart?: string;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly deploy?: {
    readonly resources: { readonly limits: { readonly cpus: string; readonly memory: string } };
  };
}

export interface Compose {
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

/** The file; `$VARIABLES` have their defaults, and a word where there is none. */
export function readCompose(): Compose {
  const text = readFileSync(composeFile, 'utf8')
    .replaceAll(
      /(?<!\$)\$\{\w+(?::-([^}]*))?(?::\?[^}]*)?\}/g,
      (_, given?: string) => given ?? 'word',
    )
    .replaceAll('$$', '$');
  return parse(text, { merge: true }) as Compose;
}

/** What the compose specification's schema says against it. */
export function composeProblems(compose: unknown): readonly string[] {
  const schema = join(import.meta.dirname, 'schemas/compose-spec.json');
  const ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: false });
  const validate = ajv.compile(JSON.parse(readFileSync(schema, 'utf8')) as object);
  if (validate(compose)) return [];
  return (validate.errors ?? []).map(
    ({ instancePath, message = '', params }) =>
      `${instancePath}: ${message} ${JSON.stringify(params)}`,
  );
}
