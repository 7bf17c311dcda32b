// What no well-behaved client sends. Every answer is a 4xx that says what is wrong, as a problem;
// nothing reaches `purchase`, and the next request is served.

import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { redis as redisStore } from '#knative/local/stores/redis.ts';
import { type OwnStore, startOwnStore } from '#lib/testing/own-store.ts';
import {
  type Edge,
  type FakePurchase,
  startEdge,
  startFakePurchase,
  tokenFor,
} from './testing/edge-fixture.ts';

let store: OwnStore;
let purchase: FakePurchase;
let edge: Edge;
let token: string;

beforeAll(async () => {
  store = await startOwnStore(redisStore);
  purchase = await startFakePurchase();
  edge = await startEdge(store.address, purchase.url);
  token = await tokenFor('user');
});

afterAll(async () => {
  await edge.stop();
  await purchase.close();
  await store.remove();
});

beforeEach(() => {
  purchase.seen.length = 0;
});

interface Wire {
  method?: string;
  path?: string;
  /** `undefined` leaves a header out. */
  headers?: Record<string, string | undefined>;
  body?: string | Buffer;
  version?: string;
}

/** Sends bytes as they are and reads the first answer. */
async function send({ method = 'POST', path = '/api/products/p1/purchase', ...wire }: Wire) {
  const body = Buffer.from(wire.body ?? '');
  const headers: Record<string, string | undefined> = {
    host: '127.0.0.1',
    authorization: `Bearer ${token}`,
    'idempotency-key': 'key-12345',
    'content-type': 'application/json',
    'content-length': String(body.length),
    connection: 'close',
    ...wire.headers,
  };
  const lines = Object.entries(headers)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}: ${value ?? ''}\r\n`);
  const head = `${method} ${path} HTTP/${wire.version ?? '1.1'}\r\n${lines.join('')}\r\n`;
  const answer = await sendBytes(Buffer.concat([Buffer.from(head, 'latin1'), body]));
  const [top = '', text = ''] = answer.split(/\r\n\r\n(.*)/s);
  return { status: Number(top.slice(9, 12)), head: top, text };
}

function sendBytes(bytes: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(edge.port, '127.0.0.1', () => socket.write(bytes));
    socket.setTimeout(5_000, () => socket.destroy(new Error(`no answer but: ${answer}`)));
    socket.on('data', (chunk) => {
      answer += chunk.toString();
    });
    // The server may close before it has read all we sent.
    socket.on('error', (error) => {
      if (answer === '') reject(error);
      else resolve(answer);
    });
    socket.on('close', () => {
      resolve(answer);
    });
  });
}

const json = (text: string): Wire => ({ body: text });
const ofProduct = (path: string): Wire => ({ ...json('{"quantity":1}'), path });
const withHeaders = (headers: Wire['headers']): Wire => ({
  ...json('{"quantity":1}'),
  ...(headers && { headers }),
});

const cases: [what: string, request: Wire, status: number, detail: RegExp][] = [
  ['no body', json(''), 400, /^body: is missing/],
  ['no body and no length', { headers: { 'content-length': undefined } }, 400, /^body: is missing/],
  ['not JSON', json('quantity=1'), 400, /^body: is not JSON/],
  ['half of it', json('{"quantity":'), 400, /^body: is not JSON/],
  ['a list', json('[1]'), 400, /^body: must be a JSON object/],
  ['null', json('null'), 400, /^body: must be a JSON object/],
  ['a number', json('1'), 400, /^body: must be a JSON object/],
  ['no quantity', json('{}'), 400, /^quantity: is missing/],
  ['quantity 0', json('{"quantity":0}'), 400, /^quantity: must be 1 to/],
  ['quantity -1', json('{"quantity":-1}'), 400, /^quantity: must be 1 to/],
  ['quantity 1.5', json('{"quantity":1.5}'), 400, /^quantity: must be a whole/],
  ['quantity "1"', json('{"quantity":"1"}'), 400, /^quantity: must be a whole/],
  ['quantity 1e9', json('{"quantity":1e9}'), 400, /^quantity: must be 1 to/],
  ['quantity 1e999', json('{"quantity":1e999}'), 400, /^quantity: must be a whole/],
  ['quantity null', json('{"quantity":null}'), 400, /^quantity: must be a whole/],
  ['quantity in a list', json('{"quantity":[1]}'), 400, /^quantity: must be a whole/],
  ['a price of one’s own', json('{"quantity":1,"unitPrice":1}'), 400, /^"unitPrice": is not/],
  ['__proto__', json('{"quantity":1,"__proto__":{"quantity":2}}'), 400, /^"__proto__": is not/],
  ['only __proto__', json('{"__proto__":{"quantity":2}}'), 400, /^quantity: is missing/],
  ['constructor', json('{"quantity":1,"constructor":1}'), 400, /^"constructor": is not/],
  ['deep nesting', json('['.repeat(4_000)), 400, /^body: is not JSON/],
  ['deep nesting, closed', json('['.repeat(2e3) + ']'.repeat(2e3)), 400, /^body: must be/],
  [
    'invalid UTF-8',
    { body: Buffer.from('{"quantity":1}\xff\xfe', 'latin1') },
    400,
    /^body: is not/,
  ],
  ['UTF-16', { body: Buffer.from('{"quantity":1}', 'utf16le') }, 400, /^body: is not JSON/],
  ['a NUL', json('{"quantity":1}\0'), 400, /^body: is not JSON/],
  ['5 kB', json(`{"quantity":1${' '.repeat(5_000)}}`), 413, /^body: more than 4096 bytes/],
  ['a body of a promised GB', withHeaders({ 'content-length': '1000000000' }), 413, /^body: more/],
  ['plain text', withHeaders({ 'content-type': 'text/plain' }), 415, /^content-type: /],
  ['a form', withHeaders({ 'content-type': 'application/x-www-form-urlencoded' }), 415, /^content/],
  ['no type', withHeaders({ 'content-type': undefined }), 415, /^content-type: /],
  [
    'another charset',
    withHeaders({ 'content-type': 'application/json;charset=latin1' }),
    415,
    /^c/,
  ],
  ['compressed', withHeaders({ 'content-encoding': 'gzip' }), 415, /^content-encoding: /],
  ['no key', withHeaders({ 'idempotency-key': undefined }), 400, /^Idempotency-Key: .*missing/],
  ['an empty key', withHeaders({ 'idempotency-key': '' }), 400, /^Idempotency-Key: must be/],
  ['a short key', withHeaders({ 'idempotency-key': 'seven77' }), 400, /^Idempotency-Key: must/],
  ['a long key', withHeaders({ 'idempotency-key': 'k'.repeat(65) }), 400, /^Idempotency-Key: /],
  ['a key with spaces', withHeaders({ 'idempotency-key': 'key 12345' }), 400, /^Idempotency-Key: /],
  ['two keys', withHeaders({ 'Idempotency-Key': 'key-54321' }), 400, /^Idempotency-Key: must/],
  ['no token', withHeaders({ authorization: undefined }), 401, /^the header Authorization/],
  ['half a token', withHeaders({ authorization: 'Bearer a.b' }), 401, /^the header Authorization/],
  ['no JWT', withHeaders({ authorization: 'Bearer a.b.c' }), 401, /^the token is not a JWT/],
  ['an encoded slash', ofProduct('/api/products/p%2f1/purchase'), 404, /^productId: /],
  ['encoded dots', ofProduct('/api/products/%2e%2e%2f/purchase'), 404, /^productId: /],
  ['a dot segment', ofProduct('/api/products/../purchase'), 404, /^path: /],
  ['an encoded dot segment', ofProduct('/api/products/%2e%2e/purchase'), 404, /^path: /],
  ['out of the root', ofProduct('/../../etc/passwd'), 404, /^path: /],
  ['no product', ofProduct('/api/products//purchase'), 404, /^path: /],
  ['two slashes', ofProduct('//api/products/p1/purchase'), 404, /^path: /],
  ['a slash too many', ofProduct('/api/products/p1/purchase/'), 404, /^path: /],
  ['an encoded NUL', ofProduct('/api/products/p1%00/purchase'), 404, /^productId: /],
  ['half an escape', ofProduct('/api/products/p1%/purchase'), 404, /^productId: /],
  ['no UTF-8 in an escape', ofProduct('/api/products/%ff%fe/purchase'), 404, /^productId: /],
  ['overlong UTF-8', ofProduct('/api/products/%c0%af/purchase'), 404, /^productId: /],
  ['a long product', ofProduct(`/api/products/${'p'.repeat(65)}/purchase`), 404, /^productId: /],
  ['a script', ofProduct('/api/products/<script>/purchase'), 404, /^productId: /],
  ['a semicolon', ofProduct('/api/products/p1;x=1/purchase'), 404, /^productId: /],
  ['another host in the path', ofProduct('//evil.example/%2f..'), 404, /^path: /],
  ['a file of ours', { method: 'GET', path: '/main.ts' }, 404, /^path: /],
  ['a file by dots', { method: 'GET', path: '/..%2fmain.ts' }, 404, /^path: /],
  ['metrics', { method: 'GET', path: '/metrics' }, 404, /^path: /],
  ['a method of none', { ...json('{}'), method: 'PATCH' }, 405, /^method: use POST/],
  ['GET of a purchase', { method: 'GET' }, 405, /^method: use POST/],
  ['TRACE', { method: 'TRACE' }, 405, /^method: use POST/],
  ['OPTIONS', { method: 'OPTIONS' }, 405, /^method: use POST/],
  ['POST of the products', { ...json('{}'), path: '/api/products' }, 405, /^method: use GET, HEAD/],
  ['no escape at all in an order', { method: 'GET', path: '/api/orders/%' }, 404, /^orderId: /],
  ['a backslash', ofProduct('/api\\products/p1/purchase'), 400, /./],
  ['no host', withHeaders({ host: undefined }), 400, /./],
  ['a host of none', withHeaders({ host: 'a b' }), 400, /./],
  ['a foreign host', withHeaders({ host: 'evil.example@x' }), 400, /./],
  ['an absolute URL of nothing', ofProduct('http://'), 400, /./],
  ['a negative length', withHeaders({ 'content-length': '-1' }), 400, /./],
  ['two ways to say the length', withHeaders({ 'transfer-encoding': 'chunked' }), 400, /./],
  ['a NUL in a header', withHeaders({ 'x-a': 'a\0b' }), 400, /./],
  ['a NUL in the path', ofProduct('/api/products/p1\0/purchase'), 400, /./],
  ['HTTP/3.7', { ...json('{}'), version: '3.7' }, 400, /./],
  ['a header bomb', withHeaders({ 'x-a': 'a'.repeat(20_000) }), 413, /./],
  ['many headers', withHeaders(many(3_000)), 413, /./],
];

function many(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`x-${index}`, 'a']));
}

test.each(cases)('%s', async (_what, request, status, detail) => {
  const answer = await send(request);
  expect(answer.status, answer.text).toBe(status);
  expect(answer.head.toLowerCase()).toContain('content-type: application/problem+json');
  const problem = JSON.parse(answer.text) as { status: number; outcome: string; detail: string };
  expect(problem).toMatchObject({ status, detail: expect.stringMatching(detail) as string });
  expect(answer.text).not.toMatch(/\.ts|node_modules|Error:|\bat /);
  expect(purchase.seen).toEqual([]);
  expect((await send(json('{"quantity":1}'))).status).toBe(202);
});

test.each([
  ['a charset', { 'content-type': 'application/json; charset=UTF-8' }],
  ['an escape that says the same', {}, '/api/products/%701/purchase'],
  ['a query', {}, '/api/products/p1/purchase?utm=1'],
  ['an absolute URL', {}, 'http://shop.example/api/products/p1/purchase'],
])('%s is no reason to refuse', async (_what, headers, path = '/api/products/p1/purchase') => {
  const answer = await send({ path, headers, body: ' {"quantity" : 1e0}\n' });
  expect(answer.status, answer.text).toBe(202);
  expect(purchase.seen[0]?.path).toBe('/products/p1/purchases');
});

test('a body in chunks is taken within the same bound', async () => {
  const chunked = { 'content-length': undefined, 'transfer-encoding': 'chunked' };
  const small = 'b\r\n{"quantity"\r\n3\r\n:1}\r\n0\r\n\r\n';
  expect((await send({ headers: chunked, body: small })).status).toBe(202);
  const piece = `400\r\n${' '.repeat(0x400)}\r\n`;
  const large = await send({ headers: chunked, body: piece.repeat(200) });
  expect(large.status).toBe(413);
  expect((await send({ headers: chunked, body: '0\r\n\r\n' })).status).toBe(400);
});

test('a client that goes away in the middle of its body disturbs nobody', async () => {
  const head =
    'POST /api/products/p1/purchase HTTP/1.1\r\nHost: x\r\nIdempotency-Key: key-12345\r\n' +
    `Authorization: Bearer ${token}\r\nContent-Length: 100\r\n\r\n{"quan`;
  for (let client = 0; client < 10; client += 1) {
    const socket = connect(edge.port, '127.0.0.1');
    socket.write(head, () => socket.resetAndDestroy());
    await once(socket, 'close');
  }
  expect((await send(json('{"quantity":1}'))).status).toBe(202);
  expect(purchase.seen).toHaveLength(1);
});
