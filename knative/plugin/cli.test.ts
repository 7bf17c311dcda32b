import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jwtVerify } from 'jose';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { identityOf } from '#knative/local/process-identity.ts';
import { readState, writeState } from '#knative/local/state.ts';
import type { Verdict } from '#lib/checker/facts.ts';
import { stockMax } from '#lib/constants.ts';
import { OUTCOMES } from '#lib/outcome.ts';
import { runCli } from './cli.ts';
import { type FakeEdge, fakeKey, startFakeEdge } from './fake-edge.ts';
import type { Sale } from './show-sale.ts';

let edge: FakeEdge;
let folder: string;
beforeEach(async () => {
  edge = await startFakeEdge();
  folder = mkdtempSync(join(tmpdir(), 'seckill-cli-'));
});
afterEach(async () => {
  await edge.close();
  rmSync(folder, { recursive: true, force: true });
  expect(edge.faults).toEqual([]);
});

interface Ran {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

async function run(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  interrupted: AbortSignal = new AbortController().signal,
): Promise<Ran> {
  let out = '';
  let err = '';
  const status = await runCli(args, {
    env: {
      SECKILL_STATE_DIR: folder,
      SECKILL_URL: edge.url,
      SECKILL_JWT_KEY: fakeKey,
      SECKILL_OPERATOR: 'olga',
      ...env,
    },
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    interrupted,
  });
  return { status, out, err };
}

const sale: Sale = {
  productId: 'phone',
  name: 'Phone 手机',
  unitPrice: 99_900,
  currency: 'CNY',
  stock: 500,
  left: 480,
  sold: 20,
  pending: 0,
  state: 'open',
  opensAt: '2026-11-22T20:00:00.000000Z',
  closesAt: null,
  limitPerUser: 1,
  loaded: true,
  settled: false,
};

const verdict: Verdict = {
  ...{ stock: 50, sold: 50, rows: 50, units: 50, oversold: 0, lost: 0, duplicated: 0, ranked: 50 },
  ...{ pending: 0, known: true, ok: true, settling: false, problems: [], waiting: [] },
};
const broken: Verdict = {
  ...verdict,
  ...{ lost: 1, ok: false, problems: ['Lost: orders are in the dead letters: phone.x'] },
};
const settling: Verdict = {
  ...verdict,
  ...{ ok: false, settling: true, waiting: ['Batches are in the outbox: phone.1.7'], pending: 3 },
};
const verifyRoute = 'GET /operator/sales/phone/verify';

const commands = [
  [],
  ['token'],
  ['sale'],
  ...[
    'create',
    'list',
    'show',
    'warm',
    'open',
    'pause',
    'restock',
    'close',
    'log',
    'ignore-unsigned',
  ].map((verb) => ['sale', verb]),
  ['orders'],
  ...['list', 'show', 'cancel'].map((verb) => ['orders', verb]),
  ['dead-letters'],
  ...['list', 'replay', 'drop'].map((verb) => ['dead-letters', verb]),
  ['limits'],
  ...['get', 'set', 'reset'].map((verb) => ['limits', verb]),
  ['status'],
  ['scale'],
  ...['warm', 'cool'].map((verb) => ['scale', verb]),
  ['schedule'],
  ...['create', 'list', 'delete'].map((verb) => ['schedule', verb]),
  ['verify'],
  ['reconcile'],
];

test.each(commands)('--help explains: %s %s', async (...command) => {
  const { status, out, err } = await run([...command, '--help']);
  expect({ status, err }).toEqual({ status: 0, err: '' });
  expect(out).toContain(['Usage: kn-seckill', ...command].join(' '));
  const isLeaf = !out.includes('Commands:');
  if (isLeaf) {
    expect(out).toContain(`$ kn-seckill ${command.join(' ')}`);
    expect(out).toContain('-o, --output <format>');
  }
  for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(110);
});

describe('token', () => {
  const claims = async (token: string) =>
    (await jwtVerify(token, new TextEncoder().encode(fakeKey), { issuer: 'seckill' })).payload;

  test('signs one for a user, good for twelve hours', async () => {
    const { status, out } = await run(['token', '--user', 'ann']);
    expect(status).toBe(0);
    expect(out).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    const { sub, scope, aud, iat = 0, exp = 0 } = await claims(out.trim());
    expect({ sub, scope, aud }).toEqual({ sub: 'ann', scope: undefined, aud: 'seckill' });
    expect(exp - iat).toBe(12 * 3_600);
    expect(Math.abs(iat - Date.now() / 1_000)).toBeLessThan(5);
  });

  test('signs for operators, for a time, for another issuer, and says more in JSON', async () => {
    const { out } = await run(
      ['token', '--user', 'me', '--operator', '--ttl', '90s', '-o', 'json'],
      { SECKILL_JWT_AUDIENCE: 'shop' },
    );
    const { user, token, expiresAt } = JSON.parse(out) as Record<string, string>;
    expect(user).toBe('me');
    const { scope, aud, iat = 0, exp = 0 } = await claims(token ?? '');
    expect({ scope, aud, seconds: exp - iat }).toEqual({
      scope: 'operator',
      aud: 'shop',
      seconds: 90,
    });
    expect(Date.parse(expiresAt ?? '')).toBe(exp * 1_000);
  });

  test('signs many, one a line', async () => {
    const { out } = await run(['token', '--count', '10000', '--prefix', 'b-']);
    const lines = out.trimEnd().split('\n');
    expect(lines).toHaveLength(10_000);
    expect((await claims(lines[0] ?? '')).sub).toBe('b-1');
    expect((await claims(lines[9_999] ?? '')).sub).toBe('b-10000');
    const { out: json } = await run(['token', '--count', '2', '--prefix', 'b-', '-o', 'json']);
    expect(JSON.parse(json)).toMatchObject([{ user: 'b-1' }, { user: 'b-2' }]);
  });

  test.each([
    [[]],
    [['--user', 'a', '--count', '2']],
    [['--count', '2']],
    [['--count', '2', '--prefix', 'b', '--operator']],
    [['--count', '0', '--prefix', 'b']],
    [['--user', '']],
    [['--user', ' a']],
    [['--user', '..']],
    [['--user', 'x'.repeat(129)]],
    [['--user', 'a', '--ttl', '12']],
    [['--user', 'a', '--ttl', '1ms']],
  ])('refuses %j', async (options) => {
    const { status, out, err } = await run(['token', ...options]);
    expect({ status, out }).toEqual({ status: 64, out: '' });
    expect(err).toMatch(/^(kn-seckill|error): .+\n$/);
  });

  test('without a key, or with one that is too short, says what to do', async () => {
    const none = await run(['token', '--user', 'ann'], { SECKILL_JWT_KEY: '' });
    expect(none).toMatchObject({ status: 1, out: '' });
    expect(none.err).toContain('set SECKILL_JWT_KEY');
    const short = await run(['token', '--user', 'ann'], { SECKILL_JWT_KEY: 'short' });
    expect(short.status).toBe(1);
    expect(short.err).not.toContain('short key');
  });
});

describe('sale', () => {
  const create = (...more: readonly string[]) => [
    ...['sale', 'create', 'phone', '--name', 'Phone 手机', '--stock', '500'],
    ...['--price', '99900', '--limit', '1', ...more],
  ];

  test('create sends what was typed, once', async () => {
    edge.on('POST /operator/sales', { json: sale });
    const { status, out } = await run(create('--opens', '2026-11-22T20:00:00+08:00'));
    expect(status).toBe(0);
    expect(edge.asked).toMatchObject([
      {
        operator: 'olga',
        body: {
          ...{ productId: 'phone', name: 'Phone 手机', stock: 500, unitPrice: 99_900 },
          ...{ currency: 'CNY', limitPerUser: 1 },
          ...{ opensAt: '2026-11-22T12:00:00.000Z', closesAt: null },
        },
      },
    ]);
    expect(out).toContain('price       999.00 CNY\n');
    expect(out).toContain('opens       2026-11-22 20:00:00Z\n');
  });

  test('create takes times that count from now', async () => {
    edge.on('POST /operator/sales', { json: sale });
    const before = Date.now();
    await run(create('--opens', '+10s', '--closes', '+5m'));
    const { opensAt, closesAt } = edge.asked[0]?.body as Record<string, string>;
    expect(Date.parse(opensAt ?? '') - before).toBeGreaterThanOrEqual(10_000);
    expect(Date.parse(opensAt ?? '') - Date.now()).toBeLessThanOrEqual(10_000);
    expect(Date.parse(closesAt ?? '') - Date.parse(opensAt ?? '')).toBeCloseTo(290_000, -2);
  });

  test.each([
    [['sale', 'create', 'phone', '--name', 'x', '--stock', '1', '--price', '1'], '--limit'],
    [create('--stock', '0'), '--stock'],
    [create('--stock', '1.5'), '--stock'],
    [create('--stock', '1e3'), '--stock'],
    [create('--price', '-1'), '--price'],
    [create('--limit', String(stockMax + 1)), '--limit'],
    [create('--currency', 'yuan'), '--currency'],
    [create('--name', ' '), '--name'],
    [create('--opens', 'tomorrow'), '--opens'],
    [create('--opens', '2026-11-22T20:00:00'), '--opens'],
    [create('--opens', '+5m', '--closes', '+10s'), '--closes'],
    [create('--colour', 'red'), '--colour'],
    [['sale', 'show', 'a/b'], 'product id'],
    [['sale', 'show', 'products'], 'reserved'],
    [['sale', 'opne', 'phone'], 'Did you mean open?'],
    [['sale', 'show'], 'product'],
    [['sale', 'show', 'a', 'b'], 'too many'],
    [['sale', 'list', '-o', 'yaml'], 'table, json'],
    [['sale'], 'Commands:'],
  ])('usage: %j', async (args, names) => {
    const { status, out, err } = await run(args);
    expect({ status, out }).toEqual({ status: 64, out: '' });
    expect(err).toContain(names);
    expect(edge.asked).toEqual([]);
  });

  test('list is a table, and an array in JSON', async () => {
    const other = { ...sale, productId: 'lamp', name: 'Lamp', currency: 'JPY', state: 'ended' };
    edge.on('GET /operator/sales', { json: { sales: [sale, other] } });
    const { out } = await run(['sale', 'list']);
    const [header, first, second, ...rest] = out.split('\n');
    expect(header).toMatch(/^PRODUCT +NAME +PRICE +STOCK +LEFT +SOLD +STATE +OPENS +CLOSES$/);
    expect(first).toBe(
      'phone     Phone 手机   999.00 CNY   500     480    20     open                 ' +
        '2026-11-22 20:00:00Z   -',
    );
    expect(second).toContain('99900 JPY');
    expect(second).toContain('ended, not settled');
    expect(rest).toEqual(['']);
    const { out: json } = await run(['sale', 'list', '-o', 'json']);
    expect(JSON.parse(json)).toEqual([sale, other]);
    edge.on('GET /operator/sales', { json: { sales: [] } });
    expect((await run(['sale', 'list'])).out).toContain('no sale yet');
  });

  test.each([
    ['show', 'GET /operator/sales/phone'],
    ['warm', 'POST /operator/sales/phone/warm'],
    ['open', 'POST /operator/sales/phone/open'],
    ['pause', 'POST /operator/sales/phone/pause'],
    ['ignore-unsigned', 'POST /operator/sales/phone/ignore-unsigned'],
  ])('%s asks %s and shows the sale', async (verb, route) => {
    edge.on(route, { json: sale });
    const { status, out, err } = await run(['sale', verb, 'phone', '-o', 'json']);
    expect({ status, err, sale: JSON.parse(out) as unknown }).toEqual({ status: 0, err: '', sale });
    expect(edge.asked.map((asked) => asked.route)).toEqual([route]);
    const { out: people } = await run(['sale', verb, 'phone']);
    expect(people).toContain('left        480\n');
  });

  test('what the server says cannot control the terminal', async () => {
    edge.on('GET /operator/sales/phone', { json: { ...sale, name: 'A\u001b[2Jb\u0007c\nd' } });
    expect((await run(['sale', 'show', 'phone'])).out).toContain('name        Ab c d\n');
  });

  const closeRoute = 'POST /operator/sales/phone/close';
  const ended = { ...sale, state: 'ended' };

  test('close waits until it is settled', async () => {
    edge.on(
      closeRoute,
      { json: { ...ended, pending: 2 } },
      { json: ended },
      { json: { ...ended, settled: true } },
    );
    const { status, out, err } = await run(['sale', 'close', 'phone', '-o', 'json']);
    expect(status).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ settled: true });
    expect(err).toBe(
      'phone is closed; 2 orders are on their way to Kafka\n' +
        'phone is closed; accepted orders are on their way to MySQL\n',
    );
    expect(new Set(edge.asked.map(({ operationId }) => operationId)).size).toBe(1);
  });

