// Events, and what is none, in structured mode: the body is a JSON envelope. And batched mode.

import {
  type Changes,
  differs,
  type EventCase,
  plainAttributes,
  plainEvent,
  refuses,
  required,
  type Sdk,
  takes,
  times,
} from './event-case.ts';

/** Structured mode; a member that is undefined is left out. */
function structured(
  what: string,
  changes: Changes,
  reads: EventCase['reads'],
  sdk?: Sdk,
): EventCase {
  const body = JSON.stringify({ ...plainAttributes, data: { a: 1 }, ...changes });
  return envelope(what, body, reads, sdk);
}

function envelope(
  what: string,
  body: string | Buffer,
  reads: EventCase['reads'],
  sdk?: Sdk,
  contentType = 'application/cloudevents+json',
): EventCase {
  const headers = [['content-type', contentType]] as const;
  return { what: `structured: ${what}`, headers, body, reads, ...(sdk && { sdk }) };
}

const jsonParameters = refuses('RFC 8259, 11: a parameter has no effect on JSON');
const jsonTypes = 'JSON format, 2.2: the types of attributes';
const names = 'attribute names are of a-z and 0-9';
const base64 = takes('JSON format, 3.1.1 and RFC 4648, 3: padded, and of its alphabet');
const nothing = 'JSON format, 3.1.1: what is there, is there';

const plainEnvelope = JSON.stringify({ ...plainAttributes, data: { a: 1 } });
/** The plain envelope with more members, as text. */
const withText = (members: string) => `${plainEnvelope.slice(0, -1)},${members}}`;
const withoutData = JSON.stringify(plainAttributes);
/** The plain envelope with these data, as text. */
const withData = (data: string) => `${withoutData.slice(0, -1)},"data":${data}}`;

const contentTypes: readonly (readonly [string, EventCase['reads'], Sdk?])[] = [
  ['application/cloudevents+json; charset=utf-8', {}],
  ['application/cloudevents+json;charset=UTF-8', {}, jsonParameters],
  ['application/cloudevents+json; charset=latin1', {}, jsonParameters],
  ['Application/CloudEvents+JSON', {}, refuses('RFC 9110, 8.3.1: case does not matter')],
  ['application/cloudevents', undefined],
  ['application/cloudevents+xml', undefined],
  ['application/cloudevents+avro', undefined],
  ['application/cloudevents+jsonx', undefined],
  ['application/cloudevents+json x', undefined],
];

const attributes: readonly EventCase[] = [
  structured('as the SDK writes it', {}, {}),
  structured(
    'without what is optional',
    { time: undefined, subject: undefined },
    { timeMs: undefined, subject: undefined },
  ),
  structured('no specversion', { specversion: undefined }, undefined, takes(required)),
  structured('specversion 0.3', { specversion: '0.3' }, undefined),
  structured('specversion as a number', { specversion: 1 }, undefined),
  structured('no id', { id: undefined }, undefined, takes(required)),
  structured('an empty id', { id: '' }, undefined, takes(required)),
  structured('an id that is null', { id: null }, undefined, takes(required)),
  structured('an id that is a number', { id: 5 }, undefined),
  structured('no source', { source: undefined }, undefined),
  structured('a source that is null', { source: null }, undefined),
  structured('a source with a blank', { source: '/a b' }, undefined),
  structured('no type', { type: undefined }, undefined),
  structured('another type', { type: 'seckill.x.v2' }, { type: 'seckill.x.v2' }),
  structured('a type that is an object', { type: {} }, undefined),
  structured('a subject that is null', { subject: null }, { subject: undefined }),
  structured('a subject that is a number', { subject: 5 }, undefined),
  structured('an empty subject', { subject: '' }, undefined, takes('subject is non-empty')),
  structured('no percent-encoding here', { subject: '%41 "ü"' }, { subject: '%41 "ü"' }),
  structured('a schema', { dataschema: 'urn:x:y' }, {}),
  structured('a schema that is null', { dataschema: null }, {}),
  structured('a schema without a scheme', { dataschema: 'schema.json' }, undefined),
  ...times.map(([what, time, ...rest]) => structured(`a time ${what}`, { time }, ...rest)),
  structured('a time that is null', { time: null }, { timeMs: undefined }),
  structured('a time that is a number', { time: 5 }, undefined, takes(jsonTypes)),
  structured('extensions', { abc: 'x', n: -1, yes: true, none: null, e: '' }, {}),
  structured('an extension that is a fraction', { abc: 1.5 }, undefined, takes(jsonTypes)),
  structured('an extension that is an object', { abc: { d: 1 } }, undefined, takes(jsonTypes)),
  structured('an extension that is a list', { abc: ['x'] }, undefined, takes(jsonTypes)),
  structured('an extension with a hyphen', { 'my-ext': 'x' }, undefined),
  structured('an extension in upper case', { abC: 'x' }, undefined),
  envelope('__proto__', withText('"__proto__":"x"'), undefined, takes(names)),
  envelope('constructor', withText('"constructor":"x"'), {}),
];

