import { describe, expect, test } from 'vitest';
import { javaTimeOf, readBinaryEvent, readStructuredEvent } from './cloud-event.ts';

const required = { specversion: '1.0', id: '1', source: '/s', type: 't' };

describe('a time is written as Java writes it', () => {
  test.each([
    ['2026-11-22T08:00:00Z', '2026-11-22T08:00:00Z'],
    ['2026-11-22T08:00:00.120Z', '2026-11-22T08:00:00.12Z'],
    ['2026-11-22T08:00:00.000000Z', '2026-11-22T08:00:00Z'],
    ['2026-11-22T08:00:00.123456789Z', '2026-11-22T08:00:00.123456789Z'],
    ['2026-11-22T08:00Z', '2026-11-22T08:00:00Z'],
    ['2026-11-22t08:00:00z', '2026-11-22T08:00:00Z'],
    ['2026-11-22T08:00:00+00:00', '2026-11-22T08:00:00Z'],
    ['2026-11-22T16:00:00+08:00', '2026-11-22T16:00:00+08:00'],
  ])('%s → %s', (given, written) => {
    expect(javaTimeOf(given)).toBe(written);
  });

  test.each([
    'yesterday',
    '2026-11-22',
    '2026-11-22T08:00:00',
    '2026-02-30T08:00:00Z',
    '2026-11-22T25:00:00Z',
    '2026-11-22T08:00:00.1234567890Z',
    '1763798400000',
  ])('%s is no time', (given) => {
    expect(javaTimeOf(given)).toBeUndefined();
  });
});

describe('binary content mode', () => {
  test.each([
    ['an empty subject', { ...required, subject: '' }],
    ['no id', { ...required, id: '' }],
    ['no type', { specversion: '1.0', id: '1', source: '/s' }],
    ['a version there is not', { ...required, specversion: '2.0' }],
    ['a bad time', { ...required, time: 'notatime' }],
    ['a source with a blank', { ...required, source: '/a b' }],
    ['a source with a broken escape', { ...required, source: '/%zz' }],
    ['an extension with a dash', { ...required, 'my-thing': 'x' }],
  ])('%s is malformed', (_, attributes) => {
    expect(readBinaryEvent(Object.entries(attributes), null)).toBeUndefined();
  });

  test('names are taken in lower case, and no data is the same as empty data', () => {
    const event = readBinaryEvent(Object.entries({ ...required, Trace: 'x' }), Buffer.alloc(0));
    expect(Object.fromEntries(event?.attributes ?? [])).toEqual({ ...required, trace: 'x' });
    expect(event?.data).toBeUndefined();
  });
});

describe('structured content mode', () => {
  const read = (fields: object) => readStructuredEvent(Buffer.from(JSON.stringify(fields)));

  test('JSON data are written again as JSON, and other values as text', () => {
    const event = read({ ...required, count: 3, flag: true, data: { b: [1, null] } });
    expect(event?.attributes.get('count')).toBe('3');
    expect(event?.attributes.get('flag')).toBe('true');
    expect(event?.data?.toString()).toBe('{"b":[1,null]}');
  });

  test('data of another type are the text itself, and data_base64 its bytes', () => {
    const text = read({ ...required, datacontenttype: 'text/plain', data: 'a"b' });
    expect(text?.data?.toString()).toBe('a"b');
    const bytes = read({ ...required, data_base64: Buffer.from([0, 255]).toString('base64') });
    expect(bytes?.data).toEqual(Buffer.from([0, 255]));
  });

  test.each([
    ['both kinds of data', { ...required, data: 'x', data_base64: 'eA==' }],
    ['an object as text', { ...required, datacontenttype: 'text/plain', data: {} }],
    ['a number as id', { ...required, id: 7 }],
    ['no source', { specversion: '1.0', id: '1', type: 't' }],
    ['a list', []],
  ])('%s is malformed', (_, fields) => {
    expect(read(fields)).toBeUndefined();
  });

  test('what is no JSON is malformed', () => {
    expect(readStructuredEvent(Buffer.from('{'))).toBeUndefined();
    expect(readStructuredEvent(null)).toBeUndefined();
  });
});
