// The process itself: what it needs to start, when it is ready, and how it leaves.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { choosePort } from '#knative/local/ports.ts';
import { redis as redisStore } from '#knative/local/stores/redis.ts';
import { type OwnStore, startOwnStore } from '#lib/testing/own-store.ts';
import { startDiscovery } from './testing/discovery.ts';
import {
  environmentFor,
  type FakePurchase,
  startFakePurchase,
  tokenFor,
} from './testing/edge-fixture.ts';
import { listen } from './testing/listen.ts';

let store: OwnStore;
let purchase: FakePurchase;
let child: ChildProcess | undefined;
let output = '';
let environment: Record<string, string>;

beforeAll(async () => {
  store = await startOwnStore(redisStore);
  purchase = await startFakePurchase();
});

afterAll(async () => {
  await purchase.close();
  await store.remove();
});

beforeEach(async () => {
  output = '';
  environment = {
    ...environmentFor(store.address, purchase.url),
    SECKILL_HOST: '127.0.0.1',
    SECKILL_METRICS_PORT: String(await choosePort()),
    PORT: String(await choosePort()),
  };
});

afterEach(() => {
  child?.kill('SIGKILL');
});

function start(env: Record<string, string>): ChildProcess {
  const started = spawn(process.execPath, [join(import.meta.dirname, 'main.ts')], { env });
  for (const stream of [started.stdout, started.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  child = started;
  return started;
}

const url = (path: string, port = environment.PORT) => `http://127.0.0.1:${port ?? ''}${path}`;
const untilReady = () =>
  vi.waitFor(
    async () => {
      expect((await fetch(url('/readyz'))).status).toBe(200);
    },
    { timeout: 20_000, interval: 50 },
  );

test.each(['SECKILL_JWT_KEY', 'SECKILL_SIGNING_KEYS', 'SECKILL_PSEUDONYM_KEY'])(
  'without %s it does not start, and says what to set',
  async (name) => {
    const [code] = (await once(start({ ...environment, [name]: '' }), 'close')) as [number];
    expect(code).toBe(1);
    expect(output).toMatch(new RegExp(name));
    expect(output).not.toMatch(/^\s+at /m);
  },
);

test('with a malformed list of proxies it does not start, and says which entry is wrong', async () => {
  const [code] = (await once(
    start({ ...environment, SECKILL_TRUSTED_PROXIES: 'private, 10.0.0.0/33' }),
    'close',
  )) as [number];
  expect(code).toBe(1);
  expect(output).toContain('SECKILL_TRUSTED_PROXIES: entry 2 has a prefix longer than 32 bits');
});

test('it is alive at once, ready when Redis is, and tells its metrics elsewhere', async () => {
  await store.stop();
  start(environment);
  await vi.waitFor(
    async () => {
      expect((await fetch(url('/livez'))).status).toBe(200);
    },
    { timeout: 20_000, interval: 50 },
  );
  expect((await fetch(url('/readyz'))).status).toBe(503);
  await store.start();
  await untilReady();
  expect((await fetch(url('/'))).headers.get('content-type')).toContain('text/html');
  expect((await fetch(url('/metrics'))).status).toBe(404);
  const metrics = await fetch(url('/metrics', environment.SECKILL_METRICS_PORT));
  expect(await metrics.text()).toContain('seckill_request_duration_seconds');
});

test('it wakes purchase as it starts, before its own stores answer', async () => {
  await store.stop();
  purchase.wakes = 0;
  start(environment);
  await expect.poll(() => purchase.wakes, { timeout: 20_000 }).toBe(1);
  await store.start();
  await untilReady();
});

test('it offers the sign-in that is configured, and is not started with half of one', async () => {
  const discovery = await startDiscovery();
  const { issuer } = discovery;
  const half = { ...environment, SECKILL_OIDC_ISSUER: issuer };
  const [code] = (await once(start(half), 'close')) as [number];
  expect(code).toBe(1);
  expect(output).toContain('SECKILL_OIDC_CLIENT_ID');
  start({
    ...half,
    SECKILL_OIDC_CLIENT_ID: 'shop',
    SECKILL_OIDC_AUDIENCE: 'api',
    SECKILL_HSTS_MAX_AGE_SECONDS: '60',
    SECKILL_JWT_KEY: '',
    SECKILL_JWT_JWKS_URL: `${issuer}/keys`,
  });
  await untilReady();
  expect(await (await fetch(url('/sign-in.json'))).json()).toMatchObject({
    provider: { issuer },
    clientId: 'shop',
    scope: 'openid',
    parameters: { audience: 'api' },
  });
  const { headers } = await fetch(url('/signed-in'));
  expect(headers.get('content-security-policy')).toContain(`${issuer}/token;`);
  expect(headers.get('strict-transport-security')).toBe('max-age=60');
  await discovery.close();
});

test('told to leave, it answers what it has taken, and is gone', async () => {
  const started = start(environment);
  await untilReady();
  let answer = (): void => undefined;
  const accept = purchase.answer;
  purchase.answer = (request, response) => {
    answer = () => {
      accept(request, response);
    };
  };
  const bought = fetch(url('/api/products/p1/purchase'), {
    method: 'POST',
    headers: {
      authorization: `Bearer ${await tokenFor('user')}`,
      'idempotency-key': 'key-12345',
      'content-type': 'application/json',
    },
    body: '{"quantity":1}',
  });
  await vi.waitFor(() => {
    expect(purchase.seen).toHaveLength(1);
  }, 5_000);
  const left = once(started, 'close');
  started.kill('SIGTERM');
  await vi.waitFor(async () => {
    await expect(fetch(url('/livez'))).rejects.toThrow();
  }, 5_000);
  answer();
  expect((await bought).status).toBe(202);
  expect(await left).toEqual([0, null]);
});

test('told to leave, it ends streams at once', async () => {
  const orderId = 'p1.1234567890123456789012';
  purchase.answer = (_, response) => {
    response.end(JSON.stringify({ orderId, status: 'accepted' }));
  };
  const started = start(environment);
  await untilReady();
  const listener = await listen({ url: url(''), orderId, token: await tokenFor('user') });
  await vi.waitFor(() => {
    expect(listener.events).toHaveLength(1);
  }, 5_000);
  const left = once(started, 'close');
  started.kill('SIGTERM');
  await listener.ended;
  // Not cut at the deadline: it has left for want of work.
  expect(await left).toEqual([0, null]);
});
