import { expect, test } from 'vitest';
import { type LetterPlace, letterIdOf, letterOf, messageOf, placeOf } from './letter.ts';

const record = { partition: 1, offset: 17, timestampMs: 1, key: null, headers: {}, value: null };
const bytes = (headers: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)]));

test('an id names a place, and only as it is written', () => {
  const place: LetterPlace = { sink: 'update-rank', partition: 2, offset: 900_719_925_474 };
  expect(placeOf(letterIdOf(place))).toEqual(place);
  const none = ['', 'persist-order/1', 'persist-order/01/2', 'rank/0/1', 'persist-order/0/-1'];
  for (const id of [...none, 'persist-order/0/1/2', 'persist-order/0/1e3']) {
    expect(placeOf(id), id).toBeUndefined();
  }
});

test.each([-1, Number.NaN, 9e15, 253_402_300_800_000])('no time is made of %d', (timestampMs) => {
  expect(letterOf('persist-order', { ...record, timestampMs }, []).diedAt).toBeNull();
});

test('a reason is what the sink said, whole or cut off, in base64 or not', () => {
  const reasonOf = (data: string) =>
    letterOf('persist-order', { ...record, headers: bytes({ ce_knativeerrordata: data }) }, [])
      .reason;
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  expect(reasonOf(base64('{"title":"x","detail":"a \\"b\\" é"}'))).toBe('a "b" é');
  expect(reasonOf(base64('{"detail":"no end \\u00'))).toBe('no end \\u00');
  expect(reasonOf(base64('<html>busy</html>'))).toBe('<html>busy</html>');
  expect(reasonOf('not base64!')).toBe('not base64!');
  expect(reasonOf(base64('\u{1f600}'.repeat(300)))).toBe(`${'\u{1f600}'.repeat(199)}…`);
  expect(reasonOf('')).toBeNull();
});

test('a message is the event without what dispatchers add', () => {
  const own = { ce_id: 'p.1.7', ce_type: 't', ce_traceparent: '00-1', 'content-type': 'a/b' };
  const added = {
    ...{ ce_knativeerrordest: 'x', ce_knativeerrorcode: '422', ce_knativeerrordata: 'eA==' },
    ...{ ce_knativekafkapartition: '1', ce_knativekafkaoffset: '2', 'ce_kne-reason': 'y' },
  };
  const key = Buffer.from('p.1.7');
  const value = Buffer.from([0xff, 0x00]);
  const letter = { ...record, key, value, headers: bytes({ ...own, ...added }) };
  const message = messageOf('persist-order', letter);
  expect(message).toMatchObject({ key, value, headers: bytes(own) });
  expect(Object.keys(message.headers)).toHaveLength(4);
  // The partition is the batch's, wherever the letter lies.
  expect(messageOf('update-rank', { ...letter, partition: 0, offset: 3 }).partition).toBe(
    message.partition,
  );
});
