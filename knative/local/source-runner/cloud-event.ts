// Reads CloudEvents as the CloudEvents SDK for Java 4.0 does, which the dispatcher uses: what it
// accepts, what it calls malformed, and how it writes a time again. Pure.

/** An event without its transport. Attribute names are bare: `id`, `datacontenttype`, `subject`. */
export interface CloudEvent {
  readonly attributes: ReadonlyMap<string, string>;
  /** Undefined where there is none, or where it is empty. */
  readonly data: Buffer | undefined;
}

const structuredContentType = 'application/cloudevents+json';

const required = ['id', 'source', 'type'];
const optional = ['datacontenttype', 'dataschema', 'subject', 'time'];
const attributeNames = new Set(['specversion', ...required, ...optional]);
const specVersions = new Set(['0.3', '1.0']);
const jsonContentType = /^(?:application|text)\/(?:[a-zA-Z]+\+)?json(?:;.*)*$/;
const timePattern =
  /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(Z|[+-]\d{2}:\d{2})$/;

/** Whether a body of this type is a whole event. */
export function isStructured(contentType: string | null | undefined): boolean {
  return contentType?.split(';', 1)[0] === structuredContentType;
}

/** Whether an extension may be called so: lower-case letters and digits. */
export function isExtensionName(name: string): boolean {
  return /^[a-z0-9]+$/.test(name);
}

/** Whether the name is one of the specification's own attributes. */
export function isAttributeName(name: string): boolean {
  return attributeNames.has(name);
}

/**
 * A time as Java writes it again: seconds always, no trailing zeros in the fraction, `Z` for no
 * offset. Undefined where it is no time.
 */
export function javaTimeOf(text: string): string | undefined {
  const match = timePattern.exec(text.toUpperCase());
  if (match === null) return undefined;
  const [, year = '', month = '', day = '', hour = '', minute = '', second = '00'] = match;
  const whole = `${year}-${month}-${day}T${hour}:${minute}:${second}`;
  const date = new Date(`${whole}Z`);
  // `Date` rolls 30 February over to March; Java refuses it.
  if (Number.isNaN(date.getTime()) || !date.toISOString().startsWith(whole)) return undefined;
  const fraction = (match[7] ?? '').replace(/0+$/, '');
  const zone = match[8] === undefined || /^[+-]00:00$/.test(match[8]) ? 'Z' : match[8];
  return `${whole}${fraction === '' ? '' : `.${fraction}`}${zone}`;
}

/**
 * The event of binary content mode: `attributes` as the transport had them, without its prefix,
 * a later one of the same name winning. Undefined where it is malformed.
 */
export function readBinaryEvent(
  attributes: Iterable<readonly [string, string]>,
  data: Buffer | null,
): CloudEvent | undefined {
  const read = new Map<string, string>();
  for (const [name, value] of attributes) {
    const lower = name.toLowerCase();
    if (!isExtensionName(lower)) return undefined;
    read.set(lower, value);
  }
  return checked(read, data === null || data.length === 0 ? undefined : data);
}

/** The event of structured content mode (JSON). Undefined where it is malformed. */
export function readStructuredEvent(json: Buffer | null): CloudEvent | undefined {
  const fields = parseObject(json);
  if (fields === undefined) return undefined;
  const { data, data_base64: base64, ...rest } = fields;
  if ('data' in fields && 'data_base64' in fields) return undefined;
  const read = new Map<string, string>();
  for (const [name, value] of Object.entries(rest)) {
    if (typeof value !== 'string' && attributeNames.has(name)) return undefined;
    if (!isExtensionName(name)) return undefined;
    read.set(name, typeof value === 'string' ? value : JSON.stringify(value));
  }
  if ('data_base64' in fields) {
    if (typeof base64 !== 'string') return undefined;
    return checked(read, Buffer.from(base64, 'base64'));
  }
  if (!('data' in fields)) return checked(read, undefined);
  const contentType = read.get('datacontenttype');
  if (contentType === undefined || jsonContentType.test(contentType)) {
    return checked(read, Buffer.from(JSON.stringify(data)));
  }
  return typeof data === 'string' ? checked(read, Buffer.from(data)) : undefined;
}

/** The event with more extensions; those it has already are replaced. */
export function withExtensions(
  event: CloudEvent,
  extensions: Iterable<readonly [string, string]>,
): CloudEvent {
  return { ...event, attributes: new Map([...event.attributes, ...extensions]) };
}

function checked(read: Map<string, string>, data: Buffer | undefined): CloudEvent | undefined {
  if (!specVersions.has(read.get('specversion') ?? '')) return undefined;
  if (required.some((name) => (read.get(name) ?? '') === '')) return undefined;
  if (read.get('subject') === '') return undefined;
  if (![read.get('source'), read.get('dataschema')].every(isUri)) return undefined;
  const time = read.get('time');
  if (time !== undefined) {
    const written = javaTimeOf(time);
    if (written === undefined) return undefined;
    read.set('time', written);
  }
  return { attributes: read, data };
}

/** What java.net.URI takes, as far as it matters: no blanks, brackets or broken escapes. */
function isUri(text: string | undefined): boolean {
  return text === undefined || !/[\s<>"{}|\\^`]|%(?![0-9A-Fa-f]{2})/.test(text);
}

function parseObject(json: Buffer | null): Record<string, unknown> | undefined {
  if (json === null) return undefined;
  try {
    const value: unknown = JSON.parse(json.toString('utf8'));
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
