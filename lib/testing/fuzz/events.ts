// Requests that are HTTP and nearly an event: one that was consumed before, changed in its
// envelope or in its data, these with a signature that is right or wrong.

import fc from 'fast-check';
import { sign } from '#lib/http/signature.ts';
import { binaryCases } from '#lib/testing/event-cases/binary.ts';
import { structuredCases } from '#lib/testing/event-cases/structured.ts';
import type { EventRequest } from '#lib/testing/order-events.ts';
import { judgeData } from './is-valid.ts';

export interface FuzzedEvent {
  readonly kind: 'event';
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
  readonly chunked: boolean;
  /** What may be answered. Consuming the known event again changes nothing. */
  readonly allowed: readonly number[];
}

type Message = Pick<FuzzedEvent, 'headers' | 'body' | 'allowed'>;

const [done, never] = [204, 422];

/** Values as JSON text, some of which are none. */
const oddTexts: readonly string[] = [
  ...['null', 'true', '0', '-0', '-1', '1.5', '1e3', '1e999', '2147483648', '9007199254740993'],
  ...['""', '"1"', '"x"', '"\\ud800"', '"\\u0000"', '"__proto__"', '[]', '{}', '[1]', '[2,1]'],
  ...['NaN', '01', '"', ',', '{"__proto__":{"a":1}}', '[[[[[[[[[[]]]]]]]]]]', '\ufeff1'],
  '['.repeat(5_000) + ']'.repeat(5_000),
  `"${'x'.repeat(20_000)}"`,
];

type Mutate = (name: string | undefined, text: string, odd: string) => readonly string[];

const member = (name: string | undefined, text: string) =>
  name === undefined ? text : `${JSON.stringify(name)}:${text}`;

/** What takes the place of a member, or of an element of a list. */
const mutations: readonly Mutate[] = [
  (name, _text, odd) => [member(name, odd)],
  (name, text) => [member(name, `"${text.replace(/\W/g, '')}"`)],
  () => [],
  (name, text, odd) => [member(name, odd), member(name, text)],
  (name, text, odd) => [member(name, text), member(name, odd)],
  (name, text) => [member(name, text), member(name, text)],
  (name, text) => [member(name && `${name} `, text)],
  (name, text, odd) => [member(name, text), member(name && '__proto__', odd)],
  (name, text, odd) => [member(name && 'constructor', odd), member(name, text)],
  (name, text, odd) => [member(name, text), member(name && 'newInV1', odd)],
  (name, text) => [member(name, `[${text}]`)],
];

/** The value as JSON text, the `target`th of its members and elements changed. */
function textWith(value: unknown, target: number, mutate: Mutate, odd: string): string {
  let at = -1;
  const write = (one: unknown): string => {
    if (typeof one !== 'object' || one === null) return JSON.stringify(one);
    const isList = Array.isArray(one);
    const parts = Object.entries(one).flatMap(([name, inner]) => {
      const [index, key] = [(at += 1), isList ? undefined : name];
      const text = write(inner);
      return index === target ? mutate(key, text, odd) : [member(key, text)];
    });
    return isList ? `[${parts.join()}]` : `{${parts.join()}}`;
  };
  return write(value);
}

function nodesIn(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return Object.values(value).reduce<number>((sum, inner) => sum + 1 + nodesIn(inner), 0);
}

