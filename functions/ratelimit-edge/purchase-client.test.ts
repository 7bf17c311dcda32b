import { createServer as createTcpServer, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { edgeBatchesInFlightMax } from '#lib/constants.ts';
import { createPurchaseClient, type PurchaseClient } from './purchase-client.ts';
import { awayPurchaseUrl, type FakePurchase, startFakePurchase } from './testing/edge-fixture.ts';
import { Unavailable } from './unavailable.ts';

const keys = ['a-signing-key-of-the-tests-with-32-or-more'];
let purchase: FakePurchase;
let client: PurchaseClient;

beforeEach(async () => {
  purchase = await startFakePurchase();
  client = createPurchaseClient(purchase.url, keys);
  purchase.answer = ({ body }, response) => response.end(body);
});

const closers: (() => void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) close();
  client.close();
  await purchase.close();
});

test.each(['GET', 'POST', 'PUT', 'PATCH', 'DELETE'])(
  '%s, with and without a body',
  async (method) => {
    for (const body of ['', '{"name":"秒杀"}']) {
      const response = await client.request({ method, path: '/x?y=1', body });
      expect(response).toMatchObject({ status: 200, body });
    }
    expect(purchase.seen.map(({ isSigned }) => isSigned)).toEqual([true, true]);
  },
);

test('who acts, and under which id, is signed', async () => {
  const request = { method: 'POST', path: '/operator/x', operatorId: '操作 员' };
  await client.request(request);
  await client.request({ ...request, operationId: 'an operation' });
  expect(purchase.seen.map(({ isSigned }) => isSigned)).toEqual([true, true]);
  const [without, withId] = purchase.seen.map(({ headers }) => headers);
  expect(without).not.toHaveProperty('operation-id');
  expect(withId).toMatchObject({ 'operation-id': 'an operation' });
  expect(withId?.['x-seckill-signature']).not.toBe(without?.['x-seckill-signature']);
});

test('connections are kept', async () => {
  const ports = new Set<number | undefined>();
  purchase.answer = (_request, response) => {
    ports.add(response.socket?.remotePort);
    response.end();
  };
  for (let count = 0; count < 5; count += 1) await client.request({ method: 'GET', path: '/' });
  expect(ports.size).toBe(1);
});

test('an answer that does not come in time is none, and others still come', async () => {
  purchase.answer = ({ path }, response) => {
    if (path !== '/slow') response.end('ok');
  };
  const startedAtMs = performance.now();
  const slow = client.request({ method: 'GET', path: '/slow', timeoutMs: 50 });
  await expect(slow).rejects.toThrow(Unavailable);
  expect(performance.now() - startedAtMs).toBeLessThan(2_000);
  expect((await client.request({ method: 'GET', path: '/' })).body).toBe('ok');
});

test('an answer that is too large is none, however it comes', async () => {
  const chunk = 'x'.repeat(10_000);
  purchase.answer = ({ path }, response) => {
    if (path === '/long') response.setHeader('content-length', '1000000000');
    const write = () => {
      while (!response.destroyed && response.write(chunk));
      response.once('drain', write);
    };
    if (path === '/small') response.end(chunk);
    else write();
  };
  const ask = (path: string) => client.request({ method: 'GET', path, bytesMax: 10_000 });
  await expect(ask('/long')).rejects.toThrow(Unavailable);
  await expect(ask('/endless')).rejects.toThrow(Unavailable);
  expect((await ask('/small')).body).toBe(chunk);
});

test('no more is asked than can be answered: what is too much is refused at once', async () => {
  const answers: (() => void)[] = [];
  purchase.answer = (_request, response) => answers.push(() => response.end('{}'));
  const places = 2 * edgeBatchesInFlightMax;
  const asked = Array.from({ length: places }, () => client.request({ method: 'GET', path: '/' }));
  await expect(client.request({ method: 'GET', path: '/' })).rejects.toThrow(/too much/);
  const answerAll = setInterval(() => {
    for (const answer of answers.splice(0)) answer();
  });
  expect(await Promise.all(asked)).toHaveLength(places);
  expect((await client.request({ method: 'GET', path: '/' })).status).toBe(200);
  clearInterval(answerAll);
});

