import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import { orderIdOf } from '#lib/order-id.ts';
import { createBuyers } from './buyers.ts';
import { type Door, openDoor } from './door.ts';
import { startCrowd, startStream } from './load.ts';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

interface Said {
  readonly status: number;
  /** Text is sent as it is. */
  readonly body?: object | string;
  readonly headers?: Record<string, string>;
}
const accepted: Said = { status: 202 };

/** A shop that answers each request as the script says, and `accepted` when that is over. */
async function shop(...script: (Said | 'hang up')[]) {
  const asked: { key: string; host: string; token: string }[] = [];
  const server = createServer((request, response) => {
    const key = String(request.headers['idempotency-key']);
    const token = String(request.headers.authorization).replace('Bearer ', '');
    asked.push({ key, token, host: String(request.headers.host) });
    const said = script.shift() ?? accepted;
    if (said === 'hang up') {
      request.socket.destroy();
      return;
    }
    const order = { orderId: orderIdOf('p', token, key) };
    response.writeHead(said.status, { 'content-type': 'application/json', ...said.headers });
    const { body = order } = said;
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  ends.push(() => new Promise((closed) => server.close(closed)));
  return { asked, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

function enter(gateways: string[]): Door {
  const door = openDoor({ route: 'http://edge.seckill.test', gateways });
  ends.push(() => door.close());
  return door;
}

function buyersAt(door: Door, patienceMs = 20_000) {
  const interrupted = new AbortController().signal;
  return createBuyers({ door, productId: 'p', patienceMs, interrupted });
}

const ann = { userId: 'ann', token: 'ann' };

test('who asks longest is known for as long as they ask', async () => {
  const { url } = await shop({ status: 503, headers: { 'retry-after': '1' } });
  const buyers = buyersAt(enter([url]));
  const anns = buyers.buy(ann);
  await vi.waitFor(() => {
    expect(buyers.tally.unclean).toHaveLength(1);
  });
  const bobs = await buyers.buy({ userId: 'bob', token: 'bob' });
  expect(buyers.askingSinceMs()).toBeLessThan(bobs.toldAtMs - bobs.tookMs + 1);
  const { toldAtMs } = await anns;
  expect(buyers.askingSinceMs()).toBeGreaterThanOrEqual(toldAtMs);
});

test('a buyer asks through the gateway for the route, and takes no other order than their own', async () => {
  const { url, asked } = await shop();
  const buyers = buyersAt(enter([url]));
  const { told, key } = await buyers.buy(ann);
  expect(told).toEqual({ kind: 'accepted', orderId: orderIdOf('p', 'ann', key) });
  expect(asked).toEqual([{ key, token: 'ann', host: 'edge.seckill.test' }]);
  const other = await shop({ status: 202, body: { orderId: 'p.somebodyelse' } });
  await expect(buyersAt(enter([other.url])).buy(ann)).rejects.toThrow(/p\.somebodyelse: not p\./);
});

test('what decides nothing is asked again with the same key, and counted', async () => {
  const again: Said = { status: 503, body: { outcome: 'unavailable' } };
  const { url, asked } = await shop('hang up', again, { status: 429, body: {} });
  const buyers = buyersAt(enter([url]));
  const { told, attempts } = await buyers.buy(ann);
  expect(told.kind).toBe('accepted');
  expect([attempts, new Set(asked.map(({ key }) => key)).size]).toEqual([4, 1]);
  expect(buyers.tally.unclean).toMatchObject([
    { status: 0, outcome: 'UND_ERR_SOCKET' },
    { status: 503, outcome: 'unavailable' },
  ]);
  expect(buyers.tally.limited).toBe(1);
});

test.each([409, 410])('%s is an answer', async (status) => {
  const { url } = await shop({ status, body: { outcome: 'sold_out' } });
  const buyers = buyersAt(enter([url]));
  expect((await buyers.buy(ann)).told).toEqual({ kind: 'refused', status, outcome: 'sold_out' });
  expect(buyers.tally.unclean).toEqual([]);
});

test('who is never told is a purchase that failed', async () => {
  const { url } = await shop(...Array<Said>(20).fill({ status: 502, body: {} }));
  const buyers = buyersAt(enter([url]), 100);
  expect((await buyers.buy(ann)).told).toEqual({ kind: 'unserved', status: 502 });
});

test('a proxy’s own words are kept, so that one sees who spoke', async () => {
  const { url } = await shop({ status: 502, body: 'no healthy upstream\n' });
  const buyers = buyersAt(enter([url]));
  await buyers.buy(ann);
  expect(buyers.tally.unclean).toMatchObject([
    { status: 502, outcome: 'not ours: no healthy upstream' },
  ]);
});

test('where one gateway is gone, the next is asked', async () => {
  const { url } = await shop();
  const gone = 'http://127.0.0.1:1';
  const buyers = buyersAt(enter([gone, url]));
  expect((await buyers.buy(ann)).told.kind).toBe('accepted');
  expect(buyers.tally.unclean).toHaveLength(1);
});

const people = (count: number) =>
  Array.from({ length: count }, (_, at) => ({ userId: `u${at}`, token: `u${at}` })).values();

test('a crowd buys until nobody is left, each once', async () => {
  const { url, asked } = await shop();
  const buyers = buyersAt(enter([url]));
  await startCrowd(buyers, people(40), 8).done;
  expect(new Set(asked.map(({ token }) => token)).size).toBe(40);
  expect(buyers.tally.purchases).toHaveLength(40);
});

test('a stream goes on while earlier ones wait, and ends with them told', async () => {
  const { url, asked } = await shop({ status: 503, body: {}, headers: { 'retry-after': '1' } });
  const buyers = buyersAt(enter([url]));
  const load = startStream(buyers, people(1_000), 100);
  await expect.poll(() => asked.length, { timeout: 10_000 }).toBeGreaterThan(20);
  // The first still waits for its second try.
  expect(buyers.tally.purchases.some(({ userId }) => userId === 'u0')).toBe(false);
  await load.stop();
  expect(buyers.tally.purchases.find(({ userId }) => userId === 'u0')?.attempts).toBe(2);
});
