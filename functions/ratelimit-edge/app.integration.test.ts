import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { redis as redisStore } from '#knative/local/stores/redis.ts';
import { recordBatch } from '#lib/board/board.ts';
import { pseudonymOf } from '#lib/board/pseudonym.ts';
import { setLimit } from '#lib/buckets/limits.ts';
import { edgeBatchesInFlightPerProduct, edgeUnknownBatchesInFlightMax } from '#lib/constants.ts';
import { saleKeys } from '#lib/names.ts';
import type { OrderEvent } from '#lib/order-event.ts';
import { orderIdOf } from '#lib/order-id.ts';
import { OUTCOMES, type PurchaseAnswer } from '#lib/outcome.ts';
import { type OwnStore, startOwnStore } from '#lib/testing/own-store.ts';
import {
  acceptAll,
  answerBatch,
  type Edge,
  type FakePurchase,
  pseudonymKey,
  startEdge,
  startFakePurchase,
  tokenFor,
} from './testing/edge-fixture.ts';

let store: OwnStore;
let purchase: FakePurchase;
let edge: Edge;

beforeAll(async () => {
  store = await startOwnStore(redisStore);
  purchase = await startFakePurchase();
  edge = await startEdge(store.address, purchase.url);
});

afterAll(async () => {
  await edge.stop();
  await purchase.close();
  await store.remove();
});

beforeEach(async () => {
  await edge.redis.flushall();
  purchase.seen.length = 0;
  purchase.answer = acceptAll;
});

const get = (path: string, token?: string, init: RequestInit = {}) =>
  fetch(`${edge.url}${path}`, {
    ...init,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(init.headers as Record<string, string> | undefined),
    },
  });
const bodyOf = async (response: Response) => (await response.json()) as Record<string, unknown>;

