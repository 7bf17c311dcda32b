// Reads kafka-sources/*.yaml into what is to be delivered where, with Knative's defaults. Any
// mistake is refused with the file and the field, before anything is consumed.

import { randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import type { z } from 'zod';
import { absentDelivery, defaultBackoffDelayMs, defaultTimeoutMs } from './constants.ts';
import type { DeliveryPolicy } from './delivery.ts';
import { type Lookup, resolveDestination } from './destinations.ts';
import type { ResolvedSource } from './dispatcher.ts';
import {
  type DestinationDocument,
  type KafkaSinkDocument,
  type KafkaSourceDocument,
  kafkaSinkSchema,
  kafkaSourceSchema,
  keyTypeLabel,
} from './manifest-schema.ts';
import type { KeyType } from './record-to-request.ts';

export interface KafkaSinkManifest {
  readonly namespace: string;
  readonly name: string;
  readonly topic: string;
}

export interface SourceManifest extends ResolvedSource {
  /** 0: scaled to zero, so nothing is consumed. More than 1 is no more: see README. */
  readonly consumers: number;
}

export interface Manifests {
  readonly sources: readonly SourceManifest[];
  readonly sinks: readonly KafkaSinkManifest[];
}

/** All mistakes in the manifests, one line each. */
export class ManifestError extends Error {
  override readonly name = 'ManifestError';
  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
  }
}

/** What lies in the same folder and delivers nothing: how the topics are made. */
const besides: ReadonlySet<string> = new Set(['ConfigMap', 'Job']);

interface Located<Document> {
  readonly file: string;
  readonly document: Document;
}

/** Reads every `*.yaml` of a folder. Throws ManifestError; its message names file and field. */
export async function readManifests(folder: string, lookup: Lookup): Promise<Manifests> {
  const names = await readdir(folder).catch(() => {
    throw new ManifestError([`${folder}: there is no such folder`]);
  });
  const files = names.filter((name) => name.endsWith('.yaml') && name !== 'kustomization.yaml');
  const texts = await Promise.all(
    files.sort().map(async (file) => ({ file, text: await readFile(join(folder, file), 'utf8') })),
  );
  if (texts.length === 0) throw new ManifestError([`${folder}: has no *.yaml`]);
  return parseManifests(texts, lookup);
}

/** The same for files that are read already. */
export function parseManifests(
  texts: readonly { readonly file: string; readonly text: string }[],
  lookup: Lookup,
): Manifests {
  const problems: string[] = [];
  const sources: Located<KafkaSourceDocument>[] = [];
  const sinks: Located<KafkaSinkDocument>[] = [];
  for (const { file, text } of texts) {
    for (const value of valuesIn(file, text, problems)) {
      const kind = kindOf(value);
      if (kind === 'KafkaSource') push(sources, file, kafkaSourceSchema, value, problems);
      else if (kind === 'KafkaSink') push(sinks, file, kafkaSinkSchema, value, problems);
      else if (!besides.has(kind)) {
        problems.push(`${file}: kind: ${kind} is neither KafkaSource nor KafkaSink`);
      }
    }
  }
  problems.push(...repeated([...sources, ...sinks]));
  const resolved = sources.map((source) => resolveSource(source, sinks, lookup, problems));
  if (problems.length > 0) throw new ManifestError(problems);
  return {
    sources: resolved,
    sinks: sinks.map(({ document: { metadata, spec } }) => ({ ...metadata, topic: spec.topic })),
  };
}

function valuesIn(file: string, text: string, problems: string[]): unknown[] {
  return parseAllDocuments(text).flatMap((document) => {
    const [error] = document.errors;
    if (error === undefined) return document.contents === null ? [] : [document.toJS() as unknown];
    problems.push(`${file}: ${error.message.split('\n', 1)[0] ?? ''}`);
    return [];
  });
}

function kindOf(value: unknown): string {
  const isObject = typeof value === 'object' && value !== null;
  return isObject && 'kind' in value ? String(value.kind) : 'nothing';
}

function push<Document>(
  to: Located<Document>[],
  file: string,
  schema: z.ZodType<Document>,
  value: unknown,
  problems: string[],
): void {
  const parsed = schema.safeParse(value);
  if (parsed.success) {
    to.push({ file, document: parsed.data });
    return;
  }
  for (const issue of parsed.error.issues) {
    const path = issue.path.join('.');
    if (issue.code === 'unrecognized_keys') {
      const fields = issue.keys.map((key) => (path === '' ? key : `${path}.${key}`));
      problems.push(...fields.map((field) => `${file}: ${field}: there is no such field`));
    } else {
      problems.push(`${file}: ${path}: ${issue.message}`);
    }
  }
}

function repeated(all: readonly Located<KafkaSourceDocument | KafkaSinkDocument>[]): string[] {
  const seen = new Map<string, string>();
  return all.flatMap(({ file, document: { kind, metadata } }) => {
    const id = `${kind} ${metadata.namespace}/${metadata.name}`;
    const earlier = seen.get(id);
    seen.set(id, file);
    return earlier === undefined ? [] : [`${file}: metadata.name: ${id} is in ${earlier} already`];
  });
}

function resolveSource(
  { file, document }: Located<KafkaSourceDocument>,
  sinks: readonly Located<KafkaSinkDocument>[],
  lookup: Lookup,
  problems: string[],
): SourceManifest {
  const { metadata, spec } = document;
  const urlOf = (field: string, destination: DestinationDocument): string => {
    const hasKafkaSink = (namespace: string, name: string) =>
      sinks.some(
        ({ document: { metadata: of } }) => of.namespace === namespace && of.name === name,
      );
    const resolved = resolveDestination(destination, metadata.namespace, hasKafkaSink, lookup);
    if ('url' in resolved) return resolved.url;
    problems.push(`${file}: ${field}.${resolved.field}: ${resolved.problem}`);
    return '';
  };
  const keyType = metadata.labels[keyTypeLabel] ?? 'string';
  if (!isKeyType(keyType)) {
    problems.push(`${file}: metadata.labels.${keyTypeLabel}: ${keyType} is not delivered locally`);
  }
  const { deadLetterSink } = spec.delivery ?? {};
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    // A random group is what Knative gives as well: each deployment starts over.
    consumerGroup: spec.consumerGroup ?? `knative-kafka-source-${randomUUID()}`,
    topics: spec.topics,
    consumers: spec.consumers,
    initialOffset: spec.initialOffset,
    ordering: spec.ordering,
    keyType: isKeyType(keyType) ? keyType : 'string',
    extensions: spec.ceOverrides?.extensions ?? {},
    delivery: policyOf(spec.delivery),
    sinkUrl: urlOf('spec.sink', spec.sink),
    deadLetterSinkUrl: deadLetterSink && urlOf('spec.delivery.deadLetterSink', deadLetterSink),
  };
}

/** An absent `delivery` has its own defaults; of a present one nothing is inherited. */
function policyOf(delivery: KafkaSourceDocument['spec']['delivery']): DeliveryPolicy {
  if (delivery === undefined) return absentDelivery;
  return {
    retries: delivery.retry ?? 0,
    backoff: delivery.backoffPolicy ?? 'exponential',
    backoffDelayMs: delivery.backoffDelay ?? defaultBackoffDelayMs,
    timeoutMs:
      delivery.timeout === undefined || delivery.timeout === 0
        ? defaultTimeoutMs
        : delivery.timeout,
  };
}

function isKeyType(text: string): text is KeyType {
  return text === 'string' || text === 'int' || text === 'byte-array';
}
