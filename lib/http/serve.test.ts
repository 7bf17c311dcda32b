// The server against clients that are slow, silent, greedy or wrong, and how it leaves. Nothing
// here measures time: a client that is not cut makes its test hang, and so fail.

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { Hono } from 'hono';
import { afterEach, expect, test, vi } from 'vitest';
import { choosePort } from '#knative/local/ports.ts';
import { createLog } from '#lib/telemetry/log.ts';
import { type RawClient, rawClient } from '#lib/testing/raw-client.ts';
import { addProbes, close, createReadiness, listen, type Patience } from './serve.ts';

vi.setConfig({ testTimeout: 30_000 });

type Server = Awaited<ReturnType<typeof listen>>;

let server: Server;
const clients: Socket[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await close(server.server, 1_000);
});

/** What the handlers have been asked, and what lets those of `/wait` answer. */
let asked: string[] = [];
let release = (): void => undefined;

async function start(patience: Partial<Patience> = {}): Promise<void> {
  const app = new Hono();
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  asked = [];
  app.use((context, next) => {
    asked.push(`${context.req.method} ${context.req.path}`);
    return next();
  });
  app.onError((_error, context) => context.text('a fault', 500));
  addProbes(app, createReadiness());
  app.get('/', (context) => context.text('here'));
  app.get('/large', (context) => context.text('x'.repeat(50_000_000)));
  app.get('/wait', async (context) => {
    await released;
    return context.text('late');
  });
  app.post('/echo', async (context) => context.text(await context.req.text()));
  const where = { host: '127.0.0.1', port: 0, log: createLog('test', 'silent') };
  server = await listen(app, { ...where, ...patience });
}

async function client(bytes = '', how?: { reads: boolean }): Promise<RawClient> {
  const one = await rawClient(server.port, bytes, how);
  clients.push(one.socket);
  return one;
}

const get = (path: string, headers = '') => `GET ${path} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`;
const post = (headers: string) => `POST /echo HTTP/1.1\r\nHost: x\r\n${headers}\r\n`;
const untilAsked = (path: string) =>
  vi.waitFor(() => {
    expect(asked).toContain(`GET ${path}`);
  }, 10_000);
const short = { headersTimeoutMs: 200, requestTimeoutMs: 200 };

test('a connection that never sends a byte is closed without a word', async () => {
  await start(short);
  const { closed } = await client();
  expect(await closed).toBe('');
});

test.each([
  ['half a header', 'GET / HTTP/1.1\r\nHost: x\r\nX-A: b'],
  ['half a body', post('Content-Length: 10\r\n') + 'half'],
  ['half of the chunks', `${post('Transfer-Encoding: chunked\r\n')}4\r\nhalf\r\n`],
])('%s is given up after a time, and that is said', async (_what, bytes) => {
  await start(short);
  const text = await (await client(bytes)).closed;
  expect(text).toMatch(/^HTTP\/1\.1 400 /);
  expect(text).toContain('request: not complete in time');
  expect(text.match(/HTTP\/1\.1/g)).toHaveLength(1);
});

test('headers that arrive one byte at a time do not outlast the time-out', async () => {
  await start(short);
  const { socket, closed } = await client('GET / HTTP/1.1\r\nX-A: ');
  const drip = setInterval(() => socket.write('a'), 50);
  expect(await closed).toContain('request: not complete in time');
  clearInterval(drip);
});

test('a client that does not read its answer is cut', async () => {
  await start({ answerUnreadMaxMs: 500 });
  const { socket } = await client(get('/large'), { reads: false });
  await untilAsked('/large');
  await vi.waitFor(async () => {
    expect(await connectionCount()).toBe(0);
  }, 15_000);
  expect(socket.bytesRead).toBeLessThan(50_000_000);
});

test('a client that waits for a long answer is not', async () => {
  await start({ ...short, answerUnreadMaxMs: 200 });
  const waiting = await client(get('/wait'));
  await untilAsked('/wait');
  const { closed } = await client('half');
  await closed;
  release();
  await waiting.untilSent('late');
});

test('of a flood of requests on one connection the first few are answered, then it closes', async () => {
  await start();
  const text = await (await client(get('/').repeat(1_000))).closed;
  expect(text.match(/HTTP\/1\.1 200/g)).toHaveLength(8);
  expect(text.match(/HTTP\/1\.1/g)).toHaveLength(9);
  expect(text).toContain('too many requests at once on one connection');
  expect(asked).toHaveLength(8);
  const one = await client(get('/'));
  await one.untilSent('here');
});

test('more headers than anyone needs are refused, not dropped', async () => {
  await start();
  const many = (count: number) => get('/', 'X-A: b\r\n'.repeat(count));
  expect(await (await client(many(128))).closed).toContain('headers: more than 128');
  const one = await client(many(127));
  await one.untilSent('here');
});

test('an answer reaches also a client that has much more to send', async () => {
  await start();
  const { socket, closed } = await client('GET / HTTP/1.1\r\nX-A: ');
  const more = setInterval(() => socket.write('a'.repeat(20_000)), 1);
  expect(await closed).toContain('headers: more than 16 KiB');
  clearInterval(more);
});

