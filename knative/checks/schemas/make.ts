// Makes the schemas that the manifests are checked against, out of the projects' own: the OpenAPI
// of Kubernetes and the CRDs of Knative, as their Go modules carry them (Apache License 2.0).
// Needs Go and its module proxy; run it for a new version, and commit what it writes:
//   node knative/checks/schemas/make.ts

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';

const kubernetes = {
  module: 'k8s.io/kubernetes',
  version: 'v1.34.4',
  file: 'kubernetes-1.34.json',
};
/** Serving and Eventing 1.23. */
const knativeVersion = 'v0.50.0';
const knativeFile = 'knative-1.23.json';

const kubernetesKinds: Readonly<Record<string, readonly string[]>> = {
  api__v1: [
    ...['Namespace', 'ServiceAccount', 'ConfigMap', 'Secret', 'Service'],
    ...['PersistentVolumeClaim', 'Pod'],
  ],
  apis__apps__v1: ['Deployment', 'StatefulSet'],
  apis__batch__v1: ['Job', 'CronJob'],
  apis__policy__v1: ['PodDisruptionBudget'],
  'apis__networking.k8s.io__v1': ['NetworkPolicy'],
  'apis__rbac.authorization.k8s.io__v1': [
    ...['Role', 'RoleBinding', 'ClusterRole', 'ClusterRoleBinding'],
  ],
};
const knativeCrds: Readonly<Record<string, readonly string[]>> = {
  'knative.dev/serving': ['config/core/300-resources/service.yaml'],
  'knative.dev/eventing': ['config/core/resources/pingsource.yaml'],
};

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
type Schema = { [name: string]: Json };
interface GroupVersionKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

const asSchema = (value: Json | undefined): Schema => (value ?? {}) as Schema;
const apiVersionOf = ({ group, version }: GroupVersionKind) =>
  group === '' ? version : `${group}/${version}`;

