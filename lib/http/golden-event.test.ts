// Version 1 of the event is read for ever, and what the version rule of lib/order-event.ts allows.
// The golden file is a message as it was published: what it says never changes.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { HTTP } from 'cloudevents';
import { describe, expect, test } from 'vitest';
import { eventOf, requestOf } from '#knative/local/source-runner/record-to-request.ts';
import { consumerGroups } from '#lib/names.ts';
import type { OrderEvent } from '#lib/order-event.ts';
import { once } from '#lib/testing/once.ts';
import { readOrderBatch } from './cloud-event.ts';
import { sign } from './signature.ts';

interface Golden {
  readonly signingKey: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly value: string;
}
const golden = JSON.parse(
  readFileSync(join(import.meta.dirname, '../order-event.v1.golden.json'), 'utf8'),
) as Golden;

/** What it was meant to say. */
const meant: OrderEvent = {
  productId: 'golden-v1',
  generation: 3,
  acceptedAt: 4_000_000_000_123_456,
  unitPrice: 499_900,
  currency: 'CNY',
  orders: [
    {
      orderId: 'golden-v1.K0jlv4S2ehtymsmQDZQXrd',
      userId: 'u|1 张三',
      quantity: 2,
      units: [
        [7, 7],
        [9, 9],
      ],
      userFirstAt: 1_789_999_999_000_001,
      userQuantity: 3,
      sold: 9,
    },
    {
      orderId: 'golden-v1.zYuxS0r2iB5aLs-pXoOtMi',
      userId: '🙂 "\\/\u0001\u007f</script>',
      quantity: 1,
      units: [[10, 10]],
      userFirstAt: 4_000_000_000_123_457,
      userQuantity: 1,
      sold: 10,
      traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    },
  ],
};

/** As a KafkaSource delivers it. */
function delivered({ headers, value }: Pick<Golden, 'headers' | 'value'>, name = 'any') {
  const source = { namespace: 'seckill', name, keyType: 'string', extensions: {} } as const;
  const record = {
    ...{ topic: 'seckill.orders', partition: 0, offset: 4_711n, timestampMs: 0, key: null },
    headers: Object.entries(headers).map(([at, text]) => [at, Buffer.from(text)] as const),
    value: Buffer.from(value),
  };
  return requestOf(eventOf(record, source), source);
}

function read(message: Pick<Golden, 'headers' | 'value'>) {
  const { headers, body } = delivered(message);
  return readOrderBatch(headers, body ?? Buffer.alloc(0), [golden.signingKey]);
}

/** The message with other data, signed. */
function withData(data: unknown): Pick<Golden, 'headers' | 'value'> {
  const value = JSON.stringify(data);
  const signature = sign([golden.signingKey], golden.headers.ce_id ?? '', value);
  return { value, headers: { ...golden.headers, ce_signature: signature } };
}

test('version 1 is read as it was meant', once, () => {
  expect(read(golden)).toEqual({
    batchId: 'golden-v1.3.42',
    acceptedAtMs: 4_000_000_000_123.456,
    event: meant,
  });
});

test.each(Object.keys(consumerGroups))('the SDK reads what the source sends to %s', (sink) => {
  const { headers, body } = delivered(golden, sink);
  expect(HTTP.toEvent({ headers, body: body?.toString() })).toMatchObject({
    ...{ id: 'golden-v1.3.42', source: '/seckill/purchase', subject: 'golden-v1' },
    ...{ type: 'seckill.orders.accepted.v1', signature: golden.headers.ce_signature },
    ...{ time: '2096-10-02T07:06:40.123Z', data: JSON.parse(golden.value) as unknown },
  });
});

describe('the version rule:', () => {
  const [first, ...others] = meant.orders;

  test('a field that was added under version 1 is passed over', () => {
    const orders = [{ ...first, giftWrap: { paper: 'red' } }, ...others];
    const added = withData({ ...meant, channel: 'app', orders });
    const headers = { ...added.headers, ce_channel: 'app' };
    expect(read({ ...added, headers })).toMatchObject({ event: meant });
    expect(JSON.stringify(read(added))).not.toMatch(/channel|giftWrap/);
  });

  test('a field that went, or means something else, is not version 1', () => {
    expect(read(withData({ ...meant, currency: undefined }))).toMatchObject({ reason: 'schema' });
    const renamed = { ...meant, acceptedAt: '2096-10-02T07:06:40Z' };
    expect(read(withData(renamed))).toMatchObject({ reason: 'schema' });
  });

  test.each(['v2', 'v10'])(
    '%s is refused, and that it is of another version is said',
    (version) => {
      const type = golden.headers.ce_type?.replace(/v1$/, version) ?? '';
      expect(read({ ...golden, headers: { ...golden.headers, ce_type: type } })).toEqual({
        refused: `ce-type is of version ${version}, read is seckill.orders.accepted.v1`,
        reason: 'version',
      });
    },
  );
});
