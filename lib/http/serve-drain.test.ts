// How a server leaves: what it has taken is answered, nothing keeps it longer than it may, and no
// proxy is left with a connection that looks good. A server that does not leave hangs its test.

import { connect, type Socket } from 'node:net';
import { Hono } from 'hono';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createLog } from '#lib/telemetry/log.ts';
import { type RawClient, rawClient } from '#lib/testing/raw-client.ts';
import { close, listen } from './serve.ts';

vi.setConfig({ testTimeout: 20_000 });
/** Nothing but the deadline itself waits so long. */
const never = 3_600_000;

let server: Awaited<ReturnType<typeof listen>>;
const clients: Socket[] = [];
let asked = 0;
let release = (): void => undefined;

beforeEach(async () => {
  asked = 0;
  const app = new Hono();
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  app.get('/', (context) => context.text('here'));
  app.get('/wait', async (context) => {
    asked += 1;
    await released;
    return context.text('late');
  });
  app.post('/echo', async (context) => {
    asked += 1;
    return context.text(await context.req.text().catch(() => ''));
  });
  app.get('/stream', () => {
    asked += 1;
    const stream = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(Buffer.from('begun'));
        void released.then(() => {
          controller.close();
        });
      },
    });
    return new Response(stream);
  });
  server = await listen(app, { host: '127.0.0.1', port: 0, log: createLog('test', 'silent') });
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await close(server.server, 0);
});

async function client(bytes = ''): Promise<RawClient> {
  const one = await rawClient(server.port, bytes);
  clients.push(one.socket);
  return one;
}

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
const untilAsked = (times: number) =>
  vi.waitFor(() => {
    expect(asked).toBe(times);
  }, 10_000);

test('what is under way is answered, and told that the connection ends', async () => {
  const waiting = await client(get('/wait'));
  await untilAsked(1);
  const closed = close(server.server, never);
  await expectRefused();
  release();
  expect(await waiting.closed).toMatch(/^HTTP\/1\.1 200 OK\r\nconnection: close\r\n[^]*late$/);
  await closed;
});

test('a request on its way on an idle connection is still answered, as its last', async () => {
  const kept = await client(get('/'));
  await kept.untilSent('here');
  expect(kept.text()).toMatch(/^connection: keep-alive\r$/im);
  const closed = close(server.server, never);
  kept.socket.write(get('/'));
  const second = (await kept.closed).split('here')[1];
  expect(second).toMatch(/^HTTP\/1\.1 200 OK\r\nconnection: close\r\n/);
  await closed;
});

test('whoever sends nothing, or only half a request line, does not hold it up', async () => {
  const idle = await client(get('/'));
  await idle.untilSent('here');
  await client();
  await client('GET / HT');
  await client(`${get('/')}GET / HTTP/1.1\r\nX-A: `);
  await close(server.server, never);
});

test('a stream that ends ends its connection', async () => {
  const streaming = await client(get('/stream'));
  await streaming.untilSent('begun');
  const closed = close(server.server, never);
  release();
  expect(await streaming.closed).toContain('0\r\n\r\n');
  await closed;
});

test('who hangs is cut at the deadline', async () => {
  const hanging = await Promise.all([
    client(get('/wait')),
    client(get('/stream')),
    client('POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf'),
  ]);
  await untilAsked(3);
  await close(server.server, 700);
  for (const { closed } of hanging) expect(await closed).not.toContain('late');
});

function expectRefused(): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(server.port, '127.0.0.1', () => {
      socket.destroy();
      reject(new Error('a new connection was accepted'));
    });
    socket.once('error', () => {
      resolve();
    });
  });
}
