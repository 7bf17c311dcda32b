// Reads a CloudEvent 1.0.2 from an HTTP request, in binary mode or in structured mode (JSON), as
// the specification has it: what is optional and malformed is refused, too. By hand, since the
// SDK takes 26 µs for what takes a few here, never shows the bytes that were signed, and is laxer
// (`lib/testing/event-cases` says where, case by case).

import { isUtf8 } from 'node:buffer';
import { jsonMembersOf } from './json-members.ts';

/** Header fields by their lower-case names. */
export type HeaderFields = Readonly<Record<string, string | undefined>>;

/** An event as far as this system reads it. */
export interface CloudEvent {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject: string | undefined;
  /** In epoch milliseconds, with a fraction where there are microseconds. */
  readonly timeMs: number | undefined;
  /** The attribute `datacontenttype`. */
  readonly contentType: string | undefined;
  /** The extension of that name. */
  readonly signature: string | undefined;
  /**
   * The bytes of the data. In structured mode those that `data_base64` stands for, or the text of
   * `data` as it stands in the envelope: whoever formats the producer's JSON anew breaks its
   * signature, and has to use `data_base64`.
   */
  readonly data: Buffer;
}

/** Why this is no event that is taken, for a person; free of the event's content. */
export interface Malformed {
  readonly refused: string;
  readonly reason: 'content_type' | 'cloud_event';
}

/** Reads the event in a request. `body` is as it came, byte by byte. */
export function readCloudEvent(headers: HeaderFields, body: Buffer): CloudEvent | Malformed {
  const mediaType = mediaTypeOf(headers['content-type']);
  if (!mediaType.startsWith(formatPrefix)) return readBinary(headers, body);
  if (mediaType === `${formatPrefix}+json`) return readStructured(body);
  const refused = mediaType.startsWith(`${formatPrefix}-batch`)
    ? 'content-type is of batched mode; a request is one event'
    : `content-type is of an event format that is not read; ${formatPrefix}+json is`;
  return { refused, reason: 'content_type' };
}

const formatPrefix = 'application/cloudevents';

/**
 * A content type without its parameters, in lower case. JSON is UTF-8 whatever a parameter says
 * (RFC 8259, 11).
 */
export function mediaTypeOf(contentType = ''): string {
  return (contentType.split(';', 1)[0] ?? '').trim().toLowerCase();
}

type Attributes = ReadonlyMap<string, string>;

/** HTTP binding, 3.1. */
function readBinary(headers: HeaderFields, data: Buffer): CloudEvent | Malformed {
  const attributes = new Map<string, string>();
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || !name.startsWith('ce-')) continue;
    const decoded = decodeHeader(value);
    if (decoded === undefined) return malformed('a ce- header is not UTF-8, percent-encoded');
    attributes.set(name.slice('ce-'.length), decoded);
  }
  if (attributes.has('datacontenttype')) return malformed('ce-datacontenttype is content-type');
  return checked(attributes, headers['content-type'], data);
}

/** HTTP binding, 3.1.3.2: a quoted string first, then one round of percent-decoding. */
function decodeHeader(value: string): string | undefined {
  if (!/["%]/.test(value)) return value;
  const isQuoted = /^"(?:[^"\\]|\\.)*"$/.test(value);
  const unquoted = isQuoted ? value.slice(1, -1).replace(/\\(.)/g, '$1') : value;
  try {
    return unquoted.replace(/(?:%[0-9a-f]{2})+/gi, decodeURIComponent);
  } catch {
    return undefined;
  }
}

/** JSON event format, 2 and 3. */
function readStructured(body: Buffer): CloudEvent | Malformed {
  const members = isUtf8(body) ? jsonMembersOf(body.toString()) : undefined;
  if (members === undefined)
    return malformed('the body is no JSON object, or names a member twice');
  const attributes = new Map<string, string>();
  for (const [name, text] of members) {
    if (name === 'data' || name === 'data_base64') continue;
    const value: unknown = JSON.parse(text);
    // Null is as if it were not there.
    if (value === null) continue;
    if (typeof value === 'string') attributes.set(name, value);
    else if (ownAttributes.has(name)) return malformed(`ce-${name} is not a text`);
    else if (typeof value === 'boolean' || Number.isInteger(value)) attributes.set(name, text);
    else return malformed('an extension is neither text, number nor boolean');
  }
  const contentType = attributes.get('datacontenttype') ?? 'application/json';
  const data = dataOf(members, contentType);
  return 'refused' in data ? data : checked(attributes, contentType, data);
}

