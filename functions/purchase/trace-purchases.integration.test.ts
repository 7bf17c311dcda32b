// What the trace of a purchase says where its way is not the straight one.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { KafkaUnavailable } from '#lib/kafka/unavailable.ts';
import { createOtlpTracing } from '#lib/telemetry/otlp.ts';
import { type OtlpReceiver, startOtlpReceiver } from '#lib/testing/otlp-receiver.ts';
import {
  accepted,
  aPurchase,
  type Bench,
  log,
  many,
  openBench,
  unavailable,
} from './testing/purchase-fixture.ts';
import { traced } from './trace-purchases.ts';

let bench: Bench;
let receiver: OtlpReceiver;
beforeAll(async () => {
  bench = openBench();
  receiver = await startOtlpReceiver();
});
afterAll(() => Promise.all([bench.close(), receiver.close()]));

const tracingHere = () =>
  createOtlpTracing({ functionName: 'purchase', endpoint: receiver.url, ratio: 0, log });

const traceparentOf = (digit: string) => `00-${digit.repeat(32)}-${digit.repeat(16)}-01`;

/** The spans of a trace: names, of what failed with `!`, in the order in which they began. */
const namesIn = (digit: string) =>
  receiver.spans
    .filter(({ traceId }) => traceId === digit.repeat(32))
    .toSorted((a, b) => Number(a.startedAtNs - b.startedAtNs))
    .map(({ name, isFailed }) => `${name}${isFailed ? '!' : ''}`);

test('a send that failed is told of, and who sends it afterwards is in the same trace', async () => {
  const tracing = tracingHere();
  const productId = await bench.product();
  const instance = bench.instance({ tracing });
  const decide = traced(tracing, instance.seller.purchase.bind(instance.seller));
  instance.aroundPublish = () => Promise.reject(new KafkaUnavailable('forced'));
  const purchase = { ...aPurchase(productId), traceparent: traceparentOf('1') };
  expect(await decide(productId, [purchase])).toEqual([unavailable]);
  instance.aroundPublish = (publish) => publish();
  // Nobody of this one is sampled; it finds in the outbox what was left there.
  expect(await decide(productId, [aPurchase(productId)])).toEqual([accepted]);
  await tracing.stop();
  const sent = 'send seckill.orders';
  expect(namesIn('1')).toEqual([...['purchase!', 'wait', 'lock', 'decide', `${sent}!`, sent]]);
  const again = receiver.spans.find(({ name, isFailed }) => name === sent && !isFailed);
  const first = receiver.spans.find(
    ({ name, traceId }) => name === 'purchase' && traceId === '1'.repeat(32),
  );
  expect(again?.parentSpanId).toBe(first?.spanId);
});

test('who gets nothing has no part in what follows for the others of the turn', async () => {
  const tracing = tracingHere();
  const productId = await bench.product({ stock: 1 });
  const { seller } = bench.instance({ tracing });
  const decide = traced(tracing, seller.purchase.bind(seller));
  const [one, other] = many(productId, 2);
  const purchases = [one, other].map((purchase, index) => ({
    ...(purchase ?? aPurchase(productId)),
    traceparent: traceparentOf(String(index + 2)),
  }));
  const answers = await decide(productId, purchases);
  expect(answers.map(({ outcome }) => outcome)).toEqual(['accepted', 'sold_out']);
  await tracing.stop();
  const steps = ['wait', 'lock', 'decide'];
  expect(namesIn('2')).toEqual([
    ...['purchase', ...steps, 'send seckill.orders', 'acknowledge', 'answer'],
  ]);
  expect(namesIn('3')).toEqual(['purchase', ...steps, 'answer']);
});
