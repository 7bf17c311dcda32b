import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CloudEvent, HTTP } from 'cloudevents';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sign } from '#lib/http/signature.ts';
import { eventAttributes, type OrderEvent } from '#lib/order-event.ts';
import { anEvent, anEventOf, requestOf } from '#lib/testing/order-events.ts';
import { type HeaderReader, readAttributes, readOrderBatch } from './cloud-event.ts';

const keys = ['the first key, of 32 characters or more', 'the second key, 32 characters or more'];
type Headers = Readonly<Record<string, string>>;

const readerOf =
  (headers: Headers): HeaderReader =>
  (name) =>
    headers[name];

/** Reads a request, some of its headers replaced or (undefined) left out. */
function read(
  request: { headers: Headers; body: string | Buffer },
  changes: Readonly<Record<string, string | undefined>> = {},
) {
  const changed = Object.entries({ ...request.headers, ...changes }).filter(
    ([, v]) => v !== undefined,
  );
  return readOrderBatch(
    readerOf(Object.fromEntries(changed) as Headers),
    Buffer.from(request.body),
    keys,
  );
}

/** A request whose signature is right, whatever its data. */
function signed(data: string | Buffer, event: OrderEvent = anEventOf(1, 'p')) {
  const { headers } = requestOf(event, keys);
  const signature = sign(keys, headers['ce-id'] ?? '', data);
  return { headers: { ...headers, 'ce-signature': signature }, body: data };
}

describe('the golden event', () => {
  const golden = JSON.parse(
    readFileSync(join(import.meta.dirname, 'order-event.v1.golden.json'), 'utf8'),
  ) as { signingKey: string; headers: Headers; body: string };

  test('is read as it was meant', () => {
    const batch = readOrderBatch(readerOf(golden.headers), Buffer.from(golden.body), [
      golden.signingKey,
    ]);
    expect(batch).toEqual({
      batchId: 'phone-15.3.42',
      acceptedAtMs: Date.UTC(2026, 8, 21, 14, 13, 20, 123),
      event: {
        productId: 'phone-15',
        generation: 3,
        acceptedAt: 1_790_000_000_123_456,
        unitPrice: 499_900,
        currency: 'CNY',
        orders: [
          {
            orderId: 'phone-15.Zk0d8aWvX2b7Qm1LrTyU3w',
            userId: 'u|1 张三',
            quantity: 2,
            units: [
              [7, 7],
              [9, 9],
            ],
            userFirstAt: 1_789_999_999_000_001,
            userQuantity: 3,
            sold: 8,
          },
          {
            orderId: 'phone-15.aaaaaaaaaaaaaaaaaaaa-_',
            userId: 'u2',
            quantity: 1,
            units: [[10, 10]],
            userFirstAt: 1_790_000_000_123_456,
            userQuantity: 1,
            sold: 9,
            traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
          },
        ],
      },
    });
  });

  test('is what our writers still write', () => {
    const attributes = eventAttributes('phone-15', 'phone-15.3.42', 1_790_000_000_123_456);
    for (const [name, value] of Object.entries(attributes)) {
      expect(golden.headers[`ce-${name}`]).toBe(value);
    }
    expect(golden.headers['ce-signature']).toBe(
      sign([golden.signingKey], 'phone-15.3.42', golden.body),
    );
  });
});

test('an event with fields that this version does not know is read without them', () => {
  const event = anEventOf(1, 'p');
  const batch = read(signed(JSON.stringify({ ...event, newInV1: { a: 1 } }), event));
  expect(batch).toMatchObject({ event });
});

test('either of two keys verifies', () => {
  const event = anEventOf(2, 'p');
  expect(read(requestOf(event, keys))).toMatchObject({ event });
  expect(read(requestOf(event, keys.toReversed()))).toMatchObject({ event });
  expect(read(requestOf(event, ['a third key, which nobody here knows']))).toHaveProperty(
    'refused',
  );
});