  test('close that is not settled in time is not done', async () => {
    edge.on(closeRoute, { json: { ...ended, pending: 2 } });
    const { status, out, err } = await run(['sale', 'close', 'phone', '--wait', '0s']);
    expect(status).toBe(1);
    expect(out).toContain('ended, not settled');
    expect(err).toContain('Run it again');
  });

  test('Ctrl-C ends the waiting, and says so', async () => {
    edge.on(closeRoute, { json: ended });
    const interrupt = new AbortController();
    const running = run(['sale', 'close', 'phone'], {}, interrupt.signal);
    await expect.poll(() => edge.asked.length).toBeGreaterThan(0);
    interrupt.abort();
    const { status, out, err } = await running;
    expect({ status, out }).toEqual({ status: 130, out: '' });
    expect(err).toContain('Run it again');
  });
});

describe('sale restock', () => {
  const route = 'POST /operator/sales/phone/restock';

  test.each([[['50']], [['--units', '50']], [['--stock', '50']]])(
    'says how many more: %j',
    async (units) => {
      edge.on(route, { problem: 'unavailable', retryAfter: 1 }, { json: { ...sale, stock: 550 } });
      const { status, out } = await run(['sale', 'restock', 'phone', ...units, '-o', 'json']);
      expect(status).toBe(0);
      expect(JSON.parse(out)).toMatchObject({ stock: 550 });
      expect(edge.asked.map(({ body }) => body)).toEqual([{ units: 50 }, { units: 50 }]);
      expect(edge.asked[0]?.operationId).toBe(edge.asked[1]?.operationId);
    },
  );

  test.each([
    [[], 'once'],
    [['5', '--units', '5'], 'once'],
    [['0'], 'whole number'],
    [['--units', '-1'], 'whole number'],
    [['--units', String(stockMax + 1)], 'whole number'],
    [['5', '6'], 'too many'],
  ])('usage: %j', async (given, names) => {
    const { status, out, err } = await run(['sale', 'restock', 'phone', ...given]);
    expect({ status, out }).toEqual({ status: 64, out: '' });
    expect(err).toContain(names);
    expect(edge.asked).toEqual([]);
  });

  test('of a sale that is over is not done', async () => {
    edge.on(route, { problem: 'conflict', detail: 'phone is closed' });
    const { status, err } = await run(['sale', 'restock', 'phone', '5']);
    expect(status).toBe(1);
    expect(err).toContain('phone is closed');
  });
});

