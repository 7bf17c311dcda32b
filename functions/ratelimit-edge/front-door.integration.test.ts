// Who gets in, on a real port: what proxies and browsers make of headers, operators' routes one by
// one, and no answer that lets a page of another origin in.

import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { redis as redisStore } from '#knative/local/stores/redis.ts';
import type { OpenApi } from '#lib/testing/documented.ts';
import { type OwnStore, startOwnStore } from '#lib/testing/own-store.ts';
import { createIdentify } from './identity.ts';
import { createSignIn } from './sign-in.ts';
import { buildDocuments } from './storefront-testing/documents.ts';
import { type Discovery, signInAt, startDiscovery } from './testing/discovery.ts';
import {
  awayPurchaseUrl,
  type Edge,
  type FakePurchase,
  startEdge,
  startFakePurchase,
  tokenFor,
} from './testing/edge-fixture.ts';

let store: OwnStore;
let purchase: FakePurchase;
let discovery: Discovery;
let edge: Edge;

beforeAll(async () => {
  [store, purchase, discovery] = await Promise.all([
    startOwnStore(redisStore),
    startFakePurchase(),
    startDiscovery(),
  ]);
  edge = await startEdge(store.address, purchase.url, await buildDocuments(), undefined, {
    signIn: createSignIn(signInAt(discovery.issuer)),
  });
});

afterAll(async () => {
  await edge.stop();
  await Promise.all([purchase.close(), discovery.close(), store.remove()]);
});

/** The status, with headers as they are: `fetch` would join those of one name. */
function statusOf(path: string, headers: string[], method = 'GET'): Promise<number> {
  const { port } = edge;
  return new Promise((resolve, reject) => {
    const sent = httpRequest({ host: '127.0.0.1', port, path, method, headers }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    sent.on('error', reject);
    sent.end();
  });
}

async function operations(): Promise<{ method: string; path: string; template: string }[]> {
  const { paths } = (await (await fetch(`${edge.url}/openapi.json`)).json()) as OpenApi;
  return Object.entries(paths).flatMap(([template, methods]) =>
    Object.keys(methods).map((method) => ({
      method: method.toUpperCase(),
      template,
      path: template
        .replace('{productId}', 'p1')
        .replace('{orderId}', 'p1.1234567890123456789012')
        .replace('{tier}', 'user'),
    })),
  );
}

describe('one identity, or none', () => {
  test('of two Authorization headers none is believed, whichever comes first', async () => {
    const good = ['authorization', `Bearer ${await tokenFor('user')}`];
    const other = ['authorization', `Bearer ${await tokenFor('other')}`];
    const path = '/api/orders';
    purchase.answer = (_request, response) => response.end('{"orders":[]}');
    const host = ['host', 'shop'];
    expect(await statusOf(path, [...host, ...good])).toBe(200);
    expect(await statusOf(path, [...host, ...good, ...other])).toBe(401);
    expect(await statusOf(path, [...host, ...good, ...good])).toBe(401);
    expect(await statusOf(path, [...host, ...good, 'AUTHORIZATION', 'Basic eA=='])).toBe(401);
    expect(await statusOf(path, [...host, 'authorization', '', ...good])).toBe(401);
  });

  test('a token in a cookie, a query or a body is none', async () => {
    const token = await tokenFor('user');
    const headers = ['host', 'shop', 'cookie', `token=${token}`, 'x-authorization', token];
    expect(await statusOf(`/api/orders?access_token=${token}&token=${token}`, headers)).toBe(401);
  });

  test('while the keys of the issuer are away, nobody is refused for it: 503 with a wait', async () => {
    const jwksUrl = 'http://127.0.0.1:1/keys';
    const identify = await createIdentify({ jwksUrl, issuer: 'seckill', audience: 'seckill' });
    const overrides = { identify };
    const late = await startEdge(store.address, awayPurchaseUrl, undefined, undefined, overrides);
    const token = `${btoa('{"alg":"RS256"}')}.${btoa('{}')}.c2lnbmF0dXJl`.replaceAll('=', '');
    for (const response of [
      await late.buy({ token }),
      await fetch(`${late.url}/api/orders`, { headers: { authorization: `Bearer ${token}` } }),
      await fetch(`${late.url}/operator/sales`, { headers: { authorization: `Bearer ${token}` } }),
    ]) {
      expect(response.status).toBe(503);
      expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(await response.json()).toMatchObject({ outcome: 'unavailable' });
    }
    await late.stop();
  });
});

test('every route of operators asks for their scope, before anything else', async () => {
  const routes = (await operations()).filter(({ path }) => path.startsWith('/operator'));
  expect(routes.length).toBeGreaterThan(10);
  const unknown = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].flatMap((method) => [
    { method, path: '/operator/sales/p1/unheard-of' },
    { method, path: '/operator/' },
  ]);
  purchase.seen.length = 0;
  const [user, almost] = await Promise.all([tokenFor('user'), tokenFor('user', 'operators buy')]);
  for (const { method, path } of [...routes, ...unknown]) {
    const ask = (token?: string) =>
      statusOf(
        path,
        ['host', 'shop', ...(token === undefined ? [] : ['authorization', `Bearer ${token}`])],
        method,
      );
    expect([await ask(), await ask(user), await ask(almost)], `${method} ${path}`).toEqual([
      401, 403, 403,
    ]);
  }
  expect(purchase.seen).toEqual([]);
});

describe('pages of other origins', () => {
  const origin = 'https://elsewhere.example';

  test('no answer lets them read it, and no preflight passes', async () => {
    purchase.answer = (_request, response) => response.end('{"orders":[]}');
    const authorization = `Bearer ${await tokenFor('user', 'operator')}`;
    const documents = ['/', '/storefront.js', '/signed-in', '/openapi.json', '/livez', '/nothing'];
    const targets = [
      ...(await operations()),
      ...documents.map((path) => ({ method: 'GET', path })),
    ];
    for (const { method, path } of targets) {
      const answers = [
        await fetch(`${edge.url}${path}`, { method, headers: { origin } }),
        await fetch(`${edge.url}${path}`, { method, headers: { origin, authorization } }),
        await fetch(`${edge.url}${path}`, {
          method: 'OPTIONS',
          headers: {
            origin,
            'access-control-request-method': method,
            'access-control-request-headers': 'authorization,idempotency-key',
          },
        }),
      ];
      for (const answer of answers) {
        const names = [...answer.headers.keys()].filter((name) => name.startsWith('access-'));
        expect(names, `${method} ${path}`).toEqual([]);
        expect(answer.headers.get('x-content-type-options') ?? path).toMatch(/^nosniff$|^\/livez$/);
      }
      expect([401, 404, 405], `OPTIONS ${path}`).toContain(answers.at(-1)?.status);
    }
  });
});

describe('the page of the way back', () => {
  test('may talk to the token endpoint, and no other page may', async () => {
    const policyOf = async (path: string) =>
      (await fetch(`${edge.url}${path}`)).headers.get('content-security-policy') ?? '';
    expect(await policyOf('/signed-in?code=a&state=b')).toContain(
      `connect-src 'self' ${discovery.issuer}/token;`,
    );
    for (const path of ['/', '/?code=a&state=b', '/index.html', '/storefront.js']) {
      expect(await policyOf(path), path).toContain("connect-src 'self';");
    }
  });

  test('is none where no provider is configured', async () => {
    const plain = await startEdge(store.address, purchase.url, await buildDocuments());
    expect((await fetch(`${plain.url}/signed-in`)).status).toBe(404);
    expect(await (await fetch(`${plain.url}/sign-in.json`)).json()).toEqual({});
    await plain.stop();
  });
});
