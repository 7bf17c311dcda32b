// One purchase that `purchase` could not read would cost its whole batch the answer: whoever gets
// past the edge is readable there, and the fullest batch of all is not too large.

import fc from 'fast-check';
import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { purchasesSchema } from '#functions/purchase/requests.ts';
import { batchOrdersMax, quantityMax, userIdBytesMax } from '#lib/constants.ts';
import { orderIdOf } from '#lib/order-id.ts';
import type { Log } from '#lib/telemetry/log.ts';
import type { ForwardedPurchase } from './forward.ts';
import { createIdentify } from './identity.ts';
import { createEdgeMetrics } from './metrics.ts';
import type { PurchaseClient, PurchaseRequest } from './purchase-client.ts';
import { createSendBatch } from './send-batch.ts';
import { environmentFor, tokenFor } from './testing/edge-fixture.ts';
import { Unavailable } from './unavailable.ts';

/** Half characters, controls and spaces included. */
const anyUserId = fc
  .array(
    fc.oneof(fc.integer({ min: 0, max: 0xffff }), fc.constantFrom(0x20, 0x2e, 0xd83d, 0xde00)),
    {
      maxLength: userIdBytesMax + 2,
    },
  )
  .map((units) => String.fromCharCode(...units));

test('every user that the edge identifies, purchase can read', async () => {
  const key = environmentFor('', '').SECKILL_JWT_KEY;
  const identify = await createIdentify({ key, issuer: 'seckill', audience: 'seckill' });
  let identified = 0;
  await fc.assert(
    fc.asyncProperty(anyUserId, async (sub) => {
      const who = await identify(`Bearer ${await tokenFor(sub)}`);
      if (who.outcome !== 'identified') return;
      identified += 1;
      const { userId } = who.identity;
      const orderId = orderIdOf('p', userId, 'key-of-the-test');
      const sent = JSON.stringify({ purchases: [{ orderId, userId, quantity: 1 }] });
      expect(purchasesSchema.safeParse(JSON.parse(sent)).success).toBe(true);
    }),
    { numRuns: 300 },
  );
  expect(identified).toBeGreaterThan(10);
});

/** What goes over the wire, and what comes of it. */
function senderTo(answer: () => ReturnType<PurchaseClient['request']>) {
  const asked: PurchaseRequest[] = [];
  const said: unknown[] = [];
  const purchase: PurchaseClient = {
    request(request) {
      asked.push(request);
      return answer();
    },
    close: () => undefined,
  };
  const log = { warn: (what: unknown) => said.push(what) } as unknown as Log;
  const metrics = createEdgeMetrics(new Registry());
  return { send: createSendBatch({ purchase, log, metrics }), asked, said };
}

const away = () => Promise.reject(new Unavailable('away'));

test('the fullest batch is one that purchase takes, in a quarter of what it may be', async () => {
  const userId = '\u0001'.repeat(userIdBytesMax);
  const productId = 'p'.repeat(64);
  const fullest: ForwardedPurchase = {
    orderId: orderIdOf(productId, userId, 'k'.repeat(64)),
    ...{ userId, quantity: quantityMax },
    traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
  };
  const { send, asked } = senderTo(away);
  const batch = Array.from({ length: batchOrdersMax }, () => fullest);
  await expect(send(productId, batch)).rejects.toThrow(Unavailable);
  const [{ body = '', isRepeatable } = {}] = asked as Partial<PurchaseRequest>[];
  expect(purchasesSchema.safeParse(JSON.parse(body)).success).toBe(true);
  expect(Buffer.byteLength(body)).toBeLessThan(1_048_576 / 4);
  expect(isRepeatable).toBe(true);
});

test('that batches fail is said once in a while, not each time', async () => {
  const { send, said } = senderTo(away);
  for (let batch = 0; batch < 100; batch += 1) {
    await expect(send('p', [])).rejects.toThrow(Unavailable);
  }
  expect(said).toHaveLength(1);
});
