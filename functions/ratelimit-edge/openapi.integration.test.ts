// /openapi.json is kept true: every status of every operation in it is driven here, each answer is
// held against its schema, and no route is left out.

import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { redis as redisStore } from '#knative/local/stores/redis.ts';
import { recordBatch } from '#lib/board/board.ts';
import { setLimit } from '#lib/buckets/limits.ts';
import { problem } from '#lib/http/problem.ts';
import type { OrderEvent } from '#lib/order-event.ts';
import type { Outcome, PurchaseAnswer } from '#lib/outcome.ts';
import {
  answersOf,
  documentedAnswers,
  faultsOf,
  type Given,
  nameOf,
  type OpenApi,
  operationsOf,
} from '#lib/testing/documented.ts';
import { type OwnStore, startOwnStore } from '#lib/testing/own-store.ts';
import { createSignIn } from './sign-in.ts';
import { signInAt, startDiscovery } from './testing/discovery.ts';
import {
  acceptAll,
  answerBatch,
  awayPurchaseUrl,
  awayRedisUrl,
  type Edge,
  type FakePurchase,
  startEdge,
  startFakePurchase,
  tokenFor,
} from './testing/edge-fixture.ts';

let store: OwnStore;
let purchase: FakePurchase;
let edge: Edge;
let away: Edge;
let document: OpenApi;
let user: string;
let operator: string;
const driven = new Set<string>();

beforeAll(async () => {
  store = await startOwnStore(redisStore);
  purchase = await startFakePurchase();
  edge = await startEdge(store.address, purchase.url);
  away = await startEdge(awayRedisUrl, awayPurchaseUrl, undefined, undefined, {
    signIn: createSignIn(signInAt('http://127.0.0.1:1')),
  });
  document = (await (await fetch(`${edge.url}/openapi.json`)).json()) as OpenApi;
  user = await tokenFor('user');
  operator = await tokenFor('operator', 'operator');
});

afterAll(async () => {
  await Promise.all([edge.stop(), away.stop()]);
  await purchase.close();
  await store.remove();
});

beforeEach(async () => {
  await edge.redis.flushall();
  purchase.answer = acceptAll;
});

/** Holds an answer against the document, and against what it is wanted to be. */
async function drive(operation: string, response: Promise<Response>, wanted: string) {
  const given = await read(response);
  expect({ name: nameOf(given), faults: faultsOf(document, operation, given) }, operation).toEqual({
    name: wanted,
    faults: [],
  });
  driven.add(`${operation} ${wanted}`);
}

async function read(response: Promise<Response>): Promise<Given> {
  const answer = await response;
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
}

interface Asked {
  readonly at?: Edge;
  readonly token?: string;
  readonly body?: string;
  readonly type?: string;
  readonly lastEventId?: string;
}