test('what cannot be read is not answered in place of a request that waits', async () => {
  await start();
  const text = await (await client(`${get('/wait')}\0\0\0\0`)).closed;
  expect(text).toBe('');
  expect(asked).toEqual(['GET /wait']);
});

test('the system looks whether a silent client is still there', async () => {
  await start();
  const kept = await client(get('/'));
  await kept.untilSent('here');
  const hex = (port = 0) => port.toString(16).toUpperCase().padStart(4, '0');
  const end = `:${hex(server.port)} 0100007F:${hex(kept.socket.localPort)}`;
  const line = readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .find((one) => one.includes(end));
  // The column "tr": 02 is the keep-alive timer.
  expect(line?.trim().split(/\s+/)[5]).toMatch(/^02:/);
});

test('where there is no room, the longest unused and then idle ones make it', async () => {
  await start({ connectionsMax: 3 });
  const idle = await client(get('/'));
  await idle.untilSent('here');
  const waiting = await client(get('/wait'));
  await untilAsked('/wait');
  const slow = await client(`${post('Content-Length: 10\r\n')}half`);
  // Two more: one for the idle one, one for the slow one as soon as it is known to be slow.
  const first = await client(get('/wait'));
  await idle.closed;
  await vi.waitFor(async () => {
    const next = await client(get('/livez'));
    await next.untilSent('alive');
    next.socket.destroy();
    expect(slow.socket.readableEnded || slow.socket.destroyed).toBe(true);
  }, 15_000);
  release();
  for (const kept of [waiting, first]) await kept.untilSent('late');
});

test('where all are in use, one more is told to come again, and probes are answered', async () => {
  await start({ connectionsMax: 2 });
  const waiting = [await client(get('/wait')), await client(get('/wait'))];
  await vi.waitFor(() => {
    expect(asked).toHaveLength(2);
  }, 10_000);
  const refused = await (await client(get('/'))).closed;
  expect(refused).toMatch(/^HTTP\/1\.1 503 /);
  expect(refused).toMatch(/^retry-after: 1\r$/im);
  expect(refused).toContain('too many connections');
  await (await client(get('/livez'))).untilSent('alive');
  release();
  for (const kept of waiting) await kept.untilSent('late');
  expect(asked).not.toContain('GET /');
});

test('few files that may be opened mean few connections, and none that is lost for want of one', async () => {
  const port = await choosePort();
  const program = join(import.meta.dirname, '../../knative/local/bench/reference/do-nothing.ts');
  const env = {
    PATH: process.env.PATH,
    PORT: String(port),
    SECKILL_HOST: '127.0.0.1',
    SECKILL_JWT_KEY: 'x'.repeat(32),
  };
  const child = spawn('sh', ['-c', 'ulimit -n 300; exec "$0" "$1"', process.execPath, program], {
    env,
  });
  try {
    const url = `http://127.0.0.1:${port}/readyz`;
    const isReady = () => fetch(url, { headers: { connection: 'close' } }).then(({ ok }) => ok);
    await vi.waitUntil(() => isReady().catch(() => false), { timeout: 20_000, interval: 50 });
    for (let count = 0; count < 400; count += 1) {
      const idle = await rawClient(port, get('/readyz'));
      clients.push(idle.socket);
      await idle.untilSent('ready');
    }
    expect(await isReady()).toBe(true);
    expect(
      clients.filter(({ readableEnded, destroyed }) => readableEnded || destroyed).length,
    ).toBeGreaterThan(200);
  } finally {
    child.kill('SIGKILL');
  }
});

test.each([
  ['Expect: 100-continue', 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK'],
  ['Expect: the-unexpected', 'HTTP/1.1 200 OK'],
  [
    'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk',
    'HTTP/1.1 200',
  ],
  ['Connection: Upgrade\r\nUpgrade: websocket', 'HTTP/1.1 200 OK'],
])('%s is answered as plain HTTP/1.1', async (headers, answer) => {
  await start();
  const asking = await client(`${post(`${headers}\r\nContent-Length: 4\r\n`)}text`);
  await asking.untilSent('\r\n\r\ntext');
  expect(asking.text().startsWith(answer)).toBe(true);
});

test.each([
  ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', /^HTTP\/1\.1 400 /],
  ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', /^HTTP\/1\.1 400 /],
  ['a proxy', 'CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n', /^HTTP\/1\.1 405 /],
])('whoever takes us for %s is told at once that we are not', async (_what, bytes, answer) => {
  await start();
  expect(await (await client(bytes)).closed).toMatch(answer);
});

function connectionCount(): Promise<number> {
  return new Promise((resolve, reject) => {
    server.server.getConnections((error, count) => {
      if (error === null) resolve(count);
      else reject(error);
    });
  });
}

test('two hosts are none', async () => {
  await start();
  const one = await client(get('/', 'hOST: y\r\n'));
  expect(await one.closed).toMatch(/^HTTP\/1\.1 400 .*Host: more than one/s);
  expect(asked).toEqual([]);
});
