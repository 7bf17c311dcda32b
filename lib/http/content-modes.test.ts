// Our reader and the SDK agree on every request of one table, but where the table says otherwise
// and which rule of the specification decides.

import { CloudEvent, HTTP } from 'cloudevents';
import { describe, expect, test } from 'vitest';
import { binaryCases } from '#lib/testing/event-cases/binary.ts';
import { type EventCase, plainEvent, type ReadEvent } from '#lib/testing/event-cases/event-case.ts';
import { structuredCases } from '#lib/testing/event-cases/structured.ts';
import { readCloudEvent } from './content-modes.ts';

/** As our server has them: lower case, what came twice in one. */
function fieldsOf({ headers }: EventCase): Record<string, string> {
  return Object.fromEntries(new Headers(headers.map(([name, value]) => [name, value])));
}

/** What our reader makes of it. */
function ours(given: EventCase): ReadEvent | { refused: string } {
  const read = readCloudEvent(fieldsOf(given), Buffer.from(given.body));
  if ('refused' in read) return read;
  const { id, source, type, subject, timeMs, data } = read;
  const wholeMs = timeMs === undefined ? undefined : Math.floor(timeMs);
  return { id, source, type, subject, timeMs: wholeMs, data: data.toString() };
}

/** What the SDK makes of it; undefined where it refuses. It knows names as they were sent. */
function bySdk({ headers, body }: EventCase): CloudEvent<unknown> | undefined {
  const names = new Set(headers.map(([name]) => name));
  const fields = Object.fromEntries(
    [...names].map((name) => {
      const values = headers.filter(([one]) => one === name).map(([, value]) => value);
      return [name, values.join(', ')];
    }),
  );
  try {
    const read = HTTP.toEvent({ headers: fields, body: body.toString() });
    const [event] = Array.isArray(read) ? read : [read];
    // An event of another version is neither valid nor an error.
    return event instanceof CloudEvent && event.validate() ? event : undefined;
  } catch {
    return undefined;
  }
}

/** The SDK's data as JSON or text: it parses them where it knows the content type. */
function dataOf({ data, data_base64: base64 }: CloudEvent<unknown>): unknown {
  if (typeof base64 === 'string') return parsed(Buffer.from(base64, 'base64').toString());
  if (data === undefined || data === '') return '';
  return typeof data === 'string' ? parsed(data) : data;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** An event as both can tell of it. Where there is no time the SDK takes the present one. */
function comparable(read: ReadEvent, theirs: CloudEvent<unknown>) {
  const { id, source, type, subject, time } = theirs;
  const timeMs = read.timeMs === undefined ? undefined : Date.parse(time ?? '');
  return [
    { ...read, data: parsed(read.data) },
    { id, source, type, subject, timeMs, data: dataOf(theirs) },
  ];
}

const cases = [...binaryCases, ...structuredCases];

test('no two cases are called the same', () => {
  expect(new Set(cases.map(({ what }) => what)).size).toBe(cases.length);
});

describe('our reader', () => {
  test.each(cases)('$what', (given) => {
    const expected = given.reads && { ...plainEvent, ...given.reads };
    if (expected === undefined) expect(ours(given)).toHaveProperty('refused');
    else expect(ours(given)).toEqual(expected);
  });
});

describe('the SDK', () => {
  test.each(cases)('$what', (given) => {
    const [read, theirs] = [ours(given), bySdk(given)];
    const does = given.sdk?.does;
    if (does === 'take it' || does === 'refuse it') {
      expect('refused' in read, 'we').toBe(does === 'take it');
      expect(theirs === undefined, 'the SDK').toBe(does === 'refuse it');
      return;
    }
    if ('refused' in read) {
      expect(theirs).toBeUndefined();
      return;
    }
    if (theirs === undefined) expect.unreachable('the SDK refuses it');
    const [of, by] = comparable(read, theirs);
    if (does === undefined) expect(by).toEqual(of);
    else expect(by).not.toEqual(of);
  });
});
