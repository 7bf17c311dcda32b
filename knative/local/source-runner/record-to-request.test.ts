import { HTTP } from 'cloudevents';
import { describe, expect, test } from 'vitest';
import {
  deadLetterOf,
  type EventSource,
  eventOf,
  type FetchedRecord,
  requestOf,
} from './record-to-request.ts';

const source: EventSource = {
  namespace: 'seckill',
  name: 'persist-order',
  keyType: 'string',
  extensions: {},
};

function record(
  parts: Partial<Omit<FetchedRecord, 'headers'>> & { headers?: object },
): FetchedRecord {
  const { headers = {}, ...rest } = parts;
  return {
    topic: 'seckill.orders',
    partition: 3,
    offset: 42n,
    timestampMs: Date.UTC(2026, 10, 22, 8, 0, 0, 120),
    key: null,
    value: Buffer.from('{"a":1}'),
    headers: Object.entries(headers).map(([name, text]) => [name, Buffer.from(String(text))]),
    ...rest,
  };
}

const request = (given: FetchedRecord, from: EventSource = source) =>
  requestOf(eventOf(given, from), from);

const always = {
  prefer: 'reply',
  'kn-namespace': 'seckill',
  'ce-specversion': '1.0',
  'ce-knativekafkapartition': '3',
  'ce-knativekafkaoffset': '42',
};
const plain = {
  ...always,
  'ce-id': 'partition:3/offset:42',
  'ce-type': 'dev.knative.kafka.event',
  'ce-source': '/apis/v1/namespaces/seckill/kafkasources/persist-order#seckill.orders',
  'ce-subject': 'partition:3#42',
  'ce-time': '2026-11-22T08:00:00.12Z',
};
const ce = { ce_specversion: '1.0', ce_id: 'b.1.7', ce_source: '/seckill/purchase', ce_type: 't' };

describe('(a) a plain record', () => {
  test('is wrapped in an event of its own, without a content type', () => {
    const { headers, body } = request(record({}));
    expect(headers).toEqual(plain);
    expect(body?.toString()).toBe('{"a":1}');
  });

  test('shows its key twice, and its headers as extensions', () => {
    const { headers } = request(
      record({
        key: Buffer.from('k1'),
        headers: { 'X-Trace_Id': 'traced', 'Content-Type': 'Application/JSON' },
      }),
    );
    expect(headers).toEqual({
      ...plain,
      'ce-key': 'k1',
      'ce-partitionkey': 'k1',
      'ce-kafkaheaderxtraceid': 'traced',
      'content-type': 'application/json',
    });
  });

  test('has a key by its type: an int of four bytes, bytes in base64, else text', () => {
    const keyOf = (keyType: EventSource['keyType'], key: Buffer) =>
      request(record({ key }), { ...source, keyType }).headers['ce-key'];
    expect(keyOf('int', Buffer.from([255, 255, 255, 254]))).toBe('-2');
    expect(keyOf('int', Buffer.from('12345'))).toBe('12345');
    expect(keyOf('byte-array', Buffer.from([0, 1]))).toBe('AAE=');
    expect(keyOf('string', Buffer.alloc(0))).toBeUndefined();
  });
});

describe('(b) a CloudEvent in binary mode', () => {
  test('passes as it is; the key and other headers do not', () => {
    const { headers, body } = request(
      record({
        key: Buffer.from('not forwarded'),
        headers: {
          ...ce,
          ce_subject: 'p-1',
          ce_time: '2026-11-22T08:00:00.123456Z',
          ce_signature: 'abc',
          'content-type': 'application/json',
          'x-other': 'dropped',
          CE_UPPER: 'dropped',
        },
      }),
    );
    expect(headers).toEqual({
      ...always,
      'ce-id': 'b.1.7',
      'ce-source': '/seckill/purchase',
      'ce-type': 't',
      'ce-subject': 'p-1',
      'ce-time': '2026-11-22T08:00:00.123456Z',
      'ce-signature': 'abc',
      'content-type': 'application/json',
    });
    expect(body?.toString()).toBe('{"a":1}');
  });

  test('of the same header twice, the later counts', () => {
    const twice = record({ headers: ce });
    const headers = [...twice.headers, ['ce_id', Buffer.from('later')] as const];
    expect(request({ ...twice, headers }).headers['ce-id']).toBe('later');
  });

  test('is what the CloudEvents SDK reads', () => {
    const { headers, body } = request(
      record({ headers: { ...ce, 'content-type': 'application/json' } }),
    );
    const event = HTTP.toEvent({ headers, body: body?.toString() });
    expect(event).toMatchObject({ id: 'b.1.7', data: { a: 1 }, knativekafkapartition: '3' });
  });
});

describe('(c) a structured CloudEvent', () => {
  const fields = { specversion: '1.0', id: 'x', source: '/s', type: 't', data: { a: 2 } };
  const value = Buffer.from(JSON.stringify(fields));

  test('is sent in binary mode', () => {
    const contentType = 'application/cloudevents+json; charset=utf-8';
    const { headers, body } = request(record({ value, headers: { 'content-type': contentType } }));
    expect(headers).toEqual({ ...always, 'ce-id': 'x', 'ce-source': '/s', 'ce-type': 't' });
    expect(body?.toString()).toBe('{"a":2}');
  });

  test('in a format that is not known is a plain record', () => {
    const contentType = 'application/cloudevents+xml';
    const { headers } = request(record({ value, headers: { 'content-type': contentType } }));
    expect(headers).toEqual({ ...plain, 'content-type': contentType });
  });
});

