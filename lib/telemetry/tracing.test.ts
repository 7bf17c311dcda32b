import { pino } from 'pino';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { traceFlushMaxMs, tracesForcedPerSecondMax } from '#lib/constants.ts';
import { readEnvironment, tracingNames } from '#lib/environment.ts';
import { type OtlpReceiver, startOtlpReceiver } from '#lib/testing/otlp-receiver.ts';
import { createOtlpTracing } from './otlp.ts';
import { createTracing, noTracing, parseTraceparent, type Tracing, traceOf } from './tracing.ts';

const log = pino({ level: 'silent' });
const callers = (flags: string) => `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-${flags}`;

let receiver: OtlpReceiver;
beforeEach(async () => {
  receiver = await startOtlpReceiver();
});
afterEach(() => receiver.close());

const tracingTo = (endpoint: string, ratio: number, differing = {}): Tracing =>
  createOtlpTracing({ functionName: 'purchase', endpoint, ratio, log, ...differing });

test('a trace context is read as the W3C writes it, and anything else is none', () => {
  expect(parseTraceparent(callers('01'))).toEqual({
    ...{ traceId: 'ab'.repeat(16), spanId: 'cd'.repeat(8) },
    isSampled: true,
  });
  expect(parseTraceparent(callers('02'))).toMatchObject({ isSampled: false });
  const none = [
    `00-${'0'.repeat(32)}-${'cd'.repeat(8)}-01`,
    `00-${'ab'.repeat(16)}-${'0'.repeat(16)}-01`,
    ...[callers('1'), callers('01').toUpperCase(), `${callers('01')}-more`, '', null, undefined],
  ];
  for (const text of none) expect(parseTraceparent(text), String(text)).toBeUndefined();
});

test('without a collector a caller’s sampled context goes on as it came, and nothing is made', () => {
  const span = noTracing.begin('a', callers('01'));
  expect(span?.enter('step').traceparent).toBe(callers('01'));
  expect(traceOf(span)).toEqual({ trace_id: 'ab'.repeat(16) });
  expect(noTracing.begin('a', callers('00'))).toBeUndefined();
  expect(noTracing.join('a', 'server', undefined)).toBeUndefined();
  expect(traceOf(undefined)).toEqual({});
});

test('steps follow each other, below what they are steps of, in the caller’s trace', async () => {
  const tracing = tracingTo(receiver.url, 0);
  const sinceMs = performance.now();
  const span = tracing.begin('buy', callers('01'));
  span?.enter('first');
  span?.enter('second', { kind: 'producer', sinceMs });
  span?.set({ 'seckill.product.id': 'p', 'seckill.batch.size': 3 });
  span?.fail(new TypeError('a message that may say anything'));
  span?.end();
  await tracing.stop();
  const [first, second, buy] = ['first', 'second', 'buy'].map((wanted) =>
    receiver.spans.find(({ name }) => name === wanted),
  );
  expect(buy).toMatchObject({
    ...{ service: 'purchase', traceId: 'ab'.repeat(16), parentSpanId: 'cd'.repeat(8), kind: 2 },
    attributes: {
      ...{ 'seckill.product.id': 'p', 'seckill.batch.size': 3, 'error.type': 'TypeError' },
    },
    isFailed: true,
  });
  expect(first).toMatchObject({ parentSpanId: buy?.spanId, isFailed: false });
  expect(second).toMatchObject({ parentSpanId: buy?.spanId, isFailed: true, kind: 4 });
  expect(second?.startedAtNs).toBe(first?.endedAtNs);
  expect(second?.endedAtNs).toBe(buy?.endedAtNs);
  expect(JSON.stringify(receiver.spans, (_, value: unknown) => String(value))).not.toContain(
    'a message',
  );
});