describe('a purchase', () => {
  test('is accepted, and says where the order is', async () => {
    const response = await edge.buy({ productId: 'p1', key: 'key-12345', quantity: 2 });
    const orderId = orderIdOf('p1', 'user', 'key-12345');
    expect(response.status).toBe(202);
    expect(response.headers.get('location')).toBe(`/api/orders/${orderId}`);
    expect(await response.json()).toEqual({ orderId, productId: 'p1', quantity: 2 });
    const [seen] = purchase.seen;
    expect(seen).toMatchObject({ path: '/products/p1/purchases', isSigned: true });
    expect(JSON.parse(seen?.body ?? '')).toEqual({
      purchases: [{ orderId, userId: 'user', quantity: 2 }],
    });
  });

  test('said before, it is the same answer with 200', async () => {
    purchase.answer = (request, response) => {
      answerBatch(request, response, () => ({ outcome: 'replayed', quantity: 2 }));
    };
    const response = await edge.buy({ key: 'key-12345', quantity: 2 });
    expect(response.status).toBe(200);
    expect(response.headers.get('idempotency-replayed')).toBe('true');
    const orderId = orderIdOf('p1', 'user', 'key-12345');
    expect(await response.json()).toEqual({ orderId, productId: 'p1', quantity: 2 });
  });

  test.each<[PurchaseAnswer, object]>([
    [{ outcome: 'key_reused' }, {}],
    [{ outcome: 'limit_reached' }, {}],
    [{ outcome: 'not_open' }, {}],
    [
      { outcome: 'not_open', opensAtUs: 1_800_000_000_123_456 },
      { opensAt: '2027-01-15T08:00:00.123456Z' },
    ],
    [{ outcome: 'ended' }, {}],
    [{ outcome: 'paused' }, {}],
    [{ outcome: 'sold_out', left: 0 }, { left: 0 }],
    [{ outcome: 'sold_out', left: 1 }, { left: 1 }],
    [{ outcome: 'unknown_product' }, {}],
    [{ outcome: 'unavailable' }, {}],
  ])('comes back as %j', async (answer, members) => {
    purchase.answer = (request, response) => {
      answerBatch(request, response, () => answer);
    };
    const response = await edge.buy({});
    const { status, title } = OUTCOMES[answer.outcome];
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect(response.headers.get('retry-after')).toBe(status === 503 ? '1' : null);
    const expected = { outcome: answer.outcome, title, status, ...members };
    expect(await response.json()).toMatchObject(expected);
  });

  test('travels with others, and each buyer gets their own answer', async () => {
    purchase.answer = (request, response) => {
      answerBatch(request, response, ({ userId, quantity }) =>
        userId.endsWith('7') ? { outcome: 'limit_reached' } : { outcome: 'accepted', quantity },
      );
    };
    const users = Array.from({ length: 200 }, (_, index) => `user ${index}`);
    const answers = await Promise.all(
      users.map(async (user) => ({
        user,
        response: await edge.buy({ token: await tokenFor(user) }),
      })),
    );
    for (const { user, response } of answers) {
      expect(response.status, user).toBe(user.endsWith('7') ? 409 : 202);
      if (response.status !== 202) continue;
      expect(await response.json()).toMatchObject({
        orderId: orderIdOf('p1', user, 'key-of-the-test'),
      });
    }
    expect(purchase.seen.length).toBeLessThan(users.length);
    expect(purchase.seen.every(({ isSigned }) => isSigned)).toBe(true);
  });

  test('keeps a sampled trace, and only that', async () => {
    const id = '0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331';
    for (const traceparent of [`00-${id}-01`, `00-${id}-00`, `00-${id}-01-extra`]) {
      await edge.buy({ headers: { traceparent } });
    }
    const bodies = purchase.seen.map(({ body }) => JSON.parse(body) as { purchases: object[] });
    expect(bodies.map(({ purchases }) => 'traceparent' in (purchases[0] ?? {}))).toEqual([
      true,
      false,
      false,
    ]);
  });

  test('too many are refused with the tier, and an honest time to come back', async () => {
    await setLimit(edge.redis, { tier: 'user' }, { rate: 1, capacity: 2 });
    await vi.waitFor(
      async () => {
        const response = await edge.buy({});
        expect(response.status).toBe(429);
        expect(Object.fromEntries(response.headers)).toMatchObject({
          'retry-after': '1',
          'ratelimit-policy': '"user";q=2;w=2',
          ratelimit: '"user";r=0;t=1',
        });
        expect(await response.json()).toMatchObject({
          outcome: 'rate_limited',
          tier: 'user',
          'violated-policies': ['user'],
        });
      },
      { timeout: 5_000, interval: 20 },
    );
    const counted = await edge.registry.metrics();
    expect(counted).toContain('seckill_rate_limited_total{tier="user"} 1');
    expect(counted).toContain('{outcome="rate_limited",result="limited"} 1');
    // The tests after this one find the defaults again: three at once are more than two.
    await edge.redis.flushall();
    await vi.waitFor(
      async () => {
        const answers = await Promise.all([1, 2, 3].map(() => edge.buy({})));
        expect(answers.map(({ status }) => status)).toEqual([202, 202, 202]);
      },
      { timeout: 10_000, interval: 100 },
    );
  });

  test('is counted by its outcome, without a word about the buyer', async () => {
    await edge.buy({ token: await tokenFor('somebody-special') });
    await edge.buy({ quantity: 0 });
    await edge.buy({ token: 'none' });
    const text = await edge.registry.metrics();
    expect(text).toMatch(/seckill_requests_total\{outcome="accepted",result="succeeded"\} \d/);
    expect(text).toMatch(/seckill_requests_total\{outcome="malformed",result="refused"\} \d/);
    expect(text).toMatch(/seckill_requests_total\{outcome="unauthenticated",result="refused"\} \d/);
    expect(text).toMatch(/seckill_request_duration_seconds_count\{route="purchase"\} \d/);
    expect(text).toMatch(/seckill_forward_batch_orders_sum \d/);
    expect(text).not.toContain('somebody-special');
  });
});

