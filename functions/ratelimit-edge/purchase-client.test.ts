import { createServer as createTcpServer } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
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

afterEach(async () => {
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
