// Manifests against the schemas of Kubernetes 1.34 and Knative 1.23 (schemas/make.ts), and those of
// KafkaSource and KafkaSink that the source runner reads them by. A field that is not in a schema
// is refused: the API server would drop it, or a webhook refuse it.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import {
  kafkaSinkSchema,
  kafkaSourceSchema,
} from '#knative/local/source-runner/manifest-schema.ts';
import { type Manifest, titleOf } from './manifest.ts';

const objectMeta = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';
const files = ['kubernetes-1.34.json', 'knative-1.23.json'];

interface Schemas {
  readonly kinds: Readonly<Record<string, string>>;
  readonly $defs: object;
}

// A schema of theirs may say what is needless; a manifest is looked at to its end.
const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
/** Where each kind's schema is. */
const byKind = new Map<string, string>();
const compiled = new Map<string, ValidateFunction>();

/** Of one kind, compiled when it is first asked for: most of them never are. */
function schemaOf(kind: string): ValidateFunction | undefined {
  if (byKind.size === 0) load();
  const $ref = byKind.get(kind);
  if ($ref === undefined) return undefined;
  const validate = compiled.get(kind) ?? ajv.compile({ $ref });
  compiled.set(kind, validate);
  return validate;
}

function load(): void {
  for (const file of files) {
    const text = readFileSync(join(import.meta.dirname, 'schemas', file), 'utf8');
    const { kinds, $defs } = JSON.parse(text) as Schemas;
    ajv.addSchema({ $id: file, $defs });
    for (const [kind, name] of Object.entries(kinds)) byKind.set(kind, `${file}#/$defs/${name}`);
    if (objectMeta in $defs) byKind.set('metadata', `${file}#/$defs/${objectMeta}`);
  }
}

/** One line for each field that is unknown, missing or of the wrong type. */
export function schemaProblems(manifests: readonly Manifest[]): readonly string[] {
  return manifests.flatMap((manifest) =>
    problemsOf(manifest).map((problem) => `${titleOf(manifest)}: ${problem}`),
  );
}

function problemsOf(manifest: Manifest): readonly string[] {
  const kafka = kafkaSchemas[manifest.kind];
  if (kafka !== undefined) {
    const { error } = kafka.safeParse(manifest);
    return (error?.issues ?? []).map(
      (issue) =>
        `${issue.path.join('.')}: ${
          issue.code === 'unrecognized_keys'
            ? `there is no field ${issue.keys.join(', ')}`
            : issue.message
        }`,
    );
  }
  const validate = schemaOf(`${manifest.apiVersion} ${manifest.kind}`);
  const ofMetadata = schemaOf('metadata');
  if (validate === undefined || ofMetadata === undefined) {
    return [`${manifest.apiVersion} ${manifest.kind} has no schema here; see schemas/make.ts`];
  }
  return [
    ...problemsBy(validate, manifest, ''),
    ...problemsBy(ofMetadata, manifest.metadata, 'metadata'),
  ];
}

const kafkaSchemas: Readonly<
  Record<string, typeof kafkaSinkSchema | typeof kafkaSourceSchema | undefined>
> = { KafkaSink: kafkaSinkSchema, KafkaSource: kafkaSourceSchema };

function problemsBy(validate: ValidateFunction, value: unknown, under: string): readonly string[] {
  if (validate(value)) return [];
  return [...new Set((validate.errors ?? []).map((error) => describe(error, under)))];
}

function describe({ instancePath, keyword, params, message }: ErrorObject, under: string): string {
  const path = [under, ...instancePath.split('/').slice(1)].filter((part) => part !== '').join('.');
  const field = String((params as { additionalProperty?: string }).additionalProperty);
  if (keyword === 'additionalProperties') return `${path}: there is no field ${field}`;
  return `${path}: ${message ?? keyword}`;
}
