import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { Hono } from 'hono';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { eventBodyBytesMax } from '#lib/constants.ts';
import { anEventOf, requestOf } from '#lib/testing/order-events.ts';
import { rawClient } from '#lib/testing/raw-client.ts';
import { close, listen } from './serve.ts';
import { sign } from './signature.ts';
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
  const post = (init: RequestInit = request) => app.request('/', init);
  return { app, lines, log, valueOf, post, metrics: () => registry.metrics() };
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
  expect(await valueOf('seckill_consumed_orders_total')).toBe(3);
  expect(await valueOf('seckill_events_total{result="done"}')).toBe(1);
});

test('what is told of an event names the trace of its first sampled order', async () => {
  const traceparent = `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-01`;
  const orders = event.orders.map((order, index) =>
    index === 0 ? order : { ...order, traceparent },
  );
  const { post, lines } = aSink(() => Promise.resolve({ refused: 'no such product' }));
  await post(requestOf({ ...event, orders }, keys));
  await post();
  expect(lines).toMatchObject([{ trace_id: 'ab'.repeat(16) }, { reason: 'consumer' }]);
  expect(lines[1]).not.toHaveProperty('trace_id');
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
  expect(await valueOf('seckill_consumed_orders_total')).toBe(0);
});

test('a refusal is counted by one of a few reasons, never by what was sent', async () => {
  const { post, valueOf, metrics } = aSink(() => Promise.resolve({ refused: 'unknown' }));
  const withHeaders = (changes: Record<string, string>) => ({
    ...request,
    headers: { ...request.headers, ...changes },
  });
  const signed = (body: string) => ({
    ...withHeaders({ 'ce-signature': sign(keys, 'p.1.1', body) }),
    body,
  });
  const refusals: readonly (readonly [reason: string, RequestInit])[] = [
    ['size', { ...request, body: 'x'.repeat(eventBodyBytesMax + 1) }],
    ['content_type', withHeaders({ 'content-type': 'text/private' })],
    ['content_type', withHeaders({ 'content-type': 'application/cloudevents-batch+json' })],
    ['cloud_event', withHeaders({ 'ce-specversion': 'private' })],
    ['type', withHeaders({ 'ce-type': 'private.v1' })],
    ['version', withHeaders({ 'ce-type': 'seckill.orders.accepted.v2' })],
    ['signature', withHeaders({ 'ce-signature': 'private' })],
    ['schema', signed('{"private":1}')],
    ['schema', withHeaders({ 'ce-subject': 'private' })],
    ['consumer', request],
  ];
  for (const [reason, init] of refusals) {
    const series = `seckill_event_refusals_total{reason="${reason}"}`;
    const before = await valueOf(series);
    expect((await post(init)).status, reason).toBe(422);
    expect(await valueOf(series), reason).toBe(before + 1);
  }
  expect(await metrics()).not.toContain('private');
  const series = (await metrics()).match(/^seckill_event_refusals_total\{.*/gm);
  expect(series).toHaveLength(new Set(refusals.map(([reason]) => reason)).size);
});

test('what is under way is seen', async () => {
  let finish = (): void => undefined;
  const consumed = new Promise<undefined>((resolve) => {
    finish = () => {
      resolve(undefined);
    };
  });
  const { post, valueOf } = aSink(() => consumed);
  const answer = post();
  await expect.poll(() => valueOf('seckill_events_in_flight')).toBe(1);
  finish();
  await answer;
  expect(await valueOf('seckill_events_in_flight')).toBe(0);
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
    // What is left of it is not read: no other request may come after it on the same connection.
    expect(response.headers.get('connection')).toBe('close');
    expect(await response.json()).toHaveProperty(
      'detail',
      expect.stringMatching(/^the request is longer/),
    );
  }
});

describe('on its server', () => {
  const consume = vi.fn(() => Promise.resolve(undefined));
  const { app, log, valueOf } = aSink(consume);
  const heading = (length: string) =>
    `POST / HTTP/1.1\r\nHost: x\r\n${Object.entries(request.headers)
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join('')}${length}\r\n`;
  const announced = heading(`content-length: ${request.body.length}\r\n`);
  const inFlight = () => valueOf('seckill_events_in_flight');
  const within = { timeout: 10_000, interval: 10 };
  let server: Awaited<ReturnType<typeof listen>>;
  beforeAll(async () => {
    const short = { headersTimeoutMs: 500, requestTimeoutMs: 500 };
    server = await listen(app, { host: '127.0.0.1', port: 0, log, ...short });
  });
  afterAll(() => close(server.server, 100));

  test('whoever sends too much, and reads only then, is answered', async () => {
    const piece = Buffer.alloc(eventBodyBytesMax / 8, 'x');
    const socket = connect(server.port, '127.0.0.1').pause();
    socket.write(heading(`content-length: ${piece.length * 32}\r\n`));
    for (let sent = 0; sent < 32; sent += 1) {
      if (!socket.write(piece)) await once(socket, 'drain');
    }
    expect(await text(socket)).toMatch(/^HTTP\/1.1 422 .*"unreadable_event"/s);
  });

  test.each([
    ['half a body', `${announced}${request.body.slice(0, 99)}`],
    ['no body', announced],
    ['chunks without an end', `${heading('transfer-encoding: chunked\r\n')}4\r\n{"pr\r\n`],
  ])('%s is given up after a time', async (_what, bytes) => {
    const { closed, socket } = await rawClient(server.port, bytes);
    expect(await closed).toMatch(/^HTTP\/1\.1 400 /);
    socket.destroy();
    await expect.poll(inFlight, within).toBe(0);
  });

  test('who breaks off in the middle is no fault of a store', async () => {
    const { socket } = await rawClient(server.port, `${announced}${request.body.slice(0, 99)}`);
    await expect.poll(inFlight, within).toBe(1);
    socket.destroy();
    await expect.poll(inFlight, within).toBe(0);
    expect(await valueOf('seckill_events_total{result="retry"}')).toBe(0);
    expect(consume).not.toHaveBeenCalled();
  });

  test('the next event is consumed', async () => {
    const answer = await fetch(`http://127.0.0.1:${server.port}/`, request);
    expect(answer.status).toBe(204);
    expect(consume).toHaveBeenCalledOnce();
  });
});
