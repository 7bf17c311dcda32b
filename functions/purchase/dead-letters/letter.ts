// A dead letter as operators see it, and as it is sent again. Whatever lies in its topic is told
// of, also what is no event at all: texts are cut, and cannot control a terminal. Pure.

import { eventBodyBytesMax, productIdPattern } from '#lib/constants.ts';
import { isSigned } from '#lib/http/signature.ts';
import type { RawMessage } from '#lib/kafka/producer.ts';
import type { Place, RawRecord } from '#lib/kafka/read-records.ts';
import { type deadLetterTopics, eventType } from '#lib/names.ts';
import { readOrderEvent } from '#lib/order-event.ts';
import { partitionOf } from '../sell/publish.ts';

export type Sink = keyof typeof deadLetterTopics;

/** Where a letter lies; its text is its id. */
export interface LetterPlace extends Place {
  readonly sink: Sink;
}

/** What is told of a letter. Nothing in it names a buyer. */
export interface Letter {
  /** `<sink>/<partition>/<offset>`. */
  readonly id: string;
  readonly sink: Sink;
  readonly productId: string | null;
  readonly batchId: string | null;
  readonly type: string | null;
  /** How many orders it carries; null where that cannot be read. */
  readonly orders: number | null;
  readonly bytes: number;
  /** ISO 8601. */
  readonly acceptedAt: string | null;
  readonly diedAt: string | null;
  /** Who refused it, with which status, and why in its own words. */
  readonly where: string | null;
  readonly code: number | null;
  readonly reason: string | null;
  /** Whether a key of ours has signed it: only `purchase` signs events. */
  readonly ours: boolean;
  /** Whether this release can read it: an event of our type and version. */
  readonly readable: boolean;
}

const ids = /^(persist-order|update-rank)\/(0|[1-9]\d{0,8})\/(0|[1-9]\d{0,14})$/;

/** The place that an id names, or undefined where it is no id. */
export function placeOf(id: string): LetterPlace | undefined {
  const [, sink, partition, offset] = ids.exec(id) ?? [];
  if (sink === undefined) return undefined;
  return { sink: sink as Sink, partition: Number(partition), offset: Number(offset) };
}

export function letterIdOf({ sink, partition, offset }: LetterPlace): string {
  return `${sink}/${partition}/${offset}`;
}

const idMax = 96;
const textMax = 200;

export function letterOf(sink: Sink, record: RawRecord, signingKeys: readonly string[]): Letter {
  const header = (name: string) => record.headers[name]?.toString();
  const shown = (name: string, max: number) => cut(header(name), max);
  const code = header('ce_knativeerrorcode');
  return {
    id: letterIdOf({ ...record, sink }),
    sink,
    productId: productIdOf(record) ?? null,
    batchId: shown('ce_id', idMax),
    type: shown('ce_type', idMax),
    orders: ordersIn(record.value)?.length ?? null,
    bytes: record.value?.length ?? 0,
    acceptedAt: isoOf(timeOf(header('ce_time'))),
    diedAt: isoOf(record.timestampMs),
    where: shown('ce_knativeerrordest', textMax),
    code: code !== undefined && /^\d{3}$/.test(code) ? Number(code) : null,
    reason: cut(reasonIn(header('ce_knativeerrordata')), textMax),
    ours: isOurs(record, signingKeys),
    readable: isReadable(record),
  };
}

/** The product that the letter says it is about. */
export function productIdOf({ headers }: RawRecord): string | undefined {
  const subject = headers.ce_subject?.toString();
  return subject !== undefined && productIdPattern.test(subject) ? subject : undefined;
}

/** The batch, where it is named as ours are. */
export function batchIdOf({ headers }: RawRecord): string | undefined {
  const batchId = headers.ce_id?.toString();
  return batchId !== undefined && batchId.length <= idMax ? batchId : undefined;
}

/** Whether a key of ours has signed it, be it of a version that only another release reads. */
export function isOurs({ headers, value }: RawRecord, signingKeys: readonly string[]): boolean {
  const batchId = headers.ce_id?.toString();
  if (batchId === undefined || value === null) return false;
  return isSigned(signingKeys, batchId, value, headers.ce_signature?.toString());
}

function isReadable({ headers, value }: RawRecord): boolean {
  if (headers.ce_type?.toString() !== eventType || value === null) return false;
  return value.length <= eventBodyBytesMax && readOrderEvent(value.toString()) !== undefined;
}

/** The ids of the orders in it; undefined where they cannot be read. */
export function ordersIn(value: Buffer | null): readonly string[] | undefined {
  if (value === null || value.length > eventBodyBytesMax) return undefined;
  try {
    const data = JSON.parse(value.toString()) as { readonly orders?: unknown } | null;
    if (!Array.isArray(data?.orders)) return undefined;
    return data.orders.map((order: { readonly orderId?: unknown } | null) =>
      String(order?.orderId),
    );
  } catch {
    return undefined;
  }
}

/** What a dispatcher adds to a letter, or sets anew each time it delivers one. */
const added = /^ce_(knativeerror(dest|code|data)|knativekafka(partition|offset)|kne-.*)$/;

/**
 * The event as it was published, byte by byte, with its key and headers. Its partition is the one
 * that `purchase` chooses for the batch.
 */
export function messageOf(sink: Sink, record: RawRecord): RawMessage {
  const headers = Object.entries(record.headers).filter(([name]) => !added.test(name));
  return {
    partition: partitionOf(batchIdOf(record) ?? letterIdOf({ ...record, sink })),
    key: record.key,
    headers: Object.fromEntries(headers),
    value: record.value,
  };
}

/** The words of the sink's answer, of which the dispatcher keeps the first 1,024 bytes in base64. */
function reasonIn(data: string | undefined): string | undefined {
  if (data === undefined) return undefined;
  const isBase64 = /^[A-Za-z0-9+/]+={0,2}$/.test(data) && data.length % 4 === 0;
  const text = isBase64 ? Buffer.from(data, 'base64').toString() : data;
  // By a pattern: what is cut off is no JSON any more.
  const [, detail] = /"detail"\s*:\s*"((?:[^"\\]|\\.)*)/s.exec(text) ?? [];
  if (detail === undefined) return text;
  try {
    return JSON.parse(`"${detail}"`) as string;
  } catch {
    return detail;
  }
}

/** One line of at most so many characters, without what controls a terminal; null if empty. */
function cut(text: string | undefined, max: number): string | null {
  const line = (text ?? '')
    .slice(0, 8 * max)
    .replace(/[\p{C}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim();
  const characters = Array.from(line);
  if (characters.length > max) return `${characters.slice(0, max - 1).join('')}…`;
  return line === '' ? null : line;
}

function timeOf(text: string | undefined): number {
  return text !== undefined && /^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)$/i.test(text)
    ? Date.parse(text)
    : Number.NaN;
}

/** Of the years 1970 to 9999; a writer may say any time. */
function isoOf(epochMs: number): string | null {
  return epochMs >= 0 && epochMs < 253_402_300_800_000 ? new Date(epochMs).toISOString() : null;
}