test('sale log says who did what, when, the newest last', async () => {
  const line = {
    ...{ operationId: 'an-operation', operator: 'olga', action: 'restock' },
    ...{ at: '2026-11-22T20:00:00.123456Z', details: { units: 2, stock: 7, reason: null } },
  };
  const opened = { ...line, action: 'open', details: { opensAt: '2026-11-22T20:00:00.0Z' } };
  edge.on('GET /operator/sales/phone/log?limit=200', { json: { log: [line, opened] } });
  const { status, out } = await run(['sale', 'log', 'phone']);
  expect(status).toBe(0);
  expect(out.split('\n').map((text) => text.split(/ {2,}/))).toEqual([
    ['WHEN', 'WHO', 'WHAT', 'OPERATION', 'DETAILS'],
    ['2026-11-22 20:00:00Z', 'olga', 'restock', 'an-operation', 'units=2 stock=7'],
    ['2026-11-22 20:00:00Z', 'olga', 'open', 'an-operation', 'opensAt=2026-11-22T20:00:00.0Z'],
    [''],
  ]);
  edge.on('GET /operator/sales/phone/log?limit=1', { json: { log: [line] } });
  const json = await run(['sale', 'log', 'phone', '--limit', '1', '-o', 'json']);
  expect(JSON.parse(json.out)).toEqual([line]);
});