/** The folder of a module in Go's cache, downloaded first where it is not there. */
function moduleFolder(module: string, version: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'schemas-'));
  try {
    const answer = execFileSync('go', ['mod', 'download', '-json', `${module}@${version}`], {
      cwd: folder,
      encoding: 'utf8',
      maxBuffer: 1e8,
    });
    return (JSON.parse(answer) as { Dir: string }).Dir;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What decides whether a manifest is valid; and a field that is not named is not one. */
function strict(schema: Schema): Schema {
  const [alone] = (schema['allOf'] as Schema[] | undefined) ?? [];
  if (alone?.['$ref'] !== undefined) return strict(alone);
  if (typeof schema['$ref'] === 'string') {
    return { $ref: `#/$defs/${schema['$ref'].split('/').at(-1) ?? ''}` };
  }
  if (schema['x-kubernetes-int-or-string'] === true || schema['format'] === 'int-or-string') {
    return { type: ['integer', 'string'] };
  }
  const kept: Schema = {};
  for (const name of ['type', 'required', 'enum', 'pattern', 'minimum', 'maximum', 'oneOf']) {
    const value = schema[name];
    if (value === undefined) continue;
    kept[name] = name === 'oneOf' ? (value as Schema[]).map((one) => strict(one)) : value;
  }
  if (schema['items'] !== undefined) kept['items'] = strict(asSchema(schema['items']));
  const { properties, additionalProperties } = schema;
  if (typeof additionalProperties === 'object') {
    kept['additionalProperties'] = strict(asSchema(additionalProperties));
  }
  if (properties === undefined) return kept;
  kept['properties'] = Object.fromEntries(
    Object.entries(asSchema(properties)).map(([name, value]) => [name, strict(asSchema(value))]),
  );
  if (schema['x-kubernetes-preserve-unknown-fields'] !== true) {
    kept['additionalProperties'] ??= false;
  }
  return kept;
}

/** A manifest has no status: that is the cluster's to say. */
function ofManifest(schema: Schema): Schema {
  const properties = { ...asSchema(schema['properties']) };
  delete properties['status'];
  // Every object may say what it is, also where its CRD leaves that unsaid.
  properties['apiVersion'] ??= { type: 'string' };
  properties['kind'] ??= { type: 'string' };
  return { ...schema, properties, required: ['apiVersion', 'kind', 'metadata'] };
}

function withReferences(name: string, from: Schema, into: Schema): void {
  if (into[name] !== undefined) return;
  const schema = strict(asSchema(from[name]));
  into[name] = schema;
  for (const [, found] of JSON.stringify(schema).matchAll(/#\/\$defs\/([^"]+)/g)) {
    if (found !== undefined) withReferences(found, from, into);
  }
}

function kubernetesSchemas(): Schema {
  const folder = join(moduleFolder(kubernetes.module, kubernetes.version), 'api/openapi-spec/v3');
  const definitions: Schema = {};
  const kinds: Schema = {};
  for (const [group, wanted] of Object.entries(kubernetesKinds)) {
    const text = readFileSync(join(folder, `${group}_openapi.json`), 'utf8');
    const { schemas } = (JSON.parse(text) as { components: { schemas: Schema } }).components;
    for (const [name, value] of Object.entries(schemas)) {
      const [is, ...more] = (asSchema(value)['x-kubernetes-group-version-kind'] ??
        []) as unknown as GroupVersionKind[];
      if (is === undefined || more.length > 0 || !wanted.includes(is.kind)) continue;
      withReferences(name, schemas, definitions);
      // Beside the kind's own, which others may embed without saying what it is.
      definitions[`${name}.manifest`] = ofManifest(asSchema(definitions[name]));
      kinds[`${apiVersionOf(is)} ${is.kind}`] = `${name}.manifest`;
    }
  }
  return { kinds, $defs: withoutUnused(definitions, Object.values(kinds) as string[]) };
}

/** Without what only a status has. */
function withoutUnused(definitions: Schema, roots: readonly string[]): Schema {
  const used = new Set(roots);
  for (const name of used) {
    for (const [, found] of JSON.stringify(definitions[name]).matchAll(/#\/\$defs\/([^"]+)/g)) {
      if (found !== undefined) used.add(found);
    }
  }
  return Object.fromEntries([...used].sort().map((name) => [name, definitions[name] ?? {}]));
}

interface Crd {
  readonly spec: {
    readonly group: string;
    readonly names: { readonly kind: string };
    readonly versions: readonly {
      readonly name: string;
      readonly schema: { readonly openAPIV3Schema: Schema };
    }[];
  };
}

function knativeSchemas(): Schema {
  const kinds: Schema = {};
  const definitions: Schema = {};
  for (const [module, files] of Object.entries(knativeCrds)) {
    const folder = moduleFolder(module, knativeVersion);
    for (const file of files) {
      const { group, names, versions } = (parse(readFileSync(join(folder, file), 'utf8')) as Crd)
        .spec;
      for (const { name: version, schema } of versions) {
        const name = `${group}.${version}.${names.kind}`;
        const own = ofManifest(strict(schema.openAPIV3Schema));
        // The server checks an object's metadata itself, whatever a CRD says of it.
        const properties = { ...asSchema(own['properties']), metadata: { type: 'object' } };
        definitions[name] = { ...own, properties };
        kinds[`${group}/${version} ${names.kind}`] = name;
      }
    }
  }
  return { kinds, $defs: definitions };
}

/** One definition a line, so that a new version shows as what it changes. */
function write(file: string, { kinds, $defs }: Schema): void {
  const lines = Object.entries(asSchema($defs)).map(
    ([name, schema]) => `${JSON.stringify(name)}:${JSON.stringify(schema)}`,
  );
  const text = `{"kinds":${JSON.stringify(kinds)},\n"$defs":{\n${lines.join(',\n')}\n}}\n`;
  writeFileSync(join(import.meta.dirname, file), text);
}

write(kubernetes.file, kubernetesSchemas());
write(knativeFile, knativeSchemas());