/** Speaks for itself; every piece of a request that comes on a connection is one request. */
async function startWire(onRequest: (socket: Socket, nth: number) => void) {
  let nth = 0;
  let closed = 0;
  const server = createTcpServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('close', () => {
      closed += 1;
    });
    socket.on('data', () => {
      nth += 1;
      onRequest(socket, nth);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening on TCP');
  const wireClient = createPurchaseClient(`http://127.0.0.1:${address.port}`, keys);
  closers.push(() => {
    wireClient.close();
    server.close();
  });
  return { client: wireClient, requests: () => nth, closed: () => closed };
}

const answer = (text: string) => `HTTP/1.1 200 OK\r\ncontent-length: ${text.length}\r\n\r\n${text}`;
const get = { method: 'GET', path: '/' };
const post = { method: 'POST', path: '/' };

describe('a kept connection that ends', () => {
  const ends: [string, (socket: Socket) => unknown][] = [
    ['closed', (socket) => socket.end()],
    ['reset', (socket) => socket.resetAndDestroy()],
  ];
  test.each(ends)('%s before a byte of the answer: asked once more', async (_how, end) => {
    const wire = await startWire((socket, nth) => {
      if (nth === 2) end(socket);
      else socket.write(answer(`to ${nth}`));
    });
    expect((await wire.client.request(post)).body).toBe('to 1');
    const again = { ...post, isRepeatable: true };
    expect((await wire.client.request(again)).body).toBe('to 3');
  });

  test('not a request that may not be sent twice', async () => {
    const wire = await startWire((socket, nth) => {
      if (nth === 2) socket.resetAndDestroy();
      else socket.write(answer('ok'));
    });
    await wire.client.request(post);
    await expect(wire.client.request(post)).rejects.toThrow(Unavailable);
    expect(wire.requests()).toBe(2);
  });

  test('nor one that had begun to be answered', async () => {
    const wire = await startWire((socket, nth) => {
      socket.write(nth === 2 ? 'HTTP/1.1 2' : answer('ok'), () => {
        if (nth === 2) socket.resetAndDestroy();
      });
    });
    await wire.client.request(get);
    await expect(wire.client.request(get)).rejects.toThrow(Unavailable);
    expect(wire.requests()).toBe(2);
  });

  test('nor one on a connection of its own, and never a third time', async () => {
    const wire = await startWire((socket, nth) => {
      if (nth === 2) socket.write(answer('ok'));
      else socket.resetAndDestroy();
    });
    await expect(wire.client.request(get)).rejects.toThrow(Unavailable);
    expect(wire.requests()).toBe(1);
    await wire.client.request(get);
    await expect(wire.client.request(get)).rejects.toThrow(Unavailable);
    expect(wire.requests()).toBe(4);
  });
});

test('a second answer is nobody’s', async () => {
  const wire = await startWire((socket, nth) => {
    socket.write(answer(`to ${nth}`));
    if (nth === 1) socket.write(answer('to nobody'));
    if (nth === 2) setImmediate(() => socket.write(answer('to nobody')));
  });
  for (const nth of [1, 2]) {
    expect((await wire.client.request(get)).body).toBe(`to ${nth}`);
    await expect.poll(wire.closed, { timeout: 5_000, interval: 5 }).toBe(nth);
  }
  expect((await wire.client.request(get)).body).toBe('to 3');
});

test('half an answer is none', async () => {
  purchase.answer = (_request, response) => {
    response.writeHead(200, { 'content-length': '100' });
    response.write('half', () => response.destroy());
  };
  await expect(client.request({ method: 'GET', path: '/' })).rejects.toThrow(Unavailable);
});

test('nobody there, or somebody who does not speak HTTP', async () => {
  const away = createPurchaseClient(awayPurchaseUrl, keys);
  await expect(away.request({ method: 'GET', path: '/' })).rejects.toThrow(Unavailable);
  const server = createTcpServer((socket) => socket.end('SSH-2.0-OpenSSH\r\n'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening on TCP');
  const other = createPurchaseClient(`http://127.0.0.1:${address.port}`, keys);
  await expect(other.request({ method: 'GET', path: '/' })).rejects.toThrow(Unavailable);
  server.close();
});