describe('orders', () => {
  const orderId = 'phone.dCJ0VwYAtBYBDuMrkWkmvA';
  const order = {
    ...{ orderId, productId: 'phone', userId: '安 娜', quantity: 3, status: 'confirmed' },
    ...{ unitPrice: 99_900, currency: 'CNY', acceptedAt: '2026-11-22T20:00:00.123456Z' },
  };
  const details = {
    ...order,
    units: [
      [1, 2],
      [7, 7],
    ],
  };
  const cancelled = { ...details, status: 'cancelled', reason: 'not paid', units: [] };

  test('list goes from page to page, up to the limit', async () => {
    const route = 'GET /operator/orders?productId=phone';
    edge.on(`${route}&limit=3`, { json: { orders: [order, order], next: orderId } });
    edge.on(`${route}&after=${orderId}&limit=1`, { json: { orders: [order], next: orderId } });
    const { status, out } = await run(['orders', 'list', 'phone', '--limit', '3', '-o', 'json']);
    expect({ status, found: JSON.parse(out) as unknown }).toEqual({
      status: 0,
      found: [order, order, order],
    });
    expect(edge.asked).toHaveLength(2);
  });

  test('list is a table, by buyer and status', async () => {
    const query = 'productId=phone&userId=%E5%AE%89+%E5%A8%9C&status=cancelled&limit=100';
    edge.on(`GET /operator/orders?${query}`, { json: { orders: [cancelled], next: null } });
    const given = ['--user', '安 娜', '--status', 'cancelled'];
    const { status, out } = await run(['orders', 'list', 'phone', ...given]);
    expect(status).toBe(0);
    expect(out.split('\n').map((text) => text.split(/ {2,}/))).toEqual([
      ['ORDER', 'BUYER', 'QUANTITY', 'STATUS', 'ACCEPTED', 'REASON'],
      [orderId, '安 娜', '3', 'cancelled', '2026-11-22 20:00:00Z', 'not paid'],
      [''],
    ]);
    edge.on('GET /operator/orders?productId=lamp&limit=100', { json: { orders: [], next: null } });
    expect((await run(['orders', 'list', 'lamp'])).out).toContain('No orders match');
  });

  test('show tells of one order, with its units', async () => {
    edge.on(`GET /operator/orders/${orderId}`, { json: details });
    const { status, out } = await run(['orders', 'show', orderId]);
    expect(status).toBe(0);
    expect(out).toContain('units      1-2, 7\n');
    const { out: json } = await run(['orders', 'show', orderId, '-o', 'json']);
    expect(JSON.parse(json)).toEqual(details);
  });

  test('cancel gives the reason, once, however often it is sent', async () => {
    const route = `POST /operator/orders/${orderId}/cancel`;
    edge.on(route, { problem: 'unavailable', retryAfter: 1 }, { json: cancelled });
    const { status, out } = await run(['orders', 'cancel', orderId, '--reason', 'not paid']);
    expect(status).toBe(0);
    expect(out).toContain('status     cancelled\nreason     not paid\n');
    const reason = 'not paid';
    expect(edge.asked.map(({ body }) => body)).toEqual([{ reason }, { reason }]);
    expect(new Set(edge.asked.map(({ operationId }) => operationId)).size).toBe(1);
    await run(['orders', 'cancel', orderId, '-o', 'json']);
    expect(edge.asked.at(-1)?.body).toEqual({});
  });

  test.each([
    [
      { problem: 'conflict', detail: 'the order is on its way; try again in a moment' },
      'try again',
    ],
    [{ problem: 'not_found', detail: 'orderId: no such order.' }, 'no such order'],
  ] as const)('cancel that could not be done exits 1: %j', async (answer, says) => {
    edge.on(`POST /operator/orders/${orderId}/cancel`, answer);
    const { status, err } = await run(['orders', 'cancel', orderId]);
    expect(status).toBe(1);
    expect(err).toContain(says);
  });

  test.each([
    [['list'], 'product'],
    [['list', 'phone', '--status', 'paid'], 'confirmed'],
    [['list', 'phone', '--limit', '0'], 'whole number'],
    [['show', 'phone'], 'order id'],
    [['cancel', '../x'], 'order id'],
    [['cancel', orderId, '--reason', ' '], '--reason'],
    [['cancel', orderId, '--reason', 'x'.repeat(65)], '--reason'],
  ])('usage: %j', async (given, names) => {
    const { status, out, err } = await run(['orders', ...given]);
    expect({ status, out }).toEqual({ status: 64, out: '' });
    expect(err).toContain(names);
    expect(edge.asked).toEqual([]);
  });
});

