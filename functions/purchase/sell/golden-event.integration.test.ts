// What is written today is what was written when version 1 of the event was made, byte by byte:
// from the script in a real Redis to the message that goes to Kafka. Whoever has to change the
// golden file makes another version (see lib/order-event.ts).

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Kafka as KafkaBinding } from 'cloudevents';
import { afterAll, expect, test } from 'vitest';
import type { Message } from '#lib/kafka/producer.ts';
import { saleKeys } from '#lib/names.ts';
import { batchIdOf } from '#lib/order-event.ts';
import { connectTestRedis, loadTestSale } from '#lib/sale/test-sale.ts';
import { once } from '#lib/testing/once.ts';
import { createPublisher } from './publish.ts';

const redis = connectTestRedis();
afterAll(() => redis.quit());

const golden = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../../lib/order-event.v1.golden.json'), 'utf8'),
) as Message & { signingKey: string };

const productId = 'golden-v1';
const [known, unknown] = ['u|1 张三', '🙂 "\\/\u0001\u007f</script>'];

const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

/** Two buyers, of which one has bought before, get three units of two ranges. */
async function sellAsThen(): Promise<Message> {
  await redis.del(...Object.values(saleKeys(productId)));
  const sale = await loadTestSale(redis, {
    ...{ productId, generation: 3, batches: 41, unitPrice: 499_900, currency: 'CNY' },
    ...{ stock: 1_000, left: 993, sold: 7, free: '7-7,9-1000', limit: 9 },
    buyers: [[known, '1789999999000001|1']],
    // In the future, so that it is known when it is sold: a sale's time never goes back.
    lastAtUs: 4_000_000_000_123_455,
  });
  const purchases = [
    sale.purchase({ userId: known, key: 'golden-1', quantity: 2 }),
    { ...sale.purchase({ userId: unknown, key: 'golden-2' }), traceparent },
  ];
  const { batches } = await sale.decide(purchases);
  const sent: Message[] = [];
  const publisher = createPublisher({
    signingKeys: [golden.signingKey],
    connect: () =>
      Promise.resolve({
        send: (_topic, messages: readonly Message[]) =>
          Promise.resolve(void sent.push(...messages)),
        discard: () => undefined,
      }),
  });
  await publisher.publish(
    batches.map(({ number, data }) => ({
      ...{ productId, data },
      batchId: batchIdOf(productId, 3, number),
    })),
  );
  await redis.del(...Object.values(saleKeys(productId)));
  const [message] = sent;
  if (message === undefined || sent.length > 1) throw new Error('not one message');
  return message;
}

test('the script and the publisher write what they wrote', once, async () => {
  const { partition, value } = golden;
  // The header came later: under v1 something may be added.
  const headers = { ...golden.headers, ce_traceparent: traceparent };
  expect(await sellAsThen()).toEqual({ partition, headers, value });
});

test('and the CloudEvents SDK reads it from Kafka', () => {
  const { headers, value } = golden;
  const message = { headers, value, body: value };
  expect(KafkaBinding.toEvent(message)).toMatchObject({
    ...{ id: 'golden-v1.3.42', type: 'seckill.orders.accepted.v1', subject: productId },
    data: JSON.parse(value) as unknown,
  });
});
