// Where the page signs in, as the edge finds it out: only what can be used safely is passed on.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createSignIn, signInConfigOf } from './sign-in.ts';
import { type Discovery, signInAt, startDiscovery } from './testing/discovery.ts';

let discovery: Discovery;
let nowMs: number;
let faults: string[];

beforeEach(async () => {
  discovery = await startDiscovery();
  nowMs = 0;
  faults = [];
});

afterEach(() => discovery.close());

function start(issuer = discovery.issuer) {
  const onFault = (error: unknown) => faults.push(String(error));
  return createSignIn(signInAt(issuer), { now: () => nowMs, onFault });
}

const asJson = async (response: Promise<Response>) => (await response).json();

describe('the configuration', () => {
  const whole = {
    SECKILL_OIDC_ISSUER: 'https://id.example',
    SECKILL_OIDC_CLIENT_ID: 'shop',
    SECKILL_OIDC_SCOPE: 'openid',
    SECKILL_OIDC_RESOURCE: undefined,
    SECKILL_OIDC_AUDIENCE: 'api',
    SECKILL_JWT_JWKS_URL: 'https://id.example/keys',
  };

  test('is whole or none', () => {
    expect(signInConfigOf(whole)).toEqual({
      issuer: 'https://id.example',
      clientId: 'shop',
      scope: 'openid',
      resource: undefined,
      audience: 'api',
    });
    const none = { ...whole, SECKILL_OIDC_ISSUER: undefined, SECKILL_OIDC_CLIENT_ID: undefined };
    expect(signInConfigOf(none)).toBeUndefined();
  });

  test.each(['SECKILL_OIDC_ISSUER', 'SECKILL_OIDC_CLIENT_ID', 'SECKILL_JWT_JWKS_URL'])(
    'without %s it does not start',
    (name) => {
      expect(() => signInConfigOf({ ...whole, [name]: undefined })).toThrow(name);
    },
  );
});

test('without a provider there is nothing to know, and nobody is asked', async () => {
  const signIn = createSignIn(undefined);
  expect(await asJson(signIn.answer())).toEqual({});
  expect(await signIn.tokenSource()).toBeUndefined();
});

test('the provider is asked once, and the page gets what it needs', async () => {
  const signIn = start();
  const { issuer } = discovery;
  for (let index = 0; index < 3; index += 1) {
    expect(await asJson(signIn.answer())).toEqual({
      provider: {
        issuer,
        authorization_endpoint: `${issuer}/authorize`,
        token_endpoint: `${issuer}/token`,
      },
      clientId: 'shop',
      scope: 'openid',
      parameters: {},
    });
  }
  expect(await signIn.tokenSource()).toBe(`${issuer}/token`);
  expect(discovery.requests).toEqual(['/realm/.well-known/openid-configuration']);
});

test('an issuer may end in a slash', async () => {
  const issuer = `${discovery.issuer}/`;
  discovery.document = { ...discovery.document, issuer };
  expect((await start(issuer).answer()).status).toBe(200);
  expect(discovery.requests).toEqual(['/realm/.well-known/openid-configuration']);
});

test('no address can add a source to the policy of the page', async () => {
  const token_endpoint = `${discovery.issuer}/t; script-src *, x`;
  discovery.document = { ...discovery.document, token_endpoint };
  expect(await start().tokenSource()).toBe(`${discovery.issuer}/t%3B%20script-src%20*%2C%20x`);
});

test.each([
  ['of another issuer', { issuer: 'https://other.example' }],
  ['without a token endpoint', { token_endpoint: undefined }],
  ['with a token endpoint in the clear', { token_endpoint: 'http://id.example/token' }],
  ['that sends buyers to a script', { authorization_endpoint: 'javascript:alert(1)' }],
  ['that cannot do PKCE with S256', { code_challenge_methods_supported: ['plain'] }],
])('a document %s is not used', async (_what, changes) => {
  discovery.document = { ...discovery.document, ...changes };
  const response = await start().answer();
  expect(response.status).toBe(503);
  expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(faults).toHaveLength(1);
});

test('a provider that is away is asked seldom, and taken when it is back', async () => {
  const { document } = discovery;
  discovery.document = undefined;
  const signIn = start();
  for (let index = 0; index < 20; index += 1) expect((await signIn.answer()).status).toBe(503);
  expect(await signIn.tokenSource()).toBeUndefined();
  expect(discovery.requests).toHaveLength(1);
  discovery.document = document;
  nowMs += 1_000;
  expect((await signIn.answer()).status).toBe(200);
});

test('what is known is used while the provider is away, and read again after an hour', async () => {
  const signIn = start();
  expect((await signIn.answer()).status).toBe(200);
  const { document } = discovery;
  discovery.document = undefined;
  nowMs += 3_600_001;
  expect((await signIn.answer()).status).toBe(200);
  await expect.poll(() => faults.length).toBe(1);
  discovery.document = { ...document, token_endpoint: `${discovery.issuer}/moved` };
  nowMs += 1_000;
  expect((await signIn.answer()).status).toBe(200);
  await expect.poll(() => signIn.tokenSource()).toBe(`${discovery.issuer}/moved`);
});