describe('limits', () => {
  const limits = {
    user: { rate: 50, capacity: 100 },
    ip: null,
    product: { rate: 1_000, capacity: 1_000 },
    global: { rate: 20_000, capacity: 20_000 },
    products: { phone: { rate: 5_000, capacity: 6_000 } },
    warnings: [],
  };

  test('get shows all tiers', async () => {
    edge.on('GET /operator/limits', { json: limits });
    const { out } = await run(['limits', 'get']);
    expect(out.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
      ['TIER', 'RATE', 'CAPACITY'],
      ['global', '20000', '20000'],
      ['product', '1000', '1000'],
      ['user', '50', '100'],
      ['ip', 'off', 'off'],
      ['product phone', '5000', '6000'],
      [''],
    ]);
    const { out: json } = await run(['limits', 'get', '-o', 'json']);
    expect(JSON.parse(json)).toEqual(limits);
  });

  test('set and reset name the tier, and the product', async () => {
    const body = { rate: 5_000, capacity: 6_000 };
    edge.on('PUT /operator/limits/global', { json: limits });
    edge.on('PUT /operator/limits/product?product=phone', { json: limits });
    edge.on('DELETE /operator/limits/product?product=phone', { json: limits });
    const amounts = ['--rate', '5000', '--capacity', '6000'];
    const product = ['product', '--product', 'phone'];
    expect((await run(['limits', 'set', 'global', ...amounts])).status).toBe(0);
    expect((await run(['limits', 'set', ...product, ...amounts])).status).toBe(0);
    expect((await run(['limits', 'reset', ...product])).status).toBe(0);
    expect(edge.asked.map((asked) => [asked.route, asked.body])).toEqual([
      ['PUT /operator/limits/global', body],
      ['PUT /operator/limits/product?product=phone', body],
      ['DELETE /operator/limits/product?product=phone', undefined],
    ]);
  });

  test('a warning of the edge is told, and is no failure', async () => {
    edge.on('PUT /operator/limits/ip', { json: { ...limits, warnings: ['all are one', 'two'] } });
    const { status, out, err } = await run(
      'limits set ip --rate 1 --capacity 2 -o json'.split(' '),
    );
    expect({ status, err }).toEqual({ status: 0, err: 'warning: all are one\nwarning: two\n' });
    expect(JSON.parse(out)).toMatchObject({ warnings: ['all are one', 'two'] });
  });

  test.each([
    [['set', 'global', '--rate', '0', '--capacity', '1'], 64, 'usage'],
    [['set', 'user', '--product', 'phone', '--rate', '1', '--capacity', '1'], 64, 'usage'],
    [['get', 'world'], 64, 'usage'],
    [['get'], 1, 'forbidden'],
    [['reset', 'user', '--url', 'http://127.0.0.1:9'], 1, 'unreachable'],
  ])('%j -o json: also a failure is one document', async (args, exit, outcome) => {
    edge.on('GET /operator/limits', { problem: 'forbidden' });
    const { status, out, err } = await run(['limits', ...args, '-o', 'json']);
    expect({ status, lines: out.split('\n').length }).toEqual({ status: exit, lines: 2 });
    expect(JSON.parse(out)).toMatchObject({ ok: false, outcome });
    expect(err).not.toBe('');
  });

  test.each([
    [['set', 'world', '--rate', '1', '--capacity', '1']],
    [['set', 'global', '--rate', '1']],
    [['set', 'global', '--rate', '0', '--capacity', '1']],
    [['set', 'user', '--product', 'phone', '--rate', '1', '--capacity', '1']],
  ])('usage: %j', async (args) => {
    const { status, out, err } = await run(['limits', ...args]);
    expect({ status, out }).toEqual({ status: 64, out: '' });
    expect(err).not.toBe('');
    expect(edge.asked).toEqual([]);
  });
});

