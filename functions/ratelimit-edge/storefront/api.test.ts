import { describe, expect, test } from 'vitest';
import { createApi, ReadError } from './api.ts';
import type { OpenPurchase } from './purchase-store.ts';

const purchase: OpenPurchase = {
  productId: 'teapot',
  userId: 'alice',
  key: '0123456789',
  quantity: 2,
  stage: 'asking',
  pressedAtMs: 0,
};

function apiWith(answer: () => Response | Promise<Response>, token: string | undefined = 'token') {
  const calls: { url: string; init: RequestInit | undefined }[] = [];
  let nowMs = 0;
  const api = createApi({
    nowMs: () => (nowMs += 10),
    token: () => token,
    fetch: async (input, init) => {
      calls.push({ url: input as string, init });
      return await answer();
    },
  });
  return { api, calls };
}

describe('a purchase', () => {
  test('carries its key, its quantity, the token and a time-out', async () => {
    const { api, calls } = apiWith(() =>
      Response.json({ orderId: 'teapot.x', productId: 'teapot', quantity: 2 }, { status: 202 }),
    );
    expect(await api.purchase(purchase)).toEqual({
      kind: 'accepted',
      orderId: 'teapot.x',
      quantity: 2,
    });
    const { url, init } = calls[0] ?? {};
    expect(url).toBe('/api/products/teapot/purchase');
    const headers = new Headers(init?.headers);
    expect(headers.get('idempotency-key')).toBe('0123456789');
    expect(headers.get('authorization')).toBe('Bearer token');
    expect(headers.get('content-type')).toBe('application/json');
    expect(init?.body).toBe('{"quantity":2}');
    expect(init?.signal).toBeInstanceOf(AbortSignal);
  });

  const problem = (status: number, body: object, headers = {}) =>
    Response.json(body, { status, headers });

  test.each<[string, () => Response, object]>([
    [
      'a refusal with what it says',
      () => problem(410, { outcome: 'sold_out', left: 1 }),
      { kind: 'refused', outcome: 'sold_out', left: 1 },
    ],
    [
      'the opening time',
      () => problem(409, { outcome: 'not_open', opensAt: '2025-11-22T12:00:00.000000Z' }),
      { kind: 'refused', outcome: 'not_open', opensAtMs: Date.UTC(2025, 10, 22, 12) },
    ],
    ['no identity', () => problem(401, { outcome: 'unauthenticated' }), { kind: 'signed_out' }],
    [
      'too many requests',
      () => problem(429, { outcome: 'rate_limited' }, { 'retry-after': '7' }),
      { kind: 'limited', retryAfterMs: 7_000 },
    ],
    [
      'too many requests, from a proxy without words',
      () => new Response('', { status: 429 }),
      { kind: 'limited', retryAfterMs: 1_000 },
    ],
    [
      'unavailable',
      () => problem(503, { outcome: 'unavailable' }, { 'retry-after': '2' }),
      { kind: 'unknown', cause: 'unavailable', retryAfterMs: 2_000 },
    ],
    [
      'a proxy that found nobody',
      () => new Response('<h1>404</h1>', { status: 404 }),
      { kind: 'unknown', cause: 'unavailable' },
    ],
    [
      'an acceptance that is cut short',
      () => new Response('{"orderId":"teapot.x', { status: 202 }),
      { kind: 'unknown', cause: 'unavailable' },
    ],
    [
      'an outcome of tomorrow',
      () => problem(409, { outcome: 'constructor' }),
      { kind: 'unknown', cause: 'unavailable' },
    ],
  ])('tells %s', async (_name, answer, reply) => {
    expect(await apiWith(answer).api.purchase(purchase)).toMatchObject(reply);
  });

  test('that took too long, or whose connection broke, is not known', async () => {
    const late = apiWith(() => Promise.reject(new DOMException('late', 'TimeoutError')));
    expect(await late.api.purchase(purchase)).toMatchObject({ kind: 'unknown', cause: 'timeout' });
    const lost = apiWith(() => Promise.reject(new TypeError('Failed to fetch')));
    expect(await lost.api.purchase(purchase)).toMatchObject({ kind: 'unknown', cause: 'lost' });
  });
});

describe('a read', () => {
  const body = {
    productId: 'teapot',
    name: 'Teapot',
    unitPrice: 19_900,
    currency: 'CNY',
    stock: 100,
    left: 40,
    state: 'open',
    opensAt: '2025-11-22T12:00:00Z',
    closesAt: null,
    now: '2025-11-22T12:00:01.250Z',
    limitPerUser: 2,
  };

  test('of a product comes with its times', async () => {
    const { api } = apiWith(() =>
      Response.json(body, { headers: { date: 'Sat, 22 Nov 2025 12:00:01 GMT' } }),
    );
    const { product, exchange } = await api.product('teapot');
    expect(product).toMatchObject({
      left: 40,
      opensAtMs: Date.UTC(2025, 10, 22, 12),
      closesAtMs: undefined,
      nowMs: Date.UTC(2025, 10, 22, 12, 0, 1, 250),
    });
    expect(exchange).toEqual({
      sentMs: 10,
      receivedMs: 20,
      dateMs: Date.UTC(2025, 10, 22, 12, 0, 1),
    });
  });

  test('keeps the microseconds that decide a leaderboard', async () => {
    const entry = { rank: 1, name: 'abc', score: 5, firstAt: '2025-11-22T12:00:00.041250Z' };
    const { api } = apiWith(() => Response.json({ entries: [entry], me: entry }));
    const { places, own } = await api.board('teapot', 'speed');
    expect((places[0]?.firstAtMs ?? 0) - Date.UTC(2025, 10, 22, 12)).toBeCloseTo(41.25, 2);
    expect(own).toEqual(places[0]);
  });

  test('without a token says so by having none', async () => {
    const calls: Headers[] = [];
    const api = createApi({
      nowMs: () => 0,
      token: () => undefined,
      fetch: (_input, init) => {
        calls.push(new Headers(init?.headers));
        return Promise.resolve(Response.json({ products: [body] }));
      },
    });
    expect(await api.products()).toHaveLength(1);
    expect(calls[0]?.has('authorization')).toBe(false);
  });

  test('that fails tells how, and what lacks a field is not believed', async () => {
    const away = apiWith(() => new Response('', { status: 503, headers: { 'retry-after': '3' } }));
    await expect(away.api.orders()).rejects.toEqual(new ReadError(503, 3_000));
    await expect(away.api.orders()).rejects.toMatchObject({ status: 503, retryAfterMs: 3_000 });
    const lost = apiWith(() => Promise.reject(new TypeError('Failed to fetch')));
    await expect(lost.api.orders()).rejects.toMatchObject({ status: 0 });
    const strange = apiWith(() => Response.json({ orders: [{ orderId: 'x' }] }));
    await expect(strange.api.orders()).rejects.toThrow('is not a text');
  });
});