describe('product ids that buyers make up', () => {
  const buyMadeUp = async (index: number) => {
    const token = await tokenFor(`inventor ${index}`);
    return edge.buy({ productId: `made-up-${index}`, token });
  };
  const isMadeUp = ({ path }: { path: string }) => path.includes('made-up');

  test('hold up no product that Redis has, not even at an edge that knows of none', async () => {
    const held: (() => void)[] = [];
    purchase.answer = (request, response) => {
      if (!isMadeUp(request)) {
        acceptAll(request, response);
        return;
      }
      held.push(() => {
        answerBatch(request, response, () => ({ outcome: 'unknown_product' }));
      });
    };
    await edge.redis.hset(saleKeys('on-sale').sale, 'state', 'on_sale');
    const flood = Array.from({ length: 200 }, (_, index) => buyMadeUp(index));
    await vi.waitFor(() => {
      expect(held).toHaveLength(edgeUnknownBatchesInFlightMax);
    }, 5_000);
    expect((await edge.buy({ productId: 'on-sale' })).status).toBe(202);
    expect(purchase.seen.filter(isMadeUp)).toHaveLength(edgeUnknownBatchesInFlightMax);
    const answering = setInterval(() => {
      for (const answer of held.splice(0)) answer();
    });
    const outcomes = (await Promise.all(flood)).map(({ status }) => status);
    clearInterval(answering);
    // Each was answered: by purchase, or that it had waited too long.
    for (const status of outcomes) expect([404, 503]).toContain(status);
    expect(outcomes).toContain(404);
  });
});

test('buyers who go away while they wait leave nothing behind', async () => {
  const held: (() => void)[] = [];
  purchase.answer = (request, response) => {
    held.push(() => {
      acceptAll(request, response);
    });
  };
  const gone = new AbortController();
  const token = await tokenFor('user');
  const buying = Array.from({ length: 40 }, (_, index) =>
    fetch(`${edge.url}/api/products/p1/purchase`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'idempotency-key': `key-of-the-gone-${index}`,
        'content-type': 'application/json',
      },
      body: '{"quantity":1}',
      signal: gone.signal,
    }),
  );
  await vi.waitFor(() => {
    expect(held.length).toBeGreaterThan(0);
  }, 5_000);
  gone.abort();
  for (const { status } of await Promise.allSettled(buying)) expect(status).toBe('rejected');
  const answering = setInterval(() => {
    for (const answer of held.splice(0)) answer();
  });
  // Who comes now gets a place, and an answer.
  for (let buyer = 0; buyer < 2 * edgeBatchesInFlightPerProduct; buyer += 1) {
    expect((await edge.buy({ key: `key-of-the-next-${buyer}` })).status).toBe(202);
  }
  clearInterval(answering);
});