const envelopes: readonly EventCase[] = [
  ...contentTypes.map(([contentType, reads, sdk]) =>
    envelope(contentType, plainEnvelope, reads, sdk, contentType),
  ),
  envelope('blanks between its parts', `${withText('"abc" : \t"x"\r\n ')} \n`, {}),
  envelope('a blank before it', ` ${plainEnvelope}`, {}, refuses('RFC 8259, 2')),
  envelope('names that are escaped', plainEnvelope.replace('"id"', '"i\\u0064"'), {}),
  envelope('a member twice', withText('"id":"other"'), undefined, takes('RFC 8259, 4')),
  envelope('data twice', withText('"d\\u0061ta":{}'), undefined, takes('RFC 8259, 4')),
  envelope('a byte order mark', `\ufeff${plainEnvelope}`, undefined),
  envelope('UTF-16', Buffer.from(plainEnvelope, 'utf16le'), undefined),
  envelope(
    'not UTF-8',
    Buffer.from(withText('"abc":"\xff"'), 'latin1'),
    undefined,
    takes('RFC 8259, 8.1: JSON is UTF-8'),
  ),
  envelope('nothing', '', undefined),
  envelope('half of it', plainEnvelope.slice(0, -9), undefined),
  envelope('a comma too many', `${plainEnvelope.slice(0, -1)},}`, undefined),
  envelope('something after it', `${plainEnvelope}\0`, undefined),
  envelope('null', 'null', undefined),
  envelope('a text', '"text"', undefined),
  envelope('a number', '1', undefined),
  envelope('an empty object', '{}', undefined),
  envelope('a list of one', `[${plainEnvelope}]`, undefined),
  {
    ...envelope('headers that say otherwise', plainEnvelope, {}),
    headers: [
      ['content-type', 'application/cloudevents+json'],
      ['ce-id', 'other'],
      ['ce-specversion', '0.3'],
    ],
  },
  envelope(
    'batched mode',
    `[${plainEnvelope}]`,
    undefined,
    takes('HTTP binding, 3: MUST NOT be used unless solicited'),
    'application/cloudevents-batch+json',
  ),
];

const payloads: readonly EventCase[] = [
  envelope('no data', withoutData, { data: '' }),
  ...[
    '{ "a" : [ 1, {"b":"]}\\"\\\\"} ] }',
    '[]',
    '"a text, \\u00fc ü"',
    '""',
    '12345678901234567890',
    '1e3',
    'true',
    '{"data":1,"id":"x","__proto__":{}}',
  ].map((data) => envelope(`data as they stand: ${data}`, withData(data), { data })),
  ...['null', '0', 'false'].map((data) =>
    envelope(`data that are ${data}`, withData(data), { data }, differs(nothing)),
  ),
  structured('data of text', { datacontenttype: 'text/plain', data: 'ü' }, { data: 'ü' }),
  structured(
    'data of other JSON',
    { datacontenttype: 'application/a+json; b=c', data: 1 },
    { data: '1' },
  ),
  structured(
    'an object that should be a text',
    { datacontenttype: 'text/plain' },
    undefined,
    takes('JSON format, 3.1.2: MAY fail, and it is no bytes'),
  ),
  ...base64Cases(),
];

function base64Cases(): EventCase[] {
  const encoded = Buffer.from(plainEvent.data).toString('base64');
  const given = (what: string, value: unknown, ...rest: [EventCase['reads'], Sdk?]) =>
    structured(`data_base64: ${what}`, { data: undefined, data_base64: value }, ...rest);
  return [
    given('padded', encoded, {}),
    given('null', null, { data: '' }),
    given('empty', '', { data: '' }),
    given('without its padding', encoded.replace(/=+$/, ''), undefined, base64),
    given('too much of it', `${encoded}=`, undefined, base64),
    given('a line break', `${encoded.slice(0, 4)}\n${encoded.slice(4)}`, undefined, base64),
    given('of another alphabet', '_-8=', undefined, base64),
    given('bits left over', 'QR==', undefined, base64),
    given('a number', 5, undefined),
    structured(
      'both data and data_base64',
      { data_base64: encoded },
      undefined,
      takes('JSON format, 3.1.1: mutually exclusive'),
    ),
  ];
}

export const structuredCases: readonly EventCase[] = [...attributes, ...envelopes, ...payloads];
