import { createServer, type Server } from 'node:http';
import fc from 'fast-check';
import {
  base64url,
  type CryptoKey,
  exportJWK,
  generateKeyPair,
  type JWTPayload,
  SignJWT,
  UnsecuredJWT,
} from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createIdentify, type Identify } from './identity.ts';

const key = 'a-key-of-the-tests-with-more-than-32-characters';
const nowSeconds = 1_800_000_000;
let nowMs = nowSeconds * 1_000;
const now = () => nowMs;
const claims = { sub: 'user', iss: 'seckill', aud: 'seckill', exp: nowSeconds + 3_600 };
const forAll = { issuer: 'seckill', audience: 'seckill' };

beforeEach(() => {
  nowMs = nowSeconds * 1_000;
});

function signWith(secret: Uint8Array | CryptoKey, payload: JWTPayload, header = { alg: 'HS256' }) {
  return new SignJWT(payload).setProtectedHeader(header).sign(secret);
}

const sign = (payload: JWTPayload, secret = key) =>
  signWith(new TextEncoder().encode(secret), payload);
const bearer = (token: string) => `Bearer ${token}`;

describe('with a key', () => {
  let identify: Identify;
  beforeEach(async () => {
    identify = await createIdentify({ key, ...forAll }, now);
  });
  const outcomeOf = async (payload: object) =>
    (await identify(bearer(await sign({ ...claims, ...payload })))).outcome;

  test('the subject is the user, the scope says who is an operator', async () => {
    const user = await identify(bearer(await sign(claims)));
    expect(user).toEqual({
      outcome: 'identified',
      identity: { userId: 'user', isOperator: false },
    });
    for (const [scope, isOperator] of [
      ['operator', true],
      ['openid operator', true],
      ['operators', false],
      [['operator'], false],
    ] as const) {
      const identified = await identify(bearer(await sign({ ...claims, scope })));
      expect(identified).toMatchObject({ identity: { isOperator } });
    }
  });

  test.each([
    ['expired 31 s ago', { exp: nowSeconds - 31 }, 'unauthenticated'],
    ['expired 29 s ago, by another clock', { exp: nowSeconds - 29 }, 'identified'],
    ['valid in 31 s', { nbf: nowSeconds + 31 }, 'unauthenticated'],
    ['valid in 29 s, by another clock', { nbf: nowSeconds + 29 }, 'identified'],
    ['without an end', { exp: undefined }, 'unauthenticated'],
    ['an end that is no number', { exp: 'never' }, 'unauthenticated'],
    ['of another issuer', { iss: 'other' }, 'unauthenticated'],
    ['for another audience', { aud: 'other' }, 'unauthenticated'],
    ['for ours and another audience', { aud: ['other', 'seckill'] }, 'identified'],
    ['of nobody', { sub: undefined }, 'unauthenticated'],
    ['of an empty name', { sub: '' }, 'unauthenticated'],
    ['a name that is no text', { sub: 7 }, 'unauthenticated'],
    ['a name of 128 bytes', { sub: '秒'.repeat(42) + 'ab' }, 'identified'],
    ['a name of 129 bytes', { sub: '秒'.repeat(43) }, 'unauthenticated'],
    ['a name that MySQL takes for another', { sub: 'user ' }, 'unauthenticated'],
    ['a name that a path drops', { sub: '..' }, 'unauthenticated'],
    ['half a character', { sub: 'a\ud800' }, 'unauthenticated'],
  ])('a token %s', async (_what, payload, outcome) => {
    expect(await outcomeOf(payload)).toBe(outcome);
  });

  test('nobody else can sign, and unsigned tokens count for nothing', async () => {
    const [header = '', payload = '', signature = ''] = (await sign(claims)).split('.');
    const none = base64url.encode('{"alg":"none"}');
    const other = base64url.encode(JSON.stringify({ ...claims, sub: 'admin' }));
    const tokens = [
      await sign(claims, 'another-key-with-more-than-32-characters'),
      new UnsecuredJWT(claims).encode(),
      `${none}.${payload}.`,
      `${none}.${payload}.${signature}`,
      `${header}.${other}.${signature}`,
      `${header}.${payload}.`,
      await signWith(new TextEncoder().encode(key.repeat(2)), claims, { alg: 'HS512' }),
    ];
    for (const token of tokens) {
      expect((await identify(bearer(token))).outcome, token).toBe('unauthenticated');
    }
  });

  test('whatever else is sent as Authorization is refused, and nothing breaks', async () => {
    const token = await sign(claims);
    for (const authorization of [undefined, '', 'Bearer', `Basic ${token}`, `Bearer ${token} x`]) {
      expect((await identify(authorization)).outcome).toBe('unauthenticated');
    }
    const part = fc.oneof(
      fc.string(),
      fc.constantFrom('alg', '..', 'eyJhbGciOiJIUzI1NiJ9'),
      fc.json().map((text) => base64url.encode(text)),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 4 }), async (parts) => {
        const { outcome } = await identify(bearer(parts.join('.')));
        expect(outcome).toBe('unauthenticated');
      }),
      { numRuns: 300 },
    );
  });

  test('a remembered token ends when it ends', async () => {
    const authorization = bearer(await sign({ ...claims, exp: nowSeconds + 60 }));
    expect((await identify(authorization)).outcome).toBe('identified');
    nowMs += 89_000;
    expect((await identify(authorization)).outcome).toBe('identified');
    nowMs += 1_000;
    expect((await identify(authorization)).outcome).toBe('unauthenticated');
  });
});