describe('when `purchase` fails', () => {
  test.each<[string, FakePurchase['answer']]>([
    ['dies in the middle', (_request, response) => response.destroy()],
    ['says 503', (_request, response) => response.writeHead(503).end('{}')],
    ['says 401', (_request, response) => response.writeHead(401).end('{}')],
    ['says 404', (_request, response) => response.writeHead(404).end('{}')],
    ['says 413', (_request, response) => response.writeHead(413).end('{}')],
    ['redirects', (_request, response) => response.writeHead(307, { location: '/' }).end()],
    [
      'is cut off in the middle of its answer',
      (_request, response) => {
        response.write('{"answers":[{"outcome":"accepted"', () => response.destroy());
      },
    ],
    ['says too much', (_request, response) => response.end(`{"answers":"${'x'.repeat(70_000)}"}`)],
    ['says 500 with a stack', (_request, response) => response.writeHead(500).end('at x.ts:1')],
    ['does not speak JSON', (_request, response) => response.end('<html>')],
    ['says null', (_request, response) => response.end('null')],
    ['forgets somebody', (_request, response) => response.end('{"answers":[]}')],
    ['says what nobody knows', (_request, response) => response.end('{"answers":[{"outcome":1}]}')],
    [
      'says 500, and accepts',
      (request, response) => {
        response.statusCode = 500;
        acceptAll(request, response);
      },
    ],
    [
      'answers twice',
      (_request, response) => {
        const accepted = { outcome: 'accepted', quantity: 1 };
        response.end(JSON.stringify({ answers: [accepted, accepted] }));
      },
    ],
    [
      'accepts a word of units',
      (_request, response) => response.end('{"answers":[{"outcome":"accepted","quantity":"1"}]}'),
    ],
    [
      'accepts without a quantity',
      (_request, response) => response.end('{"answers":[{"outcome":"accepted"}]}'),
    ],
  ])('it %s: 503, nobody is told more, and the next is sold', async (_what, answer) => {
    purchase.answer = answer;
    const response = await edge.buy({});
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('1');
    expect(await response.json()).toEqual({
      type: 'urn:seckill:unavailable',
      title: OUTCOMES.unavailable.title,
      status: 503,
      outcome: 'unavailable',
      detail: expect.stringContaining('the same Idempotency-Key') as string,
    });
    purchase.answer = acceptAll;
    expect((await edge.buy({})).status).toBe(202);
  });

  test('reads say so too, and of the products a moment longer: nobody’s crowd asks in vain', async () => {
    const other = await startEdge(store.address, purchase.url);
    const headers = { authorization: `Bearer ${await tokenFor('user')}` };
    const ask = (path: string) => fetch(`${other.url}${path}`, { headers });
    purchase.answer = (_request, response) => response.writeHead(500).end('oops');
    const orderId = orderIdOf('p1', 'user', 'key-of-the-test');
    for (const path of [
      '/api/products',
      '/api/products/p9',
      '/api/products/p9/leaderboard',
      '/api/orders',
      `/api/orders/${orderId}`,
    ]) {
      const response = await ask(path);
      expect(response.status, path).toBe(503);
      expect(response.headers.get('retry-after')).toBe('1');
    }
    purchase.answer = (_request, response) => response.end('{"products":[]}');
    await vi.waitFor(async () => {
      expect((await ask('/api/products')).status).toBe(200);
    }, 5_000);
    await other.stop();
  });
});

describe('reads', () => {
  const product = { productId: 'p1', name: '手机', unitPrice: 1, now: '2026-11-22T12:00:00.000Z' };

  test('many readers of the products are one for `purchase`, and the clock goes on', async () => {
    purchase.answer = (_request, response) => {
      response.end(JSON.stringify({ products: [product] }));
    };
    const responses = await Promise.all(Array.from({ length: 20 }, () => get('/api/products')));
    expect(purchase.seen).toHaveLength(1);
    expect(purchase.seen[0]).toMatchObject({ path: '/products', isSigned: true });
    const read = async (response: Response | undefined) => {
      const { products } = (await response?.json()) as { products: (typeof product)[] };
      const [first] = products;
      return { ...first, now: Date.parse(first?.now ?? '') };
    };
    const first = await read(responses[0]);
    expect(first).toMatchObject({ productId: 'p1', name: '手机', unitPrice: 1 });
    expect(first.now).toBeCloseTo(Date.parse(product.now), -3);
    await vi.waitFor(async () => {
      expect((await read(await get('/api/products'))).now).toBeGreaterThan(first.now + 20);
    });
  });

  test('one product, or none', async () => {
    purchase.answer = ({ path }, response) => {
      if (path === '/products/p1') response.end(JSON.stringify(product));
      else response.writeHead(404).end('{}');
    };
    expect(await bodyOf(await get('/api/products/p1'))).toMatchObject({ name: '手机' });
    const none = await get('/api/products/p2');
    expect(none.status).toBe(404);
    expect(await bodyOf(none)).toMatchObject({ outcome: 'unknown_product' });
  });

  test('orders are asked for in the name of the token’s user, whatever it is', async () => {
    const userId = "o'Brien/../秒 (杀)?&=%2f*~!";
    const order = { orderId: 'p1.1234567890123456789012', status: 'confirmed' };
    purchase.answer = ({ path }, response) => {
      const url = new URL(path, 'http://purchase');
      // As a URL parser sees it, so that both ends sign the same text.
      expect(url.pathname + url.search).toBe(path);
      if (url.searchParams.get('userId') === userId) response.end(JSON.stringify(order));
      else if (decodeURIComponent(url.pathname) === `/users/${userId}/orders`) {
        response.end(JSON.stringify({ orders: [order] }));
      } else response.writeHead(403).end('{}');
    };
    const token = await tokenFor(userId);
    expect(await bodyOf(await get('/api/orders', token))).toEqual({ orders: [order] });
    expect(await bodyOf(await get(`/api/orders/${order.orderId}`, token))).toEqual(order);
    expect(purchase.seen.every(({ isSigned }) => isSigned)).toBe(true);
    const other = await get(`/api/orders/${order.orderId}`, await tokenFor('other'));
    expect(other.status).toBe(403);
    expect((await get(`/api/orders/${order.orderId}`)).status).toBe(401);
    expect((await get('/api/orders')).status).toBe(401);
    expect((await get('/api/orders/p1.short', token)).status).toBe(404);
  });
});

