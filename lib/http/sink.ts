// What the sinks of a KafkaSource have in common: a request is one signed batch of orders, and its
// answer's status is the delivery contract (`delivery.ts`). Nothing here ever answers otherwise.

import type { Context } from 'hono';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { discardedBytesMax, eventBodyBytesMax, retryAfterSeconds } from '#lib/constants.ts';
import type { Log } from '#lib/telemetry/log.ts';
import { noTracing, type Span, type Tracing, traceOf } from '#lib/telemetry/tracing.ts';
import { type OrderBatch, type Refusal, readOrderBatch, type Unreadable } from './cloud-event.ts';
import type { HeaderFields } from './content-modes.ts';
import { delivery } from './delivery.ts';
import { problem } from './problem.ts';
import { spansOf } from './trace-event.ts';

type DeliveryResult = keyof typeof delivery;

/** Why an event was refused; `consumer`: the function itself did, for instance no such product. */
type RefusalReason = Unreadable['reason'] | 'size' | 'consumer';

const refusalReasons: Readonly<Record<RefusalReason, true>> = {
  ...{ size: true, content_type: true, cloud_event: true, type: true, version: true },
  ...{ signature: true, schema: true, consumer: true },
};

export interface SinkMetrics {
  readonly events: Counter<'result'>;
  readonly refusals: Counter<'reason'>;
  readonly orders: Counter;
  readonly eventOrders: Histogram;
  readonly inFlight: Gauge;
  readonly consumeDelaySeconds: Histogram;
}

export interface SinkOptions {
  readonly signingKeys: readonly string[];
  readonly metrics: SinkMetrics;
  readonly log: Log;
  readonly tracing?: Tracing;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** Undefined: done, or done before. A refusal is for good; throwing asks for another delivery. */
export type Consume = (batch: OrderBatch) => Promise<Refusal | undefined>;

/** Registers the metrics that every sink has. */
export function createSinkMetrics(registry: Registry): SinkMetrics {
  const registers = [registry];
  const metrics: SinkMetrics = {
    events: new Counter({
      name: 'seckill_events_total',
      help: 'Events by the answer they got: done, retry (503), never (422).',
      labelNames: ['result'],
      registers,
    }),
    refusals: new Counter({
      name: 'seckill_event_refusals_total',
      help: 'Events that were refused for good (422), by reason.',
      labelNames: ['reason'],
      registers,
    }),
    orders: new Counter({
      name: 'seckill_consumed_orders_total',
      help: 'Orders in the events that were consumed, those that came again included.',
      registers,
    }),
    eventOrders: new Histogram({
      name: 'seckill_event_orders',
      help: 'Orders in an event that was consumed.',
      buckets: [1, 2, 5, 10, 20, 50, 100, 200],
      registers,
    }),
    inFlight: new Gauge({
      name: 'seckill_events_in_flight',
      help: 'Events that have come and are not answered yet.',
      registers,
    }),
    consumeDelaySeconds: new Histogram({
      name: 'seckill_consume_delay_seconds',
      help: 'From the acceptance of a batch (its ce-time) to the end of its consumption.',
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600],
      registers,
    }),
  };
  // From zero on, so that the first event is an increase.
  for (const result of Object.keys(delivery)) metrics.events.inc({ result }, 0);
  for (const reason of Object.keys(refusalReasons)) metrics.refusals.inc({ reason }, 0);
  return metrics;
}

/**
 * Makes a handler that reads the batch in a request, has it consumed and answers: 204 when
 * `consume` resolves, 422 where the batch cannot be read or `consume` refuses it, and 503
 * whenever it throws.
 */