describe('with a key set', () => {
  let server: Server;
  let jwksUrl: string;
  let isAway = false;
  let fetches = 0;
  let published: object[];
  let privateKey: CryptoKey;
  let publicKey: CryptoKey;

  beforeAll(async () => {
    server = createServer((_request, response) => {
      fetches += 1;
      if (isAway) response.writeHead(500).end();
      else response.end(JSON.stringify({ keys: published }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('not listening');
    jwksUrl = `http://127.0.0.1:${address.port}/keys`;
    ({ privateKey, publicKey } = await generateKeyPair('RS256'));
  });

  beforeEach(async () => {
    isAway = false;
    fetches = 0;
    published = [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'RS256' }];
  });

  afterAll(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  const signed = (payload: object = {}) =>
    signWith(privateKey, { ...claims, ...payload }, { alg: 'RS256', kid: 'one' } as never);

  test('its keys verify, and are fetched once', async () => {
    const identify = await createIdentify({ jwksUrl, ...forAll }, now);
    for (const sub of ['a', 'b', 'c']) {
      expect(await identify(bearer(await signed({ sub })))).toMatchObject({
        identity: { userId: sub },
      });
    }
    expect(fetches).toBe(1);
  });

  test('the public key is no secret for HS256 (algorithm confusion)', async () => {
    const identify = await createIdentify({ jwksUrl, ...forAll }, now);
    const { n } = await exportJWK(publicKey);
    for (const secret of [JSON.stringify(published[0]), n ?? '']) {
      const token = await signWith(new TextEncoder().encode(secret), claims, {
        alg: 'HS256',
        kid: 'one',
      } as never);
      expect((await identify(bearer(token))).outcome).toBe('unauthenticated');
    }
    published = [{ kty: 'oct', k: base64url.encode(key), kid: 'one', alg: 'HS256' }];
    const hmac = await createIdentify({ jwksUrl, ...forAll }, now);
    expect((await hmac(bearer(await sign(claims)))).outcome).toBe('unauthenticated');
  });

  test('a key of nobody is refused; a key set that is away is nobody’s fault', async () => {
    const stranger = await generateKeyPair('RS256');
    const header = { alg: 'RS256', kid: 'two' } as never;
    const foreign = await signWith(stranger.privateKey, claims, header);
    const identify = await createIdentify({ jwksUrl, ...forAll }, now);
    expect((await identify(bearer(foreign))).outcome).toBe('unauthenticated');
    isAway = true;
    const late = await createIdentify({ jwksUrl, ...forAll }, now);
    expect((await late(bearer(await signed()))).outcome).toBe('unavailable');
    isAway = false;
    expect((await late(bearer(await signed()))).outcome).toBe('identified');
  });

  test('the last known keys serve on while the issuer is away', async () => {
    const identify = await createIdentify({ jwksUrl, ...forAll }, now);
    expect((await identify(bearer(await signed()))).outcome).toBe('identified');
    isAway = true;
    nowMs += 3_000_000;
    expect((await identify(bearer(await signed({ sub: 'new' })))).outcome).toBe('identified');
    await expect.poll(() => fetches).toBe(2);
    expect((await identify(bearer(await signed({ sub: 'newer' })))).outcome).toBe('identified');
  });
});

test('without a key, or with two ways to get one, it does not start', async () => {
  await expect(createIdentify(forAll)).rejects.toThrow('exactly one');
  const both = { key, jwksUrl: 'http://127.0.0.1:1/', ...forAll };
  await expect(createIdentify(both)).rejects.toThrow('exactly one');
});