describe('leaderboards', () => {
  const event = (userId: string, userFirstAt: number, quantity: number, sold: number) => ({
    ...{ productId: 'p1', generation: 1, acceptedAt: userFirstAt },
    orders: [{ userId, userFirstAt, userQuantity: quantity, quantity, sold }],
  });
  const firstAtUs = 1_800_000_000_000_000;

  beforeEach(async () => {
    for (const [index, user] of ['fast', 'late', 'keen'].entries()) {
      const quantity = user === 'keen' ? 5 : 1;
      const batch = event(user, firstAtUs + index, quantity, index + quantity);
      await recordBatch(edge.redis, batch as unknown as OrderEvent);
    }
  });

  test('show pseudonyms, and where the reader stands', async () => {
    const name = (user: string) => pseudonymOf(pseudonymKey, 'p1', user);
    const speed = await get('/api/products/p1/leaderboard?limit=2', await tokenFor('keen'));
    const firstAt = (index: number) => `2027-01-15T08:00:00.00000${index}Z`;
    expect(await bodyOf(speed)).toEqual({
      productId: 'p1',
      by: 'speed',
      entries: [
        { rank: 1, name: name('fast'), score: firstAtUs, firstAt: firstAt(0) },
        { rank: 2, name: name('late'), score: firstAtUs + 1, firstAt: firstAt(1) },
      ],
      me: { rank: 3, name: name('keen'), score: firstAtUs + 2, firstAt: firstAt(2) },
    });
    const quantity = await bodyOf(await get('/api/products/p1/leaderboard?by=quantity&limit=1'));
    expect(quantity).toMatchObject({ entries: [{ rank: 1, name: name('keen'), quantity: 5 }] });
    expect(quantity).not.toHaveProperty('me');
    const score = await bodyOf(await get('/api/products/p1/leaderboard?by=score&limit=1'));
    expect(score).toMatchObject({
      entries: [{ name: name('keen'), quantity: 5, firstAt: '2027-01-15T08:00:00.000Z' }],
    });
    expect(JSON.stringify([quantity, score])).not.toMatch(/fast|late|keen/);
  });

  test('hot products by units sold', async () => {
    expect(await bodyOf(await get('/api/leaderboard/products'))).toEqual({
      entries: [{ rank: 1, productId: 'p1', sold: 7 }],
    });
  });

  test.each([
    ['by=name', 'by'],
    ['limit=0', 'limit'],
    ['limit=101', 'limit'],
    ['limit=1e9', 'limit'],
    ['limit=-1', 'limit'],
    ['limit=', 'limit'],
  ])('what is wrong in ?%s is named', async (query, field) => {
    const response = await get(`/api/products/p1/leaderboard?${query}`);
    expect(response.status).toBe(400);
    expect((await bodyOf(response)).detail).toMatch(new RegExp(`^${field}: `));
  });

  test('an empty one is of a product that exists, or there is none', async () => {
    purchase.answer = ({ path }, response) => {
      if (path === '/products/new') response.end(JSON.stringify({ productId: 'new', now: null }));
      else response.writeHead(404).end('{}');
    };
    expect(await bodyOf(await get('/api/products/new/leaderboard'))).toMatchObject({ entries: [] });
    const none = await get('/api/products/none/leaderboard');
    expect(none.status).toBe(404);
    expect(await bodyOf(none)).toMatchObject({ outcome: 'unknown_product' });
    // Where there is one, nobody is asked.
    await get('/api/products/p1/leaderboard');
    expect(purchase.seen.map(({ path }) => path)).toEqual(['/products/new', '/products/none']);
  });

  test('are public: a token that is none changes nothing', async () => {
    const response = await get('/api/products/p1/leaderboard', 'none');
    expect(response.status).toBe(200);
  });
});