test('(d) a malformed CloudEvent is a plain record, its attributes extensions', () => {
  const { headers } = request(record({ headers: { ...ce, ce_time: 'notatime' } }));
  expect(headers).toEqual({
    ...plain,
    'ce-kafkaheadercespecversion': '1.0',
    'ce-kafkaheaderceid': 'b.1.7',
    'ce-kafkaheadercesource': '/seckill/purchase',
    'ce-kafkaheadercetype': 't',
    'ce-kafkaheadercetime': 'notatime',
  });
});

describe('(e) a record without a value', () => {
  test('is a CloudEvent without data if its headers say so', () => {
    const { headers, body } = request(record({ value: null, headers: ce }));
    expect(headers['ce-id']).toBe('b.1.7');
    expect(body).toBeUndefined();
  });

  test('is a plain record with an empty body else', () => {
    const { headers, body } = request(record({ value: null }));
    expect(headers).toEqual(plain);
    expect(body).toBeUndefined();
  });
});

test('what a header cannot carry is percent-encoded, its key and a ceOverride too', () => {
  const overriding = { ...source, extensions: { stage: 'früh' } };
  const given = record({ key: Buffer.from([0, 0x41]), headers: { 'x-name': '商品 1' } });
  expect(request(given, overriding).headers).toEqual({
    ...plain,
    ...{ 'ce-key': '%00A', 'ce-partitionkey': '%00A', 'ce-stage': 'fr%C3%BCh' },
    'ce-kafkaheaderxname': '%E5%95%86%E5%93%81%201',
  });
});

test('ceOverrides come last, over anything of that name', () => {
  const overriding = { ...source, extensions: { signature: 'mine', knativekafkaoffset: '0' } };
  const { headers } = request(record({ headers: { ...ce, ce_signature: 'x' } }), overriding);
  expect(headers['ce-signature']).toBe('mine');
  expect(headers['ce-knativekafkaoffset']).toBe('0');
});

test('a header without a value gives the record up', () => {
  const headers = [['x', null]] as const;
  expect(() => eventOf({ ...record({}), headers }, source)).toThrow('header x');
});

describe('a dead letter', () => {
  const event = eventOf(record({ headers: ce }), source);
  const errorsOf = (...[refusal]: [Parameters<typeof deadLetterOf>[2]]) =>
    Object.fromEntries(
      [...deadLetterOf(event, 'http://sink/', refusal).attributes].filter(
        ([name]) => !event.attributes.has(name),
      ),
    );

  test('says where it was refused, and how', () => {
    const body = Buffer.from('no such sale');
    const headers = { 'kne-Reason': 'unknown', 'x-other': 'y', 'content-type': 'text/plain' };
    expect(errorsOf({ status: 422, headers, body })).toEqual({
      knativeerrordest: 'http://sink/',
      knativeerrorcode: '422',
      knativeerrordata: body.toString('base64'),
      reason: 'unknown',
    });
  });

  test('carries the first 1024 bytes of the answer', () => {
    const body = Buffer.alloc(2_000, 'x');
    const data = errorsOf({ status: 500, headers: {}, body })['knativeerrordata'] ?? '';
    expect(Buffer.from(data, 'base64')).toEqual(body.subarray(0, 1_024));
  });

  test('without an answer says only where; an empty answer has no data', () => {
    expect(errorsOf(undefined)).toEqual({ knativeerrordest: 'http://sink/' });
    expect(errorsOf({ status: 500, headers: {}, body: Buffer.alloc(0) })).toEqual({
      knativeerrordest: 'http://sink/',
      knativeerrorcode: '500',
    });
  });

  test('without a way to send it says where it should have gone, and why it did not', () => {
    expect(errorsOf({ unsendable: 'why' })).toEqual({
      knativeerrordest: 'http://sink/',
      knativeerrordata: Buffer.from('why').toString('base64'),
    });
  });

  test.each([
    ['\ufffd\ufffd', undefined],
    ['application/cloudevents+json; charset=utf-8', undefined],
    [' application/cloudevents+json', undefined],
    ['application/json; charset=utf-8', 'application/json; charset=utf-8'],
  ])('has the content type %j as %j, and tells of it else', (contentType, kept) => {
    const attributes = new Map(event.attributes).set('datacontenttype', contentType);
    const letter = deadLetterOf({ ...event, attributes }, 'http://sink/', undefined).attributes;
    expect(letter.get('datacontenttype')).toBe(kept);
    expect(letter.get('kafkaheadercontenttype')).toBe(kept === undefined ? contentType : undefined);
  });

  test('leaves out what no extension may be called', () => {
    const headers = { 'kne-my-thing': 'a', 'kne-id': 'b', 'kne-': 'c' };
    expect(Object.keys(errorsOf({ status: 422, headers, body: Buffer.alloc(0) }))).toEqual([
      'knativeerrordest',
      'knativeerrorcode',
    ]);
  });
});