test('our share is sampled of what callers leave to us, and goes on in their trace', async () => {
  const draws = [0.009, 0.01, 0.5, 0];
  const tracing = tracingTo(receiver.url, 0.01, { random: () => draws.shift() ?? 1 });
  expect(tracing.begin('a', undefined)).toBeDefined();
  expect(tracing.begin('a', undefined)).toBeUndefined();
  expect(tracing.begin('a', callers('00'))).toBeUndefined();
  expect(tracing.begin('a', callers('00'))?.traceparent).toContain(`00-${'ab'.repeat(16)}-`);
  expect(tracing.join('a', 'server', callers('00'))).toBeUndefined();
  await tracing.stop();
});

test('strangers who flag everything are traced so often a second, and no more', async () => {
  let nowMs = 0;
  const tracing = tracingTo(receiver.url, 0, { nowMs: () => nowMs });
  const begin = () => tracing.begin('a', callers('01')) !== undefined;
  const begun = Array.from({ length: 2 * tracesForcedPerSecondMax }, begin);
  expect(begun.filter(Boolean)).toHaveLength(tracesForcedPerSecondMax);
  nowMs = 1_000;
  expect(begin()).toBe(true);
  await tracing.stop();
});

test('a batch has a trace of its own, linked to its members, and they to it', async () => {
  const tracing = tracingTo(receiver.url, 1);
  const members = [1, 2].map(() => tracing.begin('buy', undefined)).filter((one) => !!one);
  const batch = tracing.batch('turn', members);
  for (const span of [batch, ...members]) span.end();
  await tracing.stop();
  const turn = receiver.spans.find(({ name }) => name === 'turn');
  const bought = receiver.spans.filter(({ name }) => name === 'buy');
  expect(new Set(receiver.spans.map(({ traceId }) => traceId)).size).toBe(3);
  expect(turn?.links).toEqual(bought.map(({ spanId }) => spanId));
  for (const { links } of bought) expect(links).toEqual([turn?.spanId]);
});

test('a collector that refuses or is away is told of once, and holds nobody up', async () => {
  const told = vi.fn<(text: unknown) => void>();
  const listening = pino({
    hooks: {
      logMethod: (args) => {
        told(args[1]);
      },
    },
  });
  receiver.answerWith(400);
  const tracing = tracingTo(receiver.url, 1, { log: listening });
  for (let round = 0; round < 2; round += 1) {
    for (let count = 0; count < 200; count += 1) tracing.begin('a', undefined)?.end();
    await vi.waitFor(() => {
      expect(told.mock.calls).toEqual([['the collector does not take spans']]);
    });
  }
  receiver.answerWith(200);
  tracing.begin('late', undefined)?.end();
  await vi.waitFor(() => {
    expect(receiver.spans.map(({ name }) => name)).toContain('late');
  }, 5_000);
  await tracing.stop();
  expect(told.mock.calls.at(-1)).toEqual(['the collector takes spans again']);

  const { url } = receiver;
  await receiver.close();
  const alone = tracingTo(url, 1);
  alone.begin('lost', undefined)?.end();
  const startedAtMs = performance.now();
  await alone.stop();
  expect(performance.now() - startedAtMs).toBeLessThan(traceFlushMaxMs + 1_000);
});

test('as the environment says it: off without an endpoint, else loaded beside the start', async () => {
  const read = (given: Record<string, string>) => readEnvironment(tracingNames, given);
  expect(createTracing('purchase', read({}), log)).toBe(noTracing);
  expect(read({}).OTEL_TRACES_SAMPLER_ARG).toBe(0.01);
  expect(() => read({ OTEL_TRACES_SAMPLER_ARG: '1.5' })).toThrow('OTEL_TRACES_SAMPLER_ARG');
  const given = { OTEL_EXPORTER_OTLP_ENDPOINT: `${receiver.url}/`, OTEL_TRACES_SAMPLER_ARG: '1' };
  const tracing = createTracing('update-rank', read(given), log);
  await vi.waitFor(() => {
    const span = tracing.begin('a', undefined);
    expect(span).toBeDefined();
    span?.end();
  });
  await tracing.stop();
  expect(receiver.spans).toMatchObject([{ service: 'update-rank', name: 'a' }]);
});