describe('operators', () => {
  test('what they ask goes on unchanged, signed with who asks', async () => {
    purchase.answer = ({ body, headers }, response) => {
      response.writeHead(201, { location: '/operator/sales/x', 'x-internal': 'secret' });
      response.end(JSON.stringify({ body, operationId: headers['operation-id'] }));
    };
    const token = await tokenFor('操作 员', 'operator');
    const response = await get('/operator/sales?dry=1&q=a%20b', token, {
      method: 'POST',
      body: '{"stock":1}',
      headers: { 'operation-id': 'op-1', 'content-type': 'application/json' },
    });
    expect(response.status).toBe(201);
    expect(response.headers.get('location')).toBe('/operator/sales/x');
    expect(response.headers.has('x-internal')).toBe(false);
    expect(await response.json()).toEqual({ body: '{"stock":1}', operationId: 'op-1' });
    expect(purchase.seen[0]).toMatchObject({
      method: 'POST',
      path: '/operator/sales?dry=1&q=a%20b',
      isSigned: true,
    });
    await get('/operator/sales/p1/open', token, { method: 'POST' });
    expect(purchase.seen[1]).toMatchObject({ method: 'POST', body: '', isSigned: true });
  });

  test('nobody else gets through', async () => {
    for (const path of ['/operator/sales', '/operator/limits', '/operator/anything']) {
      expect((await get(path)).status, path).toBe(401);
      const response = await get(path, await tokenFor('user'));
      expect(response.status, path).toBe(403);
      expect(await bodyOf(response)).toMatchObject({ outcome: 'forbidden' });
    }
    expect(purchase.seen).toEqual([]);
  });

  test('read and change the limits, of a tier or of one product', async () => {
    const token = await tokenFor('operator', 'operator');
    const change = (method: string, path: string, body?: object) =>
      get(`/operator/limits/${path}`, token, {
        method,
        ...(body && { body: JSON.stringify(body) }),
        headers: { 'content-type': 'application/json' },
      });
    purchase.answer = (_request, response) => response.end('{}');
    const set = await change('PUT', 'product?product=p1', { rate: 7, capacity: 8 });
    expect(set.status).toBe(200);
    expect(await bodyOf(set)).toMatchObject({
      products: { p1: { rate: 7, capacity: 8 } },
      warnings: [],
    });
    await change('PUT', 'ip', { rate: 1, capacity: 2 });
    const both = await bodyOf(await get('/operator/limits', token));
    expect(both).toMatchObject({ ip: { rate: 1, capacity: 2 }, user: { rate: 50 } });
    await change('DELETE', 'ip');
    const reset = await change('DELETE', 'product?product=p1');
    expect(await bodyOf(reset)).toMatchObject({ ip: null, products: {} });
    for (const [method, path, body, status, field] of [
      ['PUT', 'tenant', { rate: 1, capacity: 1 }, 404, 'tier'],
      ['PUT', 'user', { rate: 0, capacity: 1 }, 400, 'rate'],
      ['PUT', 'user', { rate: 1 }, 400, 'capacity'],
      ['PUT', 'user', undefined, 400, 'body'],
      ['PUT', 'user?product=p1', { rate: 1, capacity: 1 }, 400, 'product'],
      ['PUT', 'product?product=..', { rate: 1, capacity: 1 }, 404, 'productId'],
    ] as const) {
      const refused = await change(method, path, body);
      expect(refused.status, path).toBe(status);
      expect((await bodyOf(refused)).detail, path).toMatch(new RegExp(`^${field}: `));
    }
    expect((await change('POST', 'user', {})).status).toBe(405);
    expect(purchase.seen.map(({ path }) => path)).toEqual(['/products/p1']);
  });

  test('are warned of a limit that may not be what they mean', async () => {
    const token = await tokenFor('operator', 'operator');
    const set = async (path: string) => {
      const body = JSON.stringify({ rate: 1, capacity: 2 });
      const headers = { 'content-type': 'application/json' };
      const response = await get(`/operator/limits/${path}`, token, {
        method: 'PUT',
        body,
        headers,
      });
      expect(response.status).toBe(200);
      return (await bodyOf(response)).warnings;
    };
    purchase.answer = (_request, response) => response.writeHead(404).end('{}');
    expect(await set('product?product=later')).toEqual(['product: later is not on sale (yet)']);
    purchase.answer = (_request, response) => response.writeHead(503).end('{}');
    expect(await set('product?product=p1')).toEqual([expect.stringContaining('cannot tell')]);
    const all = await bodyOf(await get('/operator/limits', token));
    const limit = { rate: 1, capacity: 2 };
    expect(all).toMatchObject({ products: { later: limit, p1: limit }, warnings: [] });
    const noProxy = [expect.stringContaining('SECKILL_TRUSTED_PROXIES')];
    expect(await set('ip')).toEqual(noProxy);
    expect(await bodyOf(await get('/operator/limits', token))).toMatchObject({ warnings: noProxy });
  });

  test('leave a line in the log when they change a limit', async () => {
    const token = await tokenFor('olga', 'operator');
    const headers = { 'content-type': 'application/json', 'operation-id': 'op-12345678' };
    const lines: unknown[] = [];
    edge.log.info = (line: unknown) => lines.push(line);
    const body = '{"rate":1,"capacity":2}';
    await get('/operator/limits/user', token, { method: 'PUT', body, headers });
    await get('/operator/limits/user', token, { method: 'DELETE', headers });
    const [preset, set] = [
      { rate: 50, capacity: 100 },
      { rate: 1, capacity: 2 },
    ];
    const who = { operator: 'olga', operationId: 'op-12345678', tier: 'user' };
    expect(lines).toEqual([
      { ...who, before: preset, limit: set },
      { ...who, before: set, limit: null },
    ]);
  });

  test('a signature that `purchase` refuses is not the operator’s fault', async () => {
    purchase.answer = (_request, response) => response.writeHead(401).end('{}');
    const response = await get('/operator/sales', await tokenFor('operator', 'operator'));
    expect(response.status).toBe(503);
  });
});

test('while Redis is away, purchases and boards are 503 with Retry-After, and then go on', async () => {
  await store.stop();
  for (const response of [await edge.buy({}), await get('/api/products/p1/leaderboard')]) {
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('1');
  }
  expect((await get('/readyz')).status).toBe(200);
  await store.start();
  await vi.waitFor(async () => {
    expect((await edge.buy({})).status).toBe(202);
  }, 10_000);
});