function send(method: string, path: string, asked: Asked = {}): Promise<Response> {
  const { at = edge, token, body, type = 'application/json', lastEventId } = asked;
  return fetch(`${at.url}${path}`, {
    method,
    headers: {
      'content-type': type,
      ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    ...(body === undefined ? {} : { body }),
  });
}

const product = {
  productId: 'p1',
  name: 'Phone',
  unitPrice: 100,
  currency: 'CNY',
  stock: 3,
  left: 2,
  state: 'open',
  opensAt: '2026-11-22T12:00:00.000000Z',
  closesAt: null,
  now: '2026-11-22T12:00:00.000Z',
  limitPerUser: 1,
};
const order = {
  orderId: 'p1.1234567890123456789012',
  productId: 'p1',
  quantity: 1,
  status: 'rejected',
  unitPrice: 100,
  currency: 'CNY',
  acceptedAt: '2026-11-22T12:00:00.000000Z',
  reason: 'no unit',
};

test('a purchase', async () => {
  const operation = 'post /api/products/{productId}/purchase';
  const answers: [string, PurchaseAnswer][] = [
    ['202', { outcome: 'accepted', quantity: 1 }],
    ['200', { outcome: 'replayed', quantity: 1 }],
    ['409 not_open', { outcome: 'not_open', opensAtUs: 1_800_000_000_123_456 }],
    ['410 sold_out', { outcome: 'sold_out', left: 0 }],
    ['422 key_reused', { outcome: 'key_reused' }],
    ['409 limit_reached', { outcome: 'limit_reached' }],
    ['409 ended', { outcome: 'ended' }],
    ['409 paused', { outcome: 'paused' }],
    ['404 unknown_product', { outcome: 'unknown_product' }],
    ['503 unavailable', { outcome: 'unavailable' }],
  ];
  for (const [wanted, answer] of answers) {
    purchase.answer = (request, response) => {
      answerBatch(request, response, () => answer);
    };
    await drive(operation, edge.buy({}), wanted);
  }
  await drive(operation, edge.buy({ token: 'none' }), '401 unauthenticated');
  await drive(operation, edge.buy({ quantity: 0 }), '400 malformed');
  await drive(operation, edge.buy({ quantity: 'x'.repeat(5_000) }), '413 too_large');
  const headers = { 'content-type': 'text/plain' };
  await drive(operation, edge.buy({ headers }), '415 wrong_type');
  await setLimit(edge.redis, { tier: 'user' }, { rate: 1, capacity: 1 });
  await expect
    .poll(async () => (await edge.buy({})).status, { timeout: 5_000, interval: 20 })
    .toBe(429);
  await drive(operation, edge.buy({}), '429 rate_limited');
});

test('products and orders', async () => {
  purchase.answer = ({ path }, response) => {
    const isMine = path === '/products' || path === '/products/p1' || path.includes('=user');
    const isKnown = !/missing|1111111111/.test(path);
    if (!isKnown) response.writeHead(404).end('{}');
    else if (!isMine && path.startsWith('/orders/')) response.writeHead(403).end('{}');
    else if (path === '/products') response.end(JSON.stringify({ products: [product] }));
    else if (path === '/products/p1') response.end(JSON.stringify(product));
    else if (path.startsWith('/users/')) response.end(JSON.stringify({ orders: [order] }));
    else response.end(JSON.stringify(order));
  };
  const one = `/api/orders/${order.orderId}`;
  const operations = {
    products: 'get /api/products',
    product: 'get /api/products/{productId}',
    orders: 'get /api/orders',
    order: 'get /api/orders/{orderId}',
  };
  const { products, product: single, orders, order: own } = operations;
  await drive(products, send('GET', '/api/products'), '200');
  await drive(products, send('GET', '/api/products', { at: away }), '503 unavailable');
  await drive(single, send('GET', '/api/products/p1'), '200');
  await drive(single, send('GET', '/api/products/missing'), '404 unknown_product');
  await drive(single, send('GET', '/api/products/p1', { at: away }), '503 unavailable');
  for (const [operation, path] of [
    [orders, '/api/orders'],
    [own, one],
  ] as const) {
    await drive(operation, send('GET', path, { token: user }), '200');
    await drive(operation, send('GET', path), '401 unauthenticated');
    await drive(operation, send('GET', path, { token: user, at: away }), '503 unavailable');
  }
  await drive(own, send('GET', one, { token: operator }), '403 forbidden');
  const missing = `/api/orders/p1.${'1'.repeat(22)}`;
  await drive(own, send('GET', missing, { token: user }), '404 not_found');
  const held: (() => void)[] = [];
  purchase.answer = (_request, response) => held.push(() => response.end('{"orders":[]}'));
  const reads = Array.from({ length: 8 }, () => send('GET', '/api/orders', { token: user }));
  await vi.waitFor(() => {
    expect(held).toHaveLength(reads.length);
  });
  await drive(orders, send('GET', '/api/orders', { token: user }), '429 rate_limited');
  await drive(own, send('GET', one, { token: user }), '429 rate_limited');
  for (const answer of held) answer();
  expect((await Promise.all(reads)).map(({ status }) => status)).toEqual(reads.map(() => 200));
});

test('events of an order', async () => {
  purchase.answer = ({ path }, response) => {
    if (path.includes('1111111111')) response.writeHead(404).end('{}');
    else if (!path.includes('=user')) response.writeHead(403).end('{}');
    else response.end(JSON.stringify({ ...order, ...(isOpen ? { status: 'accepted' } : {}) }));
  };
  let isOpen = false;
  const events = 'get /api/orders/{orderId}/events';
  const path = `/api/orders/${order.orderId}/events`;
  const asked = { token: user };
  await drive(events, send('GET', path, asked), '200');
  await drive(events, send('GET', path, { ...asked, lastEventId: 'rejected' }), '204');
  await drive(events, send('GET', path), '401 unauthenticated');
  await drive(events, send('GET', path, { token: operator }), '403 forbidden');
  const missing = `/api/orders/p1.${'1'.repeat(22)}/events`;
  await drive(events, send('GET', missing, asked), '404 not_found');
  await drive(events, send('GET', path, { ...asked, at: away }), '503 unavailable');
  isOpen = true;
  const open = await Promise.all(Array.from({ length: 6 }, () => send('GET', path, asked)));
  await drive(events, send('GET', path, asked), '429 rate_limited');
  for (const { body } of open) await body?.cancel();
});

test('leaderboards', async () => {
  const orders = [{ userId: 'user', userFirstAt: 1_800_000_000_000_001, userQuantity: 2, sold: 2 }];
  const event = { productId: 'p1', generation: 1, acceptedAt: 1_800_000_000_000_001, orders };
  await recordBatch(edge.redis, event as unknown as OrderEvent);
  const board = 'get /api/products/{productId}/leaderboard';
  const path = '/api/products/p1/leaderboard';
  for (const by of ['speed', 'quantity', 'score']) {
    await drive(board, send('GET', `${path}?by=${by}`, { token: user }), '200');
  }
  await drive(board, send('GET', `${path}?by=name`), '400 malformed');
  await drive(board, send('GET', '/api/products/%2f/leaderboard'), '404 unknown_product');
  await drive(board, send('GET', path, { at: away }), '503 unavailable');
  const hot = 'get /api/leaderboard/products';
  await drive(hot, send('GET', '/api/leaderboard/products'), '200');
  await drive(hot, send('GET', '/api/leaderboard/products?limit=x'), '400 malformed');
  await drive(hot, send('GET', '/api/leaderboard/products', { at: away }), '503 unavailable');
});

test('limits', async () => {
  const limits = 'get /operator/limits';
  const path = '/operator/limits';
  await drive(limits, send('GET', path, { token: operator }), '200');
  await drive(limits, send('GET', path), '401 unauthenticated');
  await drive(limits, send('GET', path, { token: user }), '403 forbidden');
  await drive(limits, send('GET', path, { token: operator, at: away }), '503 unavailable');
  const body = '{"rate":1,"capacity":2}';
  purchase.answer = (_request, response) => response.end('{}');
  const ofOne = `${path}/product?product=p1`;
  for (const [method, operation, own] of [
    ['PUT', 'put /operator/limits/{tier}', { body }],
    ['DELETE', 'delete /operator/limits/{tier}', {}],
  ] as const) {
    const change = (to: string, asked: Asked = {}) =>
      send(method, to, { token: operator, ...own, ...asked });
    await drive(operation, change(ofOne), '200');
    await drive(operation, send(method, ofOne, own), '401 unauthenticated');
    await drive(operation, change(ofOne, { token: user }), '403 forbidden');
    await drive(operation, change(`${path}/tenant`), '404 not_found');
    await drive(operation, change(`${path}/product?product=.`), '404 unknown_product');
    await drive(operation, change(`${path}/user?product=p1`), '400 malformed');
    await drive(operation, change(ofOne, { at: away }), '503 unavailable');
  }
  const put = 'put /operator/limits/{tier}';
  const asked = { token: operator, body };
  await drive(put, send('PUT', ofOne, { ...asked, type: 'text/plain' }), '415 wrong_type');
  const large = ' '.repeat(70_000);
  await drive(put, send('PUT', ofOne, { ...asked, body: large }), '413 too_large');
});

/** Bodies as `purchase` answers them; its own tests hold the real ones against the document. */
const sale = {
  ...product,
  ...{ sold: 1, pending: 0, generation: 1, loaded: true, settled: false },
};
const details = { ...order, userId: '操作 员', units: [[1, 2]] };
const counts = { stock: 3, sold: 1, rows: 1, units: 1, oversold: 0, lost: 0, duplicated: 0 };
const difference = { code: 'stock', count: 1, found: 'x', repair: null, repaired: false };
const line = {
  ...{ operationId: 'op-12345678', operator: 'ann', action: 'restock' },
  ...{ at: '2026-11-22T12:00:00.000000Z', details: { units: 1, stock: 3 } },
};
const letter = {
  ...{ id: 'persist-order/0/17', sink: 'persist-order', productId: 'p1', batchId: 'p1.1.1' },
  ...{ type: null, orders: 2, bytes: 300, acceptedAt: null, diedAt: line.at, where: null },
  ...{ code: 422, reason: 'no such sale', ours: true, readable: true },
  decision: { action: 'dropped', operator: 'ann', operationId: 'op-12345678', at: line.at },
};
const bodies: Readonly<Record<string, object>> = {
  'get /operator/sales': { sales: [sale] },
  'post /operator/sales/warm': {
    sales: [
      { productId: 'p1', result: 'loaded' },
      { productId: 'p2', result: 'failed', reason: 'no such product' },
    ],
  },
  'post /operator/sales/{productId}/reconcile': {
    ...{ productId: 'p1', ok: false, oversold: 0, lost: 0, deep: true, dryRun: false },
    ...{ generation: 1, orders: 1, rows: 1, lag: { 'persist-order': 0, 'update-rank': 0 } },
    ...{ differences: [difference], warnings: [], waiting: [] },
  },
  'get /operator/sales/{productId}/verify': {
    ...{ ...counts, ranked: 1, ok: true, pending: 0, known: true, settling: false },
    ...{ problems: [], waiting: [] },
  },
  'get /operator/sales/{productId}/log': { log: [line] },
  'get /operator/orders': { orders: [{ ...order, userId: 'ann' }], next: null },
  'get /operator/orders/{orderId}': details,
  'post /operator/orders/{orderId}/cancel': details,
  'get /operator/dead-letters': { letters: [letter], next: letter.id },
  'post /operator/dead-letters/replay': {
    letters: [{ id: letter.id, result: 'refused', reason: 'x' }],
  },
  'post /operator/dead-letters/drop': {
    letters: [{ id: letter.id, result: 'dropped', decision: letter.decision }],
  },
  'get /operator/dead-letters/replays/{operationId}': {
    ...{ operationId: 'op-12345678', letters: 1, delivered: true, orders: 2, rows: 1 },
    ...{ lag: { 'persist-order': 0, 'update-rank': 0 }, deadAgain: [letter.id] },
  },
  'post /operator/erase': { sales: [{ productId: 'p1', orders: 1 }] },
  'get /operator/doctor': {
    ...{ at: line.at, ok: false },
    checks: [{ area: 'Redis', name: 'eviction', result: 'wrong', found: 'x', why: 'x', todo: 'x' }],
  },
};

test('where one signs in', async () => {
  const operation = 'get /sign-in.json';
  await drive(operation, send('GET', '/sign-in.json'), '200');
  await drive(operation, send('GET', '/sign-in.json', { at: away }), '503 unavailable');
  const discovery = await startDiscovery();
  const { issuer } = discovery;
  const full = { ...signInAt(issuer), resource: 'urn:api', audience: 'api' };
  discovery.document = {
    ...discovery.document,
    end_session_endpoint: `${issuer}/end`,
    id_token_signing_alg_values_supported: ['RS256'],
    authorization_response_iss_parameter_supported: true,
  };
  await drive(operation, createSignIn(full).answer(), '200');
  await discovery.close();
});

/** The limits are the edge's own. */
const passedOn = /^\/operator\/(?!limits)/;

test('what is passed on to purchase, for operators', async () => {
  for (const [path, operations] of Object.entries(document.paths)) {
    if (!passedOn.test(path)) continue;
    const real = path
      .replace('{productId}', 'p1')
      .replace('{orderId}', order.orderId)
      .replace('{operationId}', 'op-12345678');
    for (const [method, { responses }] of Object.entries(operations)) {
      const name = `${method} ${path}`;
      const ask = (asked: Asked = {}) => send(method.toUpperCase(), real, asked);
      for (const wanted of answersOf(responses)) {
        const [status, outcome] = wanted.split(' ') as [string, Outcome | undefined];
        purchase.answer = (_, response) => {
          const given = outcome === undefined ? undefined : problem(outcome);
          const type = given?.headers.get('content-type') ?? 'application/json';
          response.writeHead(Number(status), { 'content-type': type });
          void (given?.text() ?? Promise.resolve(JSON.stringify(bodies[name] ?? sale))).then(
            (text) => response.end(text),
          );
        };
        if (outcome === 'unauthenticated') await drive(name, ask(), wanted);
        else if (outcome === 'forbidden') await drive(name, ask({ token: user }), wanted);
        else if (outcome === 'unavailable') {
          await drive(name, ask({ token: operator, at: away }), wanted);
        } else if (outcome === 'too_large') {
          await drive(name, ask({ token: operator, body: ' '.repeat(70_000) }), wanted);
        } else await drive(name, ask({ token: operator }), wanted);
      }
    }
  }
});

test('every documented answer was driven, and every driven one is documented', () => {
  expect([...driven].sort()).toEqual([...new Set(documentedAnswers(document))].sort());
});

test('every route is documented, but for pages, probes and what is passed on', () => {
  const own = Object.entries(document.paths).filter(([path]) => !passedOn.test(path));
  const documented = own.flatMap(([path, operations]) =>
    Object.keys(operations).map(
      (method) => `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`,
    ),
  );
  const undocumented = [
    'ALL /operator/*',
    'GET /livez',
    'GET /openapi.json',
    'GET /readyz',
    'GET /signed-in',
  ];
  const served = edge.app.routes.map(({ method, path }) => `${method} ${path}`);
  expect([...new Set(served)].sort()).toEqual([...documented, ...undocumented].sort());
  expect(document.openapi).toMatch(/^3\.1\./);
});

/** What may go wrong with a request: who asks, for what, and with which body. */
const strange = {
  tokens: ['', 'none', 'of a user', 'of an operator'],
  ids: ['missing', '%2f', 'x'.repeat(65), order.orderId],
  queries: ['', '?limit=x&by=x&product=.&status=x&after=x', '?limit=0&product=p1'],
  bodies: ['', '{}', '[1]', '{"quantity":"x"}', 'x', ' '.repeat(70_000)],
};
/** And with `purchase` behind it. */
const troubles: readonly FakePurchase['answer'][] = [
  (_request, response) => response.destroy(),
  (_request, response) => response.writeHead(500).end('{}'),
  (_request, response) => response.writeHead(401).end('{}'),
  (_request, response) => response.end('<html>'),
];

test('whatever is asked wrongly, and whatever fails, the refusal is documented', async () => {
  const faults = new Set<string>();
  const ask = async (operation: string, path: string, asked: Asked) => {
    const [method = ''] = operation.split(' ');
    const response = await send(method.toUpperCase(), path, asked);
    if (response.status < 400) {
      // It may be one that goes on.
      await response.body?.cancel();
      return;
    }
    const given = await read(Promise.resolve(response));
    for (const fault of faultsOf(document, operation, given)) faults.add(`${operation}: ${fault}`);
  };
  const tokens = new Map([
    ['of a user', user],
    ['of an operator', operator],
  ]);
  for (const { operation, method, path } of operationsOf(document)) {
    const isRead = method === 'get';
    const bodies = isRead ? [''] : strange.bodies;
    const queries = isRead || path.includes('{tier}') ? strange.queries : [''];
    purchase.answer = (_request, response) => response.end('{}');
    for (const id of path.includes('{') ? strange.ids : ['']) {
      const real = path.replaceAll(/\{\w+\}/g, id);
      for (const token of strange.tokens) {
        const asked = token === '' ? {} : { token: tokens.get(token) ?? token };
        await Promise.all(
          queries.flatMap((query) => {
            const whole = `${real}${query}`;
            const sent = bodies.map((body) =>
              ask(operation, whole, body ? { ...asked, body } : asked),
            );
            if (isRead) return sent;
            const type = 'text/plain';
            return [...sent, ask(operation, whole, { ...asked, type, body: '{}' })];
          }),
        );
      }
    }
    const good = path.replace('{productId}', 'p1').replace('{orderId}', order.orderId);
    const token = path.startsWith('/operator') ? operator : user;
    for (const trouble of troubles) {
      purchase.answer = trouble;
      await ask(operation, good.replace('{tier}', 'user'), { token });
    }
  }
  expect([...faults]).toEqual([]);
});
