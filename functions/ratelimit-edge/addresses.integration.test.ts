// The tier `ip` over HTTP: whose word counts about where a request comes from.

import { request } from 'node:http';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { redis as redisStore } from '#knative/local/stores/redis.ts';
import { setLimit } from '#lib/buckets/limits.ts';
import { bucketKey } from '#lib/buckets/take.ts';
import { noNetworks, parseNetworks } from '#lib/http/networks.ts';
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
let trusting: Edge;
let trustingNobody: Edge;

beforeAll(async () => {
  store = await startOwnStore(redisStore);
  purchase = await startFakePurchase();
  const start = (proxies: typeof noNetworks) =>
    startEdge(store.address, purchase.url, new Map(), proxies);
  trusting = await start(parseNetworks(['private']));
  trustingNobody = await start(noNetworks);
});

afterAll(async () => {
  await Promise.all([trusting.stop(), trustingNobody.stop()]);
  await purchase.close();
  await store.remove();
});

beforeEach(async () => {
  await trusting.redis.flushall();
  await setLimit(trusting.redis, { tier: 'ip' }, { rate: 1, capacity: 1 });
});

/** No token is left in this bucket, until it is asked for one once. */
async function empty(address: string): Promise<void> {
  const [seconds = 0] = (await trusting.redis.time()).map(Number);
  const later = (seconds + 3_600) * 1_000_000;
  await trusting.redis.set(bucketKey('ip', address), `0 ${later}`);
}

let buyers = 0;

/** Buys as somebody new; resolves with the tier that refused it, else with the status. */
async function buy(edge: Edge, forwardedFor: readonly string[]): Promise<unknown> {
  buyers += 1;
  const token = await tokenFor(`buyer-${buyers}`);
  return new Promise((resolve, reject) => {
    const outgoing = request(`${edge.url}/api/products/p1/purchase`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'idempotency-key': 'key-of-the-test',
        'content-type': 'application/json',
        'x-forwarded-for': [...forwardedFor],
      },
    });
    outgoing.on('error', reject);
    outgoing.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const body = JSON.parse(Buffer.concat(chunks).toString()) as { tier?: string };
        resolve(body.tier ?? response.statusCode);
      });
    });
    outgoing.end('{"quantity":1}');
  });
}

/** Which of the addresses a request counts for: only its bucket is empty when it comes. */
async function countsFor(edge: Edge, address: string, ...forwardedFor: string[]): Promise<void> {
  // The edge may not know yet that there is a limit.
  await expect
    .poll(
      async () => {
        await empty(address);
        return buy(edge, forwardedFor);
      },
      { timeout: 10_000 },
    )
    .toBe('ip');
}

test('behind a trusted proxy each client has a limit of its own, whatever it makes up', async () => {
  await countsFor(trusting, '203.0.113.1', '203.0.113.1');
  await countsFor(trusting, '203.0.113.2', '203.0.113.2, 10.0.0.7');
  await countsFor(trusting, '203.0.113.3', '198.51.100.1, 203.0.113.3');
  await countsFor(trusting, '203.0.113.4', '198.51.100.1', '203.0.113.4', '10.0.0.7:80');
  await countsFor(trusting, '2001:db8:0:0::/64', '203.0.113.5', '[2001:db8::9]:4711');
  await countsFor(trusting, '127.0.0.1');
  await empty('198.51.100.1');
  expect(await buy(trusting, ['198.51.100.1, 203.0.113.6'])).toBe(202);
});

test('where nobody is trusted, all that comes from one peer is one client', async () => {
  await countsFor(trustingNobody, '127.0.0.1', '203.0.113.1');
  await countsFor(trustingNobody, '127.0.0.1', '203.0.113.2', '10.0.0.7');
});