describe('is refused, with a reason that names the field and not its content:', () => {
  const event = anEvent('p', [{ units: [[1, 2]], userId: 'somebody-private' }]);
  const [order] = event.orders;
  const withOrder = (changes: object) =>
    signed(JSON.stringify({ ...event, orders: [{ ...order, ...changes }] }), event);
  const request = requestOf(event, keys);
  const table: readonly (readonly [what: string, () => unknown, reason: RegExp])[] = [
    ['another type', () => read(request, { 'ce-type': 'seckill.orders.accepted.v2' }), /^ce-type/],
    ['a plain record', () => read(request, { 'ce-type': 'dev.knative.kafka.event' }), /^ce-type/],
    ['no type', () => read(request, { 'ce-type': undefined }), /^ce-type/],
    ['no id', () => read(request, { 'ce-id': '' }), /^ce-id/],
    ['no source', () => read(request, { 'ce-source': undefined }), /^ce-source/],
    ['another specversion', () => read(request, { 'ce-specversion': '0.3' }), /^ce-specversion/],
    ['a time that is none', () => read(request, { 'ce-time': 'yesterday' }), /^ce-time/],
    ['no content type', () => read(request, { 'content-type': undefined }), /^content-type/],
    ['another one', () => read(request, { 'content-type': 'application/jsonp' }), /^content-type/],
    ['no signature', () => read(request, { 'ce-signature': undefined }), /^ce-signature/],
    ['a wrong signature', () => read(request, { 'ce-signature': '0'.repeat(64) }), /^ce-signature/],
    ['a signature of another batch', () => read(request, { 'ce-id': 'p.1.2' }), /^ce-signature/],
    ['changed data', () => read({ ...request, body: `${request.body} ` }), /^ce-signature/],
    ['no data', () => read(signed('')), /^data:/],
    ['no JSON', () => read(signed('{"somebody-private"')), /^data:/],
    ['no UTF-8', () => read(signed(Buffer.from([0x22, 0xff, 0x22]))), /^data:/],
    ['no orders', () => read(signed(JSON.stringify({ ...event, orders: [] }))), /^data\.orders:/],
    ['a text for a number', () => read(withOrder({ sold: '1' })), /^data\.orders\.0\.sold:/],
    ['no user', () => read(withOrder({ userId: '' })), /^data\.orders\.0\.userId:/],
    ['half a unit', () => read(withOrder({ units: [[1, 1.5]] })), /^data\.orders\.0\.units\.0\.1:/],
    [
      'a range backwards',
      () => read(withOrder({ units: [[2, 1]] })),
      /^data\.orders\.0\.units\.0:/,
    ],
    ['units ≠ quantity', () => read(withOrder({ units: [[1, 3]] })), /^data\.orders\.0\.units are/],
    [
      'too much for one order',
      () => read(withOrder({ quantity: 1_001, units: [[1, 1_001]] })),
      /^data\.orders\.0\.quantity/,
    ],
    [
      'an order of another product',
      () => read(withOrder({ orderId: `q.${'x'.repeat(22)}` })),
      /^data\.orders\.0\.orderId/,
    ],
    ['a subject of another product', () => read(request, { 'ce-subject': 'q' }), /^ce-subject/],
    [
      'an id of another generation',
      () => read(signed(JSON.stringify({ ...event, generation: 2 }))),
      /^ce-id/,
    ],
  ];
  test.each(table)('%s', (_what, readIt, reason) => {
    const refusal = readIt() as { refused?: string };
    expect(refusal.refused).toMatch(reason);
    expect(refusal.refused).not.toContain('somebody-private');
    // The dispatcher keeps the first 1,024 bytes of an answer with the dead letter.
    expect(refusal.refused?.length).toBeLessThan(400);
  });
});

test('whatever comes, it is a batch or a refusal, never an exception', () => {
  const event = anEventOf(1, 'p');
  const { headers } = requestOf(event, keys);
  const anyHeader = fc.record({
    name: fc.constantFrom(...Object.keys(headers)),
    value: fc.option(fc.string(), { nil: undefined }),
  });
  const anyData = fc.oneof(fc.string(), fc.json(), fc.constant(JSON.stringify(event)));
  fc.assert(
    fc.property(fc.array(anyHeader, { maxLength: 3 }), anyData, (changes, data) => {
      const changed = Object.fromEntries(changes.map(({ name, value }) => [name, value]));
      const batch = read(signed(data, event), changed);
      return 'refused' in batch ? batch.refused !== '' : batch.event.productId === 'p';
    }),
    { numRuns: 500 },
  );
});

describe('agrees with the CloudEvents SDK', () => {
  const request = requestOf(anEventOf(1, 'p'), keys);
  /** What the SDK makes of the same headers: the attributes, or undefined where it refuses. */
  const bySdk = (headers: Headers) => {
    try {
      const event = HTTP.toEvent({ headers, body: request.body });
      if (!(event instanceof CloudEvent)) return undefined;
      event.validate();
      return event;
    } catch {
      return undefined;
    }
  };
  const cases: readonly (readonly [string, Readonly<Record<string, string | undefined>>])[] = [
    ['as it is', {}],
    ['without what is optional', { 'ce-time': undefined, 'ce-subject': undefined }],
    ['a time with an offset', { 'ce-time': '2026-09-21T22:13:20.123456+08:00' }],
    ['a time without a fraction', { 'ce-time': '2026-09-21T14:13:20Z' }],
    ['no id', { 'ce-id': undefined }],
    ['an empty id', { 'ce-id': '' }],
    ['no source', { 'ce-source': undefined }],
    ['no type', { 'ce-type': undefined }],
    ['another type', { 'ce-type': 'other' }],
    ['an extension', { 'ce-knativeerrorcode': '422' }],
  ];
  test.each(cases)('%s', (_what, changes) => {
    const headers = Object.fromEntries(
      Object.entries({ ...request.headers, ...changes }).filter(([, v]) => v !== undefined),
    ) as Headers;
    const ours = readAttributes(readerOf(headers));
    const theirs = bySdk(headers);
    if ('refused' in ours) {
      expect(theirs).toBeUndefined();
      return;
    }
    expect(theirs).toMatchObject({ id: ours.id, source: ours.source, type: ours.type });
    expect(theirs?.subject).toBe(ours.subject);
    // Where there is no time the SDK takes the present one.
    if (ours.time !== undefined) {
      expect(Date.parse(theirs?.time ?? '')).toBe(Date.parse(ours.time));
    }
  });

  test('but refuses a time that is none, of which the SDK makes the present one', () => {
    for (const time of ['notatime', '2026-13-21T14:13:20Z']) {
      const headers = { ...request.headers, 'ce-time': time };
      expect(readAttributes(readerOf(headers))).toEqual({ refused: 'ce-time is not a time' });
      expect(Date.parse(bySdk(headers)?.time ?? '')).toBeGreaterThan(Date.now() - 60_000);
    }
  });

  test('and its data is ours, parsed', () => {
    const batch = read(request);
    if ('refused' in batch) expect.unreachable(batch.refused);
    expect(bySdk(request.headers)?.data).toEqual(batch.event);
  });
});