const ownAttributes = new Set([
  ...['specversion', 'id', 'source', 'type'],
  ...['subject', 'time', 'dataschema', 'datacontenttype'],
]);

function dataOf(members: ReadonlyMap<string, string>, contentType: string): Buffer | Malformed {
  const [text, base64Text = 'null'] = [members.get('data'), members.get('data_base64')];
  const base64: unknown = JSON.parse(base64Text);
  if (base64 !== null) {
    if (text !== undefined) return malformed('there are both data and data_base64');
    const bytes = Buffer.from(typeof base64 === 'string' ? base64 : '', 'base64');
    // Node passes over what is no Base64; by RFC 4648 the rest is none then, either.
    return bytes.toString('base64') === base64 ? bytes : malformed('data_base64 is not Base64');
  }
  if (text === undefined) return Buffer.alloc(0);
  if (/^[^/]+\/(?:.*\+)?json$/.test(mediaTypeOf(contentType))) return Buffer.from(text);
  const value: unknown = JSON.parse(text);
  return typeof value === 'string' ? Buffer.from(value) : malformed('data is not a text');
}

/** The event of these attributes, by the rules that both modes share. */
function checked(
  attributes: Attributes,
  contentType: string | undefined,
  data: Buffer,
): CloudEvent | Malformed {
  if (attributes.get('specversion') !== '1.0') return malformed('ce-specversion is not 1.0');
  const [id, source, type] = [
    attributes.get('id'),
    attributes.get('source'),
    attributes.get('type'),
  ];
  if (!id) return malformed('ce-id is missing');
  if (!source) return malformed('ce-source is missing');
  if (!type) return malformed('ce-type is missing');
  if (!isUriReference(source)) return malformed('ce-source is not a URI-reference');
  const [subject, schema] = [attributes.get('subject'), attributes.get('dataschema')];
  if (subject === '') return malformed('ce-subject is empty');
  if (schema !== undefined && !isUri(schema)) return malformed('ce-dataschema is not a URI');
  const time = attributes.get('time');
  const timeMs = time === undefined ? undefined : epochMsOf(time);
  if (time !== undefined && timeMs === undefined) return malformed('ce-time is not a time');
  for (const name of attributes.keys()) {
    if (!/^[a-z0-9]+$/.test(name)) return malformed('an extension is not named by a-z and 0-9');
  }
  const signature = attributes.get('signature');
  return { id, source, type, subject, timeMs, contentType, signature, data };
}

/** RFC 3986, as far as its characters go; nobody resolves it here. */
function isUriReference(text: string): boolean {
  return /^(?:[\w\-.~:/?[\]@!$&'()*+,;=]|%[0-9a-f]{2})*(?:#(?:[\w\-.~:/?@!$&'()*+,;=]|%[0-9a-f]{2})*)?$/i.test(
    text,
  );
}

function isUri(text: string): boolean {
  return /^[a-z][a-z0-9+\-.]*:/i.test(text) && isUriReference(text);
}

const timeForm = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:)(\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)$/;

/** RFC 3339; undefined where it is no time. A leap second is the second after it. */
function epochMsOf(text: string): number | undefined {
  const [, minute = '', second = '', fraction = '', zone = ''] =
    timeForm.exec(text.toUpperCase()) ?? [];
  const isLeap = second === '60';
  const wall = `${minute}${isLeap ? '59' : second}`;
  const [wallMs, atMs] = [Date.parse(`${wall}Z`), Date.parse(`${wall}${zone}`)];
  // `Date` rolls 30 February and 24 o'clock over.
  if (Number.isNaN(atMs) || !new Date(wallMs).toISOString().startsWith(wall)) return undefined;
  if (isLeap && !new Date(atMs).toISOString().includes('T23:59:59')) return undefined;
  return atMs + (isLeap ? 1_000 : 0) + Number(`0${fraction}`) * 1_000;
}

function malformed(refused: string): Malformed {
  return { refused, reason: 'cloud_event' };
}