/** Requests around an event that has been consumed. */
export function fuzzedEvents(
  known: EventRequest,
  keys: readonly string[],
): fc.Arbitrary<FuzzedEvent> {
  const event: unknown = JSON.parse(known.body);
  const batchId = known.headers['ce-id'] ?? '';
  const headers = Object.entries(known.headers);
  const bytes = Buffer.from(known.body);

  const withData = (data: Buffer, isSigned: boolean): Message | undefined => {
    const signature = isSigned ? sign(keys, batchId, data) : (known.headers['ce-signature'] ?? '');
    const verdict = isSigned || data.equals(bytes) ? judgeData(data, batchId, event) : 'invalid';
    if (verdict === 'other') return undefined;
    const signed = headers.map(([name, value]) => {
      return [name, name === 'ce-signature' ? signature : value] as const;
    });
    return { headers: signed, body: data, allowed: [verdict === 'same' ? done : never] };
  };

  const changedField = fc
    .record({
      target: fc.nat({ max: nodesIn(event) - 1 }),
      mutate: fc.constantFrom(...mutations),
      odd: fc.constantFrom(...oddTexts),
      isSigned: fc.boolean(),
    })
    .map(({ target, mutate, odd, isSigned }) =>
      withData(Buffer.from(textWith(event, target, mutate, odd)), isSigned),
    );
  const flippedBytes = fc
    .record({
      flips: fc.array(
        fc.tuple(fc.nat({ max: bytes.length - 1 }), fc.integer({ min: 1, max: 255 })),
        {
          minLength: 1,
          maxLength: 3,
        },
      ),
      isSigned: fc.boolean(),
    })
    .map(({ flips, isSigned }) => {
      const data = Buffer.from(bytes);
      for (const [at, by] of flips) data[at] = (data[at] ?? 0) ^ by;
      return withData(data, isSigned);
    });
  const anyData = fc
    .oneof(
      { arbitrary: fc.json().map((text) => Buffer.from(text)), weight: 20 },
      { arbitrary: fc.uint8Array({ maxLength: 300 }).map((of) => Buffer.from(of)), weight: 20 },
      { arbitrary: fc.nat({ max: bytes.length }).map((to) => bytes.subarray(0, to)), weight: 20 },
      { arbitrary: fc.constant(Buffer.alloc(1_048_577, 'x')), weight: 1 },
    )
    .map((data) =>
      data.length > 1_000_000 ? { headers, body: data, allowed: [never] } : withData(data, true),
    );
  const message = fc.oneof(
    { arbitrary: changedField, weight: 5 },
    { arbitrary: flippedBytes, weight: 2 },
    { arbitrary: anyData, weight: 1 },
    { arbitrary: changedHeader(known), weight: 3 },
    { arbitrary: fc.constantFrom(...tableCases), weight: 2 },
  );
  return fc
    .tuple(message, fc.constantFrom(...modes), fc.boolean())
    .filter(([given]) => given !== undefined)
    .map(([given, mode, chunked]) => ({ kind: 'event', chunked, ...mode(given as Message) }));
}

/** One header changed, added or left out; the data stay those of the known event. */
function changedHeader(known: EventRequest): fc.Arbitrary<Message> {
  // Neither encoded nor quoted: that could be the same value again.
  const text = fc.string({ unit: fc.constantFrom(...'abz019 -_.:/,;=+~!?&#'.split('')) });
  const value = fc.oneof(
    text,
    fc.constantFrom('', '1.0', 'p', 'null', 'application/json', 'a'.repeat(9_000)),
  );
  const names = [
    'content-type',
    ...Object.keys(known.headers),
    'ce-data',
    'ce-my-ext',
    'ce-dataschema',
  ];
  return fc
    .tuple(fc.constantFrom(...names), fc.option(value), fc.boolean())
    .map(([name, given, twice]) => {
      const kept = Object.entries(known.headers).filter(([one]) => twice || one !== name);
      const headers = given === null ? kept : [...kept, [name, given.trim()] as const];
      const before = known.headers[name];
      const isSame =
        given === null ? twice || before === undefined : !twice && given.trim() === before;
      return { headers, body: Buffer.from(known.body), allowed: allowedWith(name, given, isSame) };
    });
}

/** What neither the signature nor the data vouch for may say what it will, if it is well-formed. */
function allowedWith(name: string, given: string | null, isSame: boolean): readonly number[] {
  if (isSame || (name === 'ce-subject' && given === null)) return [done];
  const isVouchedFor = ['content-type', 'ce-specversion', 'ce-id', 'ce-type', 'ce-signature'];
  return [...isVouchedFor, 'ce-subject', 'ce-my-ext'].includes(name) ? [never] : [done, never];
}

/** None of them is signed. */
const tableCases: readonly Message[] = [...binaryCases, ...structuredCases].map(
  ({ headers, body }) => ({ headers, body: Buffer.from(body), allowed: [never] }),
);

/** How the same event is sent. */
const modes: readonly ((message: Message) => Message)[] = [
  (message) => message,
  (message) => message,
  (message) => structured(message, ({ body }) => ({ data_base64: body.toString('base64') })),
  (message) => ({ ...message, headers: [...message.headers, ['content-encoding', 'gzip']] }),
  ({ headers, body }) => ({
    headers: [['content-type', 'application/cloudevents-batch+json'], ...headers.slice(1)],
    body: Buffer.concat([Buffer.from('['), body, Buffer.from(']')]),
    allowed: [never],
  }),
];

/** What cannot be in an envelope is left as it is. */
function structured(message: Message, dataOf: (of: Message) => object): Message {
  const { headers, allowed } = message;
  const type = headers.find(([name]) => name === 'content-type')?.[1];
  const names = new Set(headers.map(([name]) => name.toLowerCase()));
  if (type !== 'application/json' || names.size < headers.length) return message;
  const attributes = headers
    .filter(([name]) => name.startsWith('ce-'))
    .map(([name, value]) => [name.slice('ce-'.length), value] as const);
  const body = { ...Object.fromEntries(attributes), ...dataOf(message) };
  return {
    headers: [['content-type', 'application/cloudevents+json']],
    body: Buffer.from(JSON.stringify(body)),
    // An attribute that headers cannot carry may do in JSON, and the reverse.
    allowed: allowed.length > 1 ? [done, never] : allowed,
  };
}
