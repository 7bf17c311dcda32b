import { Hono } from 'hono';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { expect, test, vi } from 'vitest';
import { eventBodyBytesMax } from '#lib/constants.ts';
import { anEventOf, requestOf } from '#lib/testing/order-events.ts';
import { createReceiver, createSinkMetrics } from './sink.ts';

const keys = ['a key of at least 32 characters, for tests'];
const event = anEventOf(3, 'p');
const request = requestOf(event, keys);

function aSink(consume: Parameters<typeof createReceiver>[1]) {
  const registry = new Registry();
  const lines: Record<string, unknown>[] = [];
  const log = pino(
    { level: 'info' },
    { write: (line: string) => lines.push(JSON.parse(line) as Record<string, unknown>) },
  );
  const now = () => event.acceptedAt / 1_000 + 250;
  const metrics = createSinkMetrics(registry);
  const app = new Hono();
  app.post('/', createReceiver({ signingKeys: keys, metrics, log, now }, consume));
  /** The value of a line as Prometheus reads it. */
  const valueOf = async (series: string) => {
    const line = (await registry.metrics()).split('\n').find((one) => one.startsWith(`${series} `));
    return Number(line?.slice(series.length));
  };
  return { app, lines, valueOf, post: (init: RequestInit = request) => app.request('/', init) };
}

test('what is consumed is 204, and its delay and size are measured', async () => {
  const consume = vi.fn(() => Promise.resolve(undefined));
  const { post, valueOf } = aSink(consume);
  const response = await post();
  expect(response.status).toBe(204);
  expect(await response.text()).toBe('');
  expect(consume).toHaveBeenCalledExactlyOnceWith({
    batchId: 'p.1.1',
    event,
    acceptedAtMs: event.acceptedAt / 1_000,
  });
  expect(await valueOf('seckill_consume_delay_seconds_sum')).toBe(0.25);
  expect(await valueOf('seckill_event_orders_sum')).toBe(3);
  expect(await valueOf('seckill_events_total{result="done"}')).toBe(1);
});

test('what cannot be read, and what is refused, is 422 with the reason', async () => {
  const consume = vi.fn(() => Promise.resolve({ refused: 'no such product' }));
  const { post, valueOf } = aSink(consume);
  const unread = await post({ ...request, body: '{}' });
  expect(unread.status).toBe(422);
  expect(unread.headers.get('content-type')).toBe('application/problem+json');
  expect(consume).not.toHaveBeenCalled();
  const refused = await post();
  expect(refused.status).toBe(422);
  expect(await refused.json()).toMatchObject({
    outcome: 'unreadable_event',
    status: 422,
    detail: 'no such product',
  });
  expect(await valueOf('seckill_events_total{result="never"}')).toBe(2);
});

test('whatever is thrown is 503, said once until it is over', async () => {
  const consume = vi.fn<Parameters<typeof createReceiver>[1]>();
  consume.mockRejectedValueOnce(new Error('away')).mockRejectedValueOnce(new Error('away'));
  consume.mockResolvedValue(undefined);
  const { post, lines, valueOf } = aSink(consume);
  const response = await post();
  expect(response.status).toBe(503);
  expect(response.headers.get('retry-after')).toBe('1');
  expect((await post()).status).toBe(503);
  expect(lines.map(({ msg }) => msg)).toEqual(['events have to be sent again']);
  expect((await post()).status).toBe(204);
  expect(lines.map(({ msg }) => msg)).toContain('events are consumed again');
  expect(await valueOf('seckill_events_total{result="retry"}')).toBe(2);
});

test('more than an event can hold is refused, announced or not', async () => {
  const { post, app } = aSink(() => Promise.resolve(undefined));
  const body = 'x'.repeat(eventBodyBytesMax + 1);
  const announced = await post({
    ...request,
    headers: { ...request.headers, 'content-length': String(body.length) },
    body,
  });
  const chunked = new Request('http://sink/', { ...request, body });
  expect(chunked.headers.get('content-length')).toBeNull();
  for (const response of [announced, await app.request(chunked)]) {
    expect(response.status).toBe(422);
    expect(await response.json()).toHaveProperty(
      'detail',
      expect.stringMatching(/^data is longer/),
    );
  }
});