export function createReceiver(
  { signingKeys, metrics, log, now, tracing = noTracing }: SinkOptions,
  consume: Consume,
): (context: Context) => Promise<Response> {
  // Said once, not for each of the hundreds of requests that an outage turns away.
  let failing = false;

  const read = (body: Buffer | Refused, headers: HeaderFields): Refused | OrderBatch => {
    if ('refused' in body) return body;
    const batch = readOrderBatch(headers, body, signingKeys);
    if ('refused' in batch) return batch;
    const spans = spansOf(tracing, batch);
    return spans === undefined ? batch : { ...batch, spans };
  };

  const receive = async (batch: Refused | OrderBatch): Promise<Refused | undefined> => {
    if ('refused' in batch) return batch;
    const refusal = await consume(batch);
    if (refusal !== undefined) return { reason: 'consumer', ...refusal };
    metrics.orders.inc(batch.event.orders.length);
    metrics.eventOrders.observe(batch.event.orders.length);
    metrics.consumeDelaySeconds.observe(Math.max(0, now() - batch.acceptedAtMs) / 1_000);
    return undefined;
  };

  const answer = async ({ req }: Context): Promise<Response> => {
    // Whoever breaks off in the middle reads no answer, and no store is to blame.
    const body = await readBody(req.raw).catch(() => undefined);
    if (body === undefined) return deliveryAnswer('retry', 'the request has no end');
    let spans: readonly Span[] = [];
    try {
      const batch = read(body, req.header());
      if (!('refused' in batch) && batch.spans !== undefined) ({ spans } = batch);
      const refusal = await receive(batch);
      const result = refusal === undefined ? 'done' : 'never';
      metrics.events.inc({ result });
      endAll(spans, result);
      if (refusal !== undefined) {
        const { reason, refused } = refusal;
        metrics.refusals.inc({ reason });
        log.warn({ reason, detail: refused, ...traceOf(spans[0]) }, 'an event was refused');
        const answer = deliveryAnswer(result, refused);
        // What may not have been read is in the way of the next request.
        if (reason === 'size') answer.headers.set('connection', 'close');
        return answer;
      }
      if (failing) log.info('events are consumed again');
      failing = false;
      return deliveryAnswer(result, undefined);
    } catch (error) {
      metrics.events.inc({ result: 'retry' });
      endAll(spans, 'retry', error);
      const told = { err: error, ...traceOf(spans[0]) };
      log[failing ? 'debug' : 'warn'](told, 'events have to be sent again');
      failing = true;
      return deliveryAnswer('retry', 'a store is away; send the event again');
    }
  };

  return async function receiveBatch(context) {
    metrics.inFlight.inc();
    try {
      return await answer(context);
    } finally {
      metrics.inFlight.dec();
    }
  };
}

function endAll(spans: readonly Span[], result: DeliveryResult, error: unknown = result): void {
  for (const span of spans) {
    span.set({ 'seckill.outcome': result });
    if (result !== 'done') span.fail(error);
    span.end();
  }
}

interface Refused extends Refusal {
  readonly reason: RefusalReason;
}

/** What is not here. An event on another path is refused for good: a 404 would be retried. */
export function answerElsewhere({ req }: Context): Response {
  if (req.method === 'POST') return deliveryAnswer('never', 'events are taken at / only');
  return problem('not_found');
}

function deliveryAnswer(result: DeliveryResult, detail: string | undefined): Response {
  const status = delivery[result];
  if (result === 'done') return new Response(null, { status });
  const outcome = result === 'retry' ? 'unavailable' : 'unreadable_event';
  const title = result === 'retry' ? 'Not now' : 'This event can never be consumed';
  const body = { type: `urn:seckill:${outcome}`, title, status, outcome, detail };
  const headers: Record<string, string> = { 'content-type': 'application/problem+json' };
  if (result === 'retry') headers['retry-after'] = String(retryAfterSeconds);
  return new Response(JSON.stringify(body), { status, headers });
}

const tooLong: Refused = {
  refused: `the request is longer than ${eventBodyBytesMax} bytes`,
  reason: 'size',
};

/**
 * The bytes of the body. Those that are no event by their number are not kept, but read all the
 * same within bounds: a connection closed on a sender takes the answer with it, and a source
 * that has no answer sends the event again and again.
 */
async function readBody(request: Request): Promise<Buffer | Refused> {
  const announced = request.headers.get('content-length');
  if (announced !== null) {
    if (Number(announced) > discardedBytesMax) return tooLong;
    if (Number(announced) <= eventBodyBytesMax) return Buffer.from(await request.arrayBuffer());
  }
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const stream: AsyncIterable<Uint8Array> | null = request.body;
  for await (const chunk of stream ?? []) {
    bytes += chunk.byteLength;
    if (bytes > discardedBytesMax) return tooLong;
    if (bytes <= eventBodyBytesMax) chunks.push(chunk);
  }
  return bytes > eventBodyBytesMax ? tooLong : Buffer.concat(chunks);
}
