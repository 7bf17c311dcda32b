// What one Kafka record becomes: the POST that the sink gets (binary content mode), and the one
// that the dead-letter sink gets. Rules: eventing-kafka-broker 1.23. Pure.

import {
  type CloudEvent,
  isAttributeName,
  isExtensionName,
  isStructured,
  javaTimeOf,
  readBinaryEvent,
  readStructuredEvent,
  withExtensions,
} from './cloud-event.ts';
import { errorDataBytesMax } from './constants.ts';
import { attributeHeaderOf, isHeaderValue } from './header-values.ts';

/** A record as the consumer fetched it. */
export interface FetchedRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  /** In order; a name may come twice, and the later one wins. */
  readonly headers: readonly (readonly [name: string, value: Buffer | null])[];
}

/** What the mapping needs to know of the KafkaSource. */
export interface EventSource {
  readonly namespace: string;
  readonly name: string;
  readonly keyType: KeyType;
  readonly extensions: Readonly<Record<string, string>>;
}
export type KeyType = 'string' | 'int' | 'byte-array';

/** The sink's refusal, as far as the dead letter tells of it. */
export interface Refusal {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Buffer;
}

export interface EventRequest {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | undefined;
}

const headerPrefix = 'ce_';

/**
 * The event of a record: a CloudEvent as it is, anything else wrapped as a plain one. Throws
 * where the dispatcher gives the record up: a header without a value.
 */
export function eventOf(record: FetchedRecord, source: EventSource): CloudEvent {
  const headers = new Map(
    record.headers.map(([name, value]) => {
      if (value === null) throw new Error(`the header ${name} has no value`);
      return [name, value.toString('utf8')];
    }),
  );
  const event = cloudEventOf(headers, record.value) ?? plainEventOf(headers, record, source);
  return withExtensions(event, [
    ['knativekafkapartition', String(record.partition)],
    ['knativekafkaoffset', String(record.offset)],
    ...Object.entries(source.extensions),
  ]);
}

/** The POST that carries the event. Its content type may be one that HTTP does not allow. */
export function requestOf(event: CloudEvent, source: EventSource): EventRequest {
  const headers: Record<string, string> = { prefer: 'reply', 'kn-namespace': source.namespace };
  for (const [name, value] of event.attributes) {
    if (name === 'datacontenttype') headers['content-type'] = value;
    else headers[`ce-${name}`] = attributeHeaderOf(value);
  }
  return { headers, body: event.data };
}

/**
 * The event for the dead-letter sink, which can always be sent: where it was refused, and how if
 * there was an answer, or why it was not sent there.
 */
export function deadLetterOf(
  event: CloudEvent,
  destination: string,
  refusal: Refusal | { readonly unsendable: string } | undefined,
): CloudEvent {
  const extensions: [string, string][] = [['knativeerrordest', destination]];
  if (refusal !== undefined && 'unsendable' in refusal) {
    extensions.push(['knativeerrordata', Buffer.from(refusal.unsendable).toString('base64')]);
  } else if (refusal !== undefined) {
    extensions.push(['knativeerrorcode', String(refusal.status)]);
    for (const [name, value] of Object.entries(refusal.headers)) {
      const extension = /^kne-(.*)$/i.exec(name)?.[1]?.toLowerCase();
      if (extension === undefined || value === undefined) continue;
      // The dispatcher gets stuck on a name that no extension may have; we leave it out.
      if (!isExtensionName(extension) || isAttributeName(extension)) continue;
      extensions.push([extension, typeof value === 'string' ? value : (value.at(-1) ?? '')]);
    }
    if (refusal.body.length > 0) {
      const data = refusal.body.subarray(0, errorDataBytesMax).toString('base64');
      extensions.push(['knativeerrordata', data]);
    }
  }
  return withExtensions(withSafeContentType(event), extensions);
}

/**
 * A content type that no header can be, or that would make the KafkaSink read the data as a whole
 * event and refuse it, is told as the header of a plain record is.
 */
function withSafeContentType(event: CloudEvent): CloudEvent {
  const contentType = event.attributes.get('datacontenttype');
  if (contentType === undefined) return event;
  if (isHeaderValue(contentType) && !isStructured(contentType.trim())) return event;
  const attributes = new Map(event.attributes).set('kafkaheadercontenttype', contentType);
  attributes.delete('datacontenttype');
  return { ...event, attributes };
}

function cloudEventOf(
  headers: ReadonlyMap<string, string>,
  value: Buffer | null,
): CloudEvent | undefined {
  if (isStructured(headers.get('content-type'))) return readStructuredEvent(value);
  if (!headers.has(`${headerPrefix}specversion`)) return undefined;
  const attributes: [string, string][] = [];
  for (const [name, text] of headers) {
    if (name === 'content-type') attributes.push(['datacontenttype', text]);
    else if (name.startsWith(headerPrefix) && name.length > headerPrefix.length) {
      attributes.push([name.slice(headerPrefix.length), text]);
    }
  }
  return readBinaryEvent(attributes, value);
}

function plainEventOf(
  headers: ReadonlyMap<string, string>,
  record: FetchedRecord,
  source: EventSource,
): CloudEvent {
  const { topic, partition, offset } = record;
  const attributes = new Map([
    ['specversion', '1.0'],
    ['id', `partition:${partition}/offset:${offset}`],
    ['type', 'dev.knative.kafka.event'],
    ['source', `/apis/v1/namespaces/${source.namespace}/kafkasources/${source.name}#${topic}`],
    ['subject', `partition:${partition}#${offset}`],
    ['time', javaTimeOf(new Date(record.timestampMs).toISOString()) ?? ''],
  ]);
  const key = keyText(record.key, source.keyType);
  if (key !== undefined) attributes.set('partitionkey', key).set('key', key);
  for (const [name, text] of headers) {
    if (name.toLowerCase() === 'content-type') {
      attributes.set('datacontenttype', text.toLowerCase());
    } else {
      attributes.set(`kafkaheader${name.toLowerCase().replace(/[^a-z0-9]/g, '')}`, text);
    }
  }
  return {
    attributes,
    data: record.value === null || record.value.length === 0 ? undefined : record.value,
  };
}

function keyText(key: Buffer | null, keyType: KeyType): string | undefined {
  if (key === null || key.length === 0) return undefined;
  if (keyType === 'byte-array') return key.toString('base64');
  // A key that has not the four bytes of an int is read as text.
  if (keyType === 'int' && key.length === 4) return String(key.readInt32BE());
  return key.toString('utf8');
}
