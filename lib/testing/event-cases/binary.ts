// Events, and what is none, in binary mode: attributes are headers, data are the body.

import {
  type Changes,
  differs,
  type EventCase,
  plainAttributes,
  plainEvent,
  refuses,
  required,
  rfc3339,
  type Sdk,
  takes,
  times,
} from './event-case.ts';

/** Binary mode; a header that is undefined is left out. */
function binary(
  what: string,
  changes: Changes,
  reads: EventCase['reads'],
  sdk?: Sdk,
  body: string | Buffer = plainEvent.data,
): EventCase {
  const plain = Object.entries(plainAttributes).map(([name, value]) => [`ce-${name}`, value]);
  const all: Changes = {
    'content-type': 'application/json',
    ...(Object.fromEntries(plain) as Changes),
    ...changes,
  };
  const headers = Object.entries(all)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => [name, String(value)] as const);
  return { what: `binary: ${what}`, headers, body, reads, ...(sdk && { sdk }) };
}

const headerValues = 'HTTP binding, 3.1.3.2';

export const binaryCases: readonly EventCase[] = [
  binary('as the dispatcher sends it', { 'ce-knativekafkaoffset': '7', prefer: 'reply' }, {}),
  binary(
    'without what is optional',
    { 'ce-time': undefined, 'ce-subject': undefined },
    { subject: undefined, timeMs: undefined },
  ),
  binary('no specversion', { 'ce-specversion': undefined }, undefined, takes(required)),
  binary('an empty specversion', { 'ce-specversion': '' }, undefined, takes(required)),
  binary('specversion 0.3', { 'ce-specversion': '0.3' }, undefined),
  binary('specversion 1.1', { 'ce-specversion': '1.1' }, undefined),
  binary('no id', { 'ce-id': undefined }, undefined),
  binary('an empty id', { 'ce-id': '' }, undefined),
  binary('no source', { 'ce-source': undefined }, undefined),
  binary('an empty source', { 'ce-source': '' }, undefined),
  binary('no type', { 'ce-type': undefined }, undefined),
  binary('an empty type', { 'ce-type': '' }, undefined),
  binary('another type', { 'ce-type': 'seckill.x.v2' }, { type: 'seckill.x.v2' }),
  binary(
    'a source that is a URL',
    { 'ce-source': 'https://a/b?c#d' },
    { source: 'https://a/b?c#d' },
  ),
  binary('a source with a blank', { 'ce-source': '/a b' }, undefined),
  binary('a source with a bracket', { 'ce-source': '/a<b>' }, undefined),
  binary('a source with two fragments', { 'ce-source': '/a#b#c' }, undefined),
  binary('an empty subject', { 'ce-subject': '' }, undefined),
  binary('a schema', { 'ce-dataschema': 'https://a/schema.json' }, {}),
  binary('a schema without a scheme', { 'ce-dataschema': '/schema.json' }, undefined),
  binary('an empty schema', { 'ce-dataschema': '' }, undefined),
  binary('unknown extensions', { 'ce-abc': 'x', 'ce-1': '', 'x-other': 'y' }, {}),
  binary('a long extension', { 'ce-anextensionoftwentyonecharacters': 'x'.repeat(999) }, {}),
  binary('an extension with a hyphen', { 'ce-my-ext': 'x' }, undefined),
  binary('an extension with a line', { 'ce-my_ext': 'x' }, undefined),
  binary(
    'names in upper case',
    { 'ce-id': undefined, 'CE-ID': 'Upper', 'ce-type': undefined, 'Ce-Type': 'T' },
    { id: 'Upper', type: 'T' },
  ),
  binary('a type that is upper case', { 'ce-type': 'T' }, { type: 'T' }),
  ...times.map(([what, time, ...rest]) => binary(`a time ${what}`, { 'ce-time': time }, ...rest)),
  binary('an empty time', { 'ce-time': '' }, undefined, takes(rfc3339)),
  binary(
    'percent-encoding',
    { 'ce-subject': 'Euro%20%E2%82%AC%20%f0%9f%98%80' },
    { subject: 'Euro € 😀' },
    differs(`${headerValues}: one round of decoding`),
  ),
  binary(
    'percent-encoding that was not needed',
    { 'ce-id': '%70.1.1' },
    {},
    differs(`${headerValues}: it is decoded all the same`),
  ),
  binary(
    'percent-encoded twice',
    { 'ce-subject': '%2541' },
    { subject: '%41' },
    differs(`${headerValues}: one round only`),
  ),
  binary(
    'percent-encoded, not UTF-8',
    { 'ce-subject': '%C0%A0' },
    undefined,
    takes(`${headerValues}: an overlong form is rejected`),
  ),
  binary(
    'an unknown extension that is not UTF-8',
    { 'ce-abc': '%FF' },
    undefined,
    takes(`${headerValues}: any header value is decoded`),
  ),
  binary('a percent sign alone', { 'ce-subject': '100%' }, { subject: '100%' }),
  binary(
    'a quoted string',
    { 'ce-subject': '"a \\"b\\\\"' },
    { subject: 'a "b\\' },
    differs(`${headerValues}: unquoted first`),
  ),
  binary('half a quoted string', { 'ce-subject': '"a' }, { subject: '"a' }),
  {
    ...binary('a header twice', { 'ce-subject': undefined }, { subject: 'p, q' }),
    headers: [
      ...binary('', { 'ce-subject': undefined }, {}).headers,
      ['ce-subject', 'p'],
      ['ce-subject', 'q'],
    ],
  },
  binary(
    'a time twice',
    { 'ce-time': '2026-09-21T14:13:20Z, 2026-09-21T14:13:20Z' },
    undefined,
    takes(rfc3339),
  ),
  binary('a source twice', { 'ce-source': '/a, /b' }, undefined),
  binary(
    'a header of its own for the content type',
    { 'ce-datacontenttype': 'application/json' },
    undefined,
    takes('HTTP binding, 3.1.1: it MUST NOT be present'),
  ),
  binary('no content type', { 'content-type': undefined }, {}),
  binary('an empty content type', { 'content-type': '' }, {}),
  binary('with a charset', { 'content-type': 'application/json; charset=utf-8' }, {}),
  binary('with another', { 'content-type': 'Application/JSON ;charset="UTF-8"; x=y' }, {}),
  binary(
    'of another content type',
    { 'content-type': 'text/plain' },
    { data: 'x' },
    undefined,
    'x',
  ),
  binary('no data', {}, { data: '' }, undefined, ''),
  binary(
    'data that are no JSON',
    {},
    { data: '{"a":' },
    refuses(
      'HTTP binding, 2.2: data are bytes; that they are no JSON is not the envelope’s affair',
    ),
    '{"a":',
  ),
];