describe('verify', () => {
  test('0: every promise holds', async () => {
    edge.on(verifyRoute, { json: verdict });
    const { status, out, err } = await run(['verify', 'phone', '-o', 'json']);
    expect({ status, err }).toEqual({ status: 0, err: '' });
    expect(out).toMatch(
      /^\{"stock":50,"sold":50,"rows":50,"units":50,"oversold":0,"lost":0,"duplicated":0,"ranked":50,/,
    );
    expect(JSON.parse(out)).toEqual(verdict);
    const people = await run(['verify', 'phone']);
    expect(people.out).toMatch(/^phone: every promise holds\nstock +50\n/);
  });

  test('1: one is broken, without waiting', async () => {
    edge.on(verifyRoute, { json: broken });
    const { status, out } = await run(['verify', 'phone', '-o', 'json']);
    expect({ status, verdict: JSON.parse(out) as unknown }).toEqual({ status: 1, verdict: broken });
    const people = await run(['verify', 'phone']);
    expect(people).toMatchObject({ status: 1 });
    expect(people.out).toContain('NOT OK\n  Lost: orders are in the dead letters: phone.x\n');
    expect(edge.asked).toHaveLength(2);
  });

  test('it waits while the sale is settling', async () => {
    edge.on(verifyRoute, { json: settling }, { json: settling }, { json: verdict });
    const { status, out, err } = await run(['verify', 'phone', '-o', 'json']);
    expect({ status, verdict: JSON.parse(out) as unknown }).toEqual({ status: 0, verdict });
    expect(err).toBe('waiting: Batches are in the outbox: phone.1.7\n');
  });

  test('2: it is still settling when the time is over', async () => {
    edge.on(verifyRoute, { json: settling });
    const { status, out, err } = await run(['verify', 'phone', '--wait', '0s', '-o', 'json']);
    expect({ status, verdict: JSON.parse(out) as unknown }).toEqual({
      status: 2,
      verdict: settling,
    });
    expect(err).toContain('could not tell');
    expect((await run(['verify', 'phone', '--wait', '0s'])).out).toContain('still settling');
  });

  test('2: a store is away, or nobody is there', async () => {
    edge.on(verifyRoute, { problem: 'unavailable', detail: 'Kafka does not answer' });
    const away = await run(['verify', 'phone', '--wait', '0s', '-o', 'json']);
    const unreachable = await run(['verify', 'phone', '-o', 'json'], {
      SECKILL_URL: 'http://127.0.0.1:9',
    });
    for (const { status, out, err } of [away, unreachable]) {
      expect(status).toBe(2);
      expect(JSON.parse(out)).toMatchObject({ ok: false, settling: true });
      expect(err).toMatch(/^kn-seckill: .+\n$/);
    }
    expect(away.err).toBe('kn-seckill: Kafka does not answer\n');
    expect(unreachable.err).toContain('cannot reach http://127.0.0.1:9');
  });

  test('1: there is no such sale, or nobody may ask: asked again, it would be the same', async () => {
    edge.on(verifyRoute, { json: { ...verdict, known: false, ok: false } });
    const nobody = await run(['verify', 'phone', '-o', 'json']);
    expect(nobody.status).toBe(1);
    expect(nobody.err).toContain('sale list');
    expect(JSON.parse(nobody.out)).toMatchObject({ ok: false, outcome: 'unknown_product' });
    for (const problem of ['forbidden', 'unauthenticated'] as const) {
      edge.on(verifyRoute, { problem });
      const { status, out } = await run(['verify', 'phone', '-o', 'json']);
      expect(status).toBe(1);
      expect(JSON.parse(out)).toMatchObject({ ok: false, outcome: problem });
    }
  });

  test('a store that comes back in time is waited for', async () => {
    edge.on(verifyRoute, { problem: 'unavailable', retryAfter: 1 }, { json: verdict });
    const { status, err } = await run(['verify', 'phone']);
    expect(status).toBe(0);
    expect(err).toContain('trying again');
  });
});

describe('what can go wrong is one line that says what to do', () => {
  const list = ['sale', 'list'];
  const route = 'GET /operator/sales';

  test.each([
    [{ problem: 'conflict', detail: 'phone is closed' }, 'phone is closed'],
    [{ problem: 'unknown_product' }, 'sale list'],
    [{ problem: 'unauthenticated', detail: 'the token has expired' }, 'SECKILL_JWT_KEY'],
    [{ problem: 'forbidden' }, 'operator'],
    [{ problem: 'malformed', detail: 'stock: too small' }, 'stock: too small'],
    [{ status: 502, text: '<html>bad gateway</html>' }, 'answered 502'],
    [{ status: 200, text: '<html>hello</html>' }, 'the right address'],
  ] as const)('%j', async (answer, says) => {
    edge.on(route, answer);
    const { status, out, err } = await run(list);
    expect({ status, out }).toEqual({ status: 1, out: '' });
    expect(err).toMatch(/^kn-seckill: [^\n]+\n$/);
    expect(err).toContain(says);
    expect(err).not.toContain('    at ');
  });

  const everyVerb = commands
    .filter(([name = '', verb]) => verb !== undefined || ['verify', 'reconcile'].includes(name))
    .map((command) => {
      const order = `phone.${'1'.repeat(22)}`;
      const needs: Record<string, string[]> = {
        create: ['phone', '--name', 'x', '--stock', '1', '--price', '1', '--limit', '1'],
        restock: ['phone', '1'],
        set: ['user', '--rate', '1', '--capacity', '1'],
        reset: ['user'],
        replay: ['persist-order/0/17'],
        drop: ['persist-order/0/17', '--yes'],
      };
      const verb = command.at(-1) ?? '';
      const isOfOrder = command[0] === 'orders' && verb !== 'list';
      const isBare = verb === 'get' || (command[0] !== 'orders' && verb === 'list');
      const rest = needs[verb] ?? (isBare ? [] : [isOfOrder ? order : 'phone']);
      return [...command, ...rest];
    });

  // What asks a cluster first is tested with one.
  const edgeVerbs = everyVerb.filter(([group]) => group !== 'scale' && group !== 'schedule');
  test.each(edgeVerbs)('in JSON it is one document: %s %s', async (...command) => {
    const url = 'http://127.0.0.1:9';
    const { status, out, err } = await run([...command, '-o', 'json', '--url', url]);
    expect([1, 2]).toContain(status);
    expect(out.split('\n')).toHaveLength(2);
    expect(JSON.parse(out)).toMatchObject({
      ...{ ok: false, type: 'urn:seckill:unreachable', outcome: 'unreachable' },
      ...{ title: 'The system does not answer', detail: expect.stringContaining(url) as string },
    });
    expect(err).toMatch(/^kn-seckill: cannot reach .+\n$/);
  });

  test('in JSON, what the system refuses keeps its outcome, title and status', async () => {
    edge.on(route, { problem: 'conflict', detail: 'phone is closed' });
    const { out } = await run([...list, '-o', 'json']);
    const { title, status } = OUTCOMES.conflict;
    expect(JSON.parse(out)).toEqual({
      ...{ ok: false, type: 'urn:seckill:conflict', outcome: 'conflict', title, status },
      detail: `${title}: phone is closed`,
    });
  });

  test('in JSON, a wrong command line is one document, too', async () => {
    for (const args of [
      ['sale', 'show', '-ojson'],
      ['sale', 'opne', '--output=json'],
    ]) {
      const { status, out, err } = await run(args);
      expect(status).toBe(64);
      expect(JSON.parse(out)).toMatchObject({ ok: false, outcome: 'usage' });
      expect(err).toMatch(/^error: /);
    }
  });

  test('who waits for more than a second is told for what, once', async () => {
    let answer: (given: { json: object }) => void = () => undefined;
    edge.on(route, new Promise((resolve) => (answer = resolve)));
    const said: string[] = [];
    const running = runCli(list, {
      env: { SECKILL_URL: edge.url, SECKILL_JWT_KEY: fakeKey, SECKILL_OPERATOR: 'olga' },
      out: () => undefined,
      err: (text) => said.push(text),
      interrupted: new AbortController().signal,
    });
    await expect.poll(() => said, { timeout: 10_000 }).not.toEqual([]);
    answer({ json: { sales: [] } });
    expect(await running).toBe(0);
    expect(said).toEqual([`waiting for ${edge.url} to answer\n`]);
  });

  test('a 503 is asked again with the same operation id', async () => {
    edge.on(
      'POST /operator/sales/phone/open',
      { problem: 'unavailable', retryAfter: 1 },
      { json: sale },
    );
    const { status } = await run(['sale', 'open', 'phone']);
    expect(status).toBe(0);
    const [first, second] = edge.asked.map(({ operationId }) => operationId);
    expect(first).toBe(second);
  });

  test('nobody listens', async () => {
    await edge.close();
    const { status, err } = await run(list);
    expect(status).toBe(1);
    expect(err).toMatch(/cannot reach http:\/\/127\.0\.0\.1:\d+: connect ECONNREFUSED .+npm start/);
  });

  test('an address that is none', async () => {
    for (const url of ['shop.example', 'ftp://shop.example', 'localhost:8080']) {
      const { status, err } = await run([...list, '--url', url]);
      expect({ status, lines: err.split('\n').length }).toEqual({ status: 1, lines: 2 });
      expect(err).toContain(url);
    }
  });
});

describe('which system is meant', () => {
  const route = 'GET /operator/sales';
  const nothing = { SECKILL_URL: '', SECKILL_JWT_KEY: '' };
  const runLocally = (identity: string | undefined) => {
    const env = { SECKILL_URL: edge.url, SECKILL_JWT_KEY: fakeKey };
    writeState(folder, {
      ...readState(folder),
      running: { pid: process.pid, identity, env, processes: [] },
    });
  };

  test('none: says how to get one', async () => {
    const { status, err } = await run(['sale', 'list'], nothing);
    expect(status).toBe(1);
    expect(err).toContain('npm start');
  });

  test('the local runtime that is at work', async () => {
    edge.on(route, { json: { sales: [] } });
    runLocally(identityOf(process.pid));
    expect(await run(['sale', 'list'], nothing)).toMatchObject({ status: 0 });
    const { out } = await run(['token', '--user', 'ann'], nothing);
    await jwtVerify(out.trim(), new TextEncoder().encode(fakeKey));
  });

  test('not one whose process is gone', async () => {
    runLocally('another boot:1');
    expect(await run(['sale', 'list'], nothing)).toMatchObject({ status: 1 });
  });

  test('the local runtime’s key is kept from other systems', async () => {
    runLocally(identityOf(process.pid));
    const other = await startFakeEdge();
    const { status, err } = await run(['sale', 'list', '--url', other.url], nothing);
    await other.close();
    expect(status).toBe(1);
    expect(err).toContain('SECKILL_JWT_KEY');
    expect(other.asked).toEqual([]);
  });

  test('--url and --token go before the environment, wherever they stand', async () => {
    edge.on(route, { json: { sales: [] } });
    const { out: token } = await run(['token', '--user', 'tom', '--operator']);
    const given = ['--url', `${edge.url}/`, '--token', token.trim()];
    const elsewhere = {
      SECKILL_URL: 'http://127.0.0.1:9',
      SECKILL_TOKEN: 'x',
      SECKILL_JWT_KEY: '',
    };
    expect(await run(['sale', 'list', ...given], elsewhere)).toMatchObject({ status: 0 });
    expect(edge.asked[0]?.operator).toBe('tom');
  });
});
