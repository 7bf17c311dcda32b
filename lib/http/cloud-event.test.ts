import { CloudEvent, HTTP } from 'cloudevents';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sign } from '#lib/http/signature.ts';
import type { OrderEvent } from '#lib/order-event.ts';
import { anEvent, anEventOf, requestOf } from '#lib/testing/order-events.ts';
import { readOrderBatch } from './cloud-event.ts';

const keys = ['the first key, of 32 characters or more', 'the second key, 32 characters or more'];
type Headers = Readonly<Record<string, string>>;

/** Reads a request, some of its headers replaced or (undefined) left out. */
function read(
  request: { headers: Headers; body: string | Buffer },
  changes: Readonly<Record<string, string | undefined>> = {},
) {
  const changed = Object.entries({ ...request.headers, ...changes }).filter(
    ([, v]) => v !== undefined,
  );
  return readOrderBatch(Object.fromEntries(changed), Buffer.from(request.body), keys);
}

/** A request whose signature is right, whatever its data. */
function signed(data: string | Buffer, event: OrderEvent = anEventOf(1, 'p')) {
  const { headers } = requestOf(event, keys);
  const signature = sign(keys, headers['ce-id'] ?? '', data);
  return { headers: { ...headers, 'ce-signature': signature }, body: data };
}

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
    [
      'another type',
      () => read(request, { 'ce-type': 'seckill.orders.paid.v1' }),
      /^ce-type is not/,
    ],
    [
      'another version',
      () => read(request, { 'ce-type': 'seckill.orders.accepted.v2' }),
      /^ce-type is of version v2/,
    ],
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

describe('in structured mode', () => {
  const event = anEventOf(2, 'p');
  const request = requestOf(event, keys);
  const binary = HTTP.toEvent({ headers: request.headers, body: request.body });
  if (!(binary instanceof CloudEvent)) throw new Error('not one event');
  const readEnvelope = (body: string) =>
    read({ headers: { 'content-type': 'application/cloudevents+json' }, body });

  test('what the SDK writes is read, its data as JSON or in Base64', () => {
    const asJson = HTTP.structured(binary);
    const data = new Uint8Array(Buffer.from(request.body));
    const asBytes = HTTP.structured(binary.cloneWith({ data }));
    for (const { headers, body } of [asJson, asBytes]) {
      const batch = read({ headers: headers as Headers, body: String(body) });
      expect(batch).toMatchObject({ batchId: 'p.1.1', event });
    }
  });

  test('the signature is of the data as they stand, so formatting them anew breaks it', () => {
    const { data, ...rest } = binary.toJSON();
    const envelope = (text: string) => `{"data":${text},${JSON.stringify(rest).slice(1)}`;
    expect(readEnvelope(envelope(` \n${request.body} `))).toMatchObject({ event });
    const pretty = JSON.stringify(data, null, 1);
    expect(readEnvelope(envelope(pretty))).toMatchObject({ reason: 'signature' });
    const inBase64 = JSON.stringify({
      ...rest,
      data_base64: Buffer.from(request.body).toString('base64'),
    });
    expect(readEnvelope(inBase64)).toMatchObject({ event });
  });

  test('a signature in a header is none', () => {
    const { signature, ...rest } = binary.toJSON();
    const body = JSON.stringify(rest);
    const headers = {
      'content-type': 'application/cloudevents+json',
      'ce-signature': String(signature),
    };
    expect(read({ headers, body })).toMatchObject({ reason: 'signature' });
  });
});

describe('whatever has passed fits MySQL, so what does not fit is refused:', () => {
  const event = anEvent('p', [{ units: [[1, 1]] }]);
  const [order] = event.orders;
  const reads = (changes: object, ofOrder: object = {}) => {
    const changed = { ...event, ...changes, orders: [{ ...order, ...ofOrder }] };
    return read(signed(JSON.stringify(changed), event));
  };
  const int = 2_147_483_647;

  test.each<[string, object, object?]>([
    ['a total of the sale', {}, { sold: int + 1 }],
    ['a total of the user', {}, { userQuantity: int + 1 }],
    ['a unit', {}, { units: [[int + 1, int + 1]] }],
    ['a time before 1970', { acceptedAt: -1 }],
    ['a time after 2255', { acceptedAt: 2 ** 53 }],
    ['a first time of 0', {}, { userFirstAt: 0 }],
    ['a price', { unitPrice: 2 ** 53 }],
    ['a currency in lower case', { currency: 'cny' }],
    ['a currency of other letters', { currency: '元元元' }],
    ['a user with half a character', {}, { userId: 'a\ud800' }],
    ['a user too long', {}, { userId: '数'.repeat(129) }],
    ['an order id too long', {}, { orderId: `p.${'x'.repeat(23)}` }],
  ])('%s', (_what, changes, ofOrder) => {
    expect(reads(changes, ofOrder)).toMatchObject({ reason: 'schema' });
  });

  test('and the widest that fits is read', () => {
    const widest = { sold: int, userQuantity: int, userId: '🙂'.repeat(64), units: [[int, int]] };
    const at = { acceptedAt: 2 ** 53 - 1, unitPrice: 2 ** 53 - 1 };
    expect(reads(at, widest)).toMatchObject({ event: at });
  });

  test('a trace that is none costs no order', () => {
    const batch = reads({}, { traceparent: 'x'.repeat(100) });
    expect(batch).toMatchObject({ event });
    expect(JSON.stringify(batch)).not.toContain('xxx');
  });
});
