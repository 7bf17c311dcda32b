import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { base64url, CompactEncrypt, generateKeyPair, SignJWT, UnsecuredJWT } from 'jose';
import { beforeEach, describe, expect, test } from 'vitest';
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

type Header = Record<string, unknown>;

function sign(payload: object, header: Header = {}, secret = key): Promise<string> {
  return new SignJWT({ ...payload })
    .setProtectedHeader({ alg: 'HS256', ...header })
    .sign(new TextEncoder().encode(secret));
}

/** Signed as anybody can who has the key: also what jose itself would refuse to write. */
function signText(header: object, payload: string): string {
  const signed = `${base64url.encode(JSON.stringify(header))}.${base64url.encode(payload)}`;
  return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`;
}

const bearer = (token: string) => `Bearer ${token}`;

describe('with a key', () => {
  let identify: Identify;
  beforeEach(async () => {
    identify = await createIdentify({ key, ...forAll }, { now });
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
      [['openid', 'operator'], true],
      ['Operator', false],
      [{ operator: true }, false],
      [7, false],
    ] as const) {
      for (const given of [{ scope }, { scp: scope }]) {
        const identified = await identify(bearer(await sign({ ...claims, ...given })));
        expect(identified, JSON.stringify(given)).toMatchObject({ identity: { isOperator } });
      }
    }
  });

  test.each([
    ['expired 31 s ago', { exp: nowSeconds - 31 }, 'unauthenticated'],
    ['expired 29 s ago, by another clock', { exp: nowSeconds - 29 }, 'identified'],
    ['valid in 31 s', { nbf: nowSeconds + 31 }, 'unauthenticated'],
    ['valid in 29 s, by another clock', { nbf: nowSeconds + 29 }, 'identified'],
    ['issued in 31 s', { iat: nowSeconds + 31 }, 'unauthenticated'],
    ['issued in 29 s, by another clock', { iat: nowSeconds + 29 }, 'identified'],
    ['issued long ago', { iat: 0 }, 'identified'],
    ['issued at no time', { iat: 'now' }, 'unauthenticated'],
    ['valid from no time', { nbf: 'now' }, 'unauthenticated'],
    ['without an end', { exp: undefined }, 'unauthenticated'],
    ['an end that is no number', { exp: 'never' }, 'unauthenticated'],
    ['an end that is nothing', { exp: null }, 'unauthenticated'],
    ['an end in a thousand years', { exp: nowSeconds + 31_557_600_000 }, 'identified'],
    ['an end in the middle of a second', { exp: nowSeconds + 0.5 }, 'identified'],
    ['an end before all time', { exp: -1 }, 'unauthenticated'],
    ['of another issuer', { iss: 'other' }, 'unauthenticated'],
    ['of no issuer', { iss: undefined }, 'unauthenticated'],
    ['of an issuer that looks like ours', { iss: 'seckill/' }, 'unauthenticated'],
    ['of several issuers', { iss: ['seckill'] }, 'unauthenticated'],
    ['for another audience', { aud: 'other' }, 'unauthenticated'],
    ['for nobody', { aud: undefined }, 'unauthenticated'],
    ['for an empty list', { aud: [] }, 'unauthenticated'],
    ['for others', { aud: ['other', 'seckill2'] }, 'unauthenticated'],
    ['for an audience that holds ours', { aud: 'other seckill' }, 'unauthenticated'],
    ['for ours and another audience', { aud: ['other', 'seckill'] }, 'identified'],
    ['of nobody', { sub: undefined }, 'unauthenticated'],
    ['of an empty name', { sub: '' }, 'unauthenticated'],
    ['a name that is no text', { sub: 7 }, 'unauthenticated'],
    ['a name of 128 bytes', { sub: '秒'.repeat(42) + 'ab' }, 'identified'],
    ['a name of 129 bytes', { sub: '秒'.repeat(43) }, 'unauthenticated'],
    ['a name that MySQL takes for another', { sub: 'user ' }, 'unauthenticated'],
    ['a name that a path drops', { sub: '..' }, 'unauthenticated'],
    ['half a character', { sub: 'a\ud800' }, 'unauthenticated'],
    ['a name of a megabyte', { sub: 'a'.repeat(1_048_576) }, 'unauthenticated'],
    ['a name that is a list', { sub: ['user'] }, 'unauthenticated'],
    ['a name of any script and sign', { sub: 'auth0|小明 @{}:$%/..' }, 'identified'],
  ])('a token %s', async (_what, payload, outcome) => {
    expect(await outcomeOf(payload)).toBe(outcome);
  });

  test('nobody else can sign, and unsigned tokens count for nothing', async () => {
    const [header = '', payload = '', signature = ''] = (await sign(claims)).split('.');
    const none = ['none', 'None', 'NONE', 'nOnE', '', 'HS256 ', 'hs256'].map((alg) =>
      base64url.encode(JSON.stringify({ alg })),
    );
    const other = base64url.encode(JSON.stringify({ ...claims, sub: 'admin' }));
    const rsa = await generateKeyPair('RS256');
    const tokens = [
      await sign(claims, {}, 'another-key-with-more-than-32-characters'),
      new UnsecuredJWT(claims).encode(),
      ...none.flatMap((part) => [`${part}.${payload}.`, `${part}.${payload}.${signature}`]),
      `${header}.${other}.${signature}`,
      `${header}.${payload}.`,
      `${header}..${signature}`,
      await sign(claims, { alg: 'HS512' }, key.repeat(2)),
      await new SignJWT(claims).setProtectedHeader({ alg: 'RS256' }).sign(rsa.privateKey),
    ];
    for (const token of tokens) {
      expect((await identify(bearer(token))).outcome, token).toBe('unauthenticated');
    }
  });

  test.each([
    ['names no kind', {}, 'identified'],
    ['is a JWT', { typ: 'jwt' }, 'identified'],
    ['is an access token (RFC 9068)', { typ: 'at+JWT' }, 'identified'],
    ['is one by its media type', { typ: 'application/at+jwt' }, 'identified'],
    ['ends a session elsewhere', { typ: 'logout+jwt' }, 'unauthenticated'],
    ['proves a key', { typ: 'dpop+jwt' }, 'unauthenticated'],
    ['has a kind that is no text', { typ: 7 }, 'unauthenticated'],
    ['asks for what we do not know', { crit: ['exp'], exp: 1 }, 'unauthenticated'],
    ['asks for an extension', { crit: ['x'], x: true }, 'unauthenticated'],
    ['asks for nothing, critically', { crit: [] }, 'unauthenticated'],
    ['has an unencoded payload', { b64: false, crit: ['b64'] }, 'unauthenticated'],
    ['names a key by a path', { kid: '../../dev/null' }, 'identified'],
    ['names a key by a query', { kid: "x' or '1'='1" }, 'identified'],
    ['names no key by an object', { kid: { a: 1 } }, 'identified'],
  ])('a token that %s', async (_what, header, outcome) => {
    const token = signText({ alg: 'HS256', ...header }, JSON.stringify(claims));
    expect((await identify(bearer(token))).outcome).toBe(outcome);
  });

  test.each([
    ['an end that no number can hold', `{"exp":1e400,${JSON.stringify(claims).slice(1, -18)}}`],
    ['a list', '[]'],
    ['a text', '"user"'],
    ['nothing', ''],
    ['no JSON', '{"sub":'],
  ])('signed, but its payload is %s', async (_what, payload) => {
    const token = signText({ alg: 'HS256' }, payload);
    expect((await identify(bearer(token))).outcome).toBe('unauthenticated');
  });

  test('what is encrypted, or longer than any token, is not even looked at', async () => {
    const encrypted = await new CompactEncrypt(new TextEncoder().encode(await sign(claims)))
      .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
      .encrypt(new TextEncoder().encode(key.slice(0, 32)));
    expect((await identify(bearer(encrypted))).outcome).toBe('unauthenticated');
    const long = await sign({ ...claims, more: 'x'.repeat(5_000) });
    expect((await identify(bearer(long))).outcome).toBe('identified');
    const tooLong = await sign({ ...claims, more: 'x'.repeat(7_000) });
    expect(await identify(bearer(tooLong))).toEqual({
      outcome: 'unauthenticated',
      detail: 'the token is longer than 8192 characters',
    });
  });

  test('whatever else is sent as Authorization is refused, and nothing breaks', async () => {
    const token = await sign(claims);
    for (const authorization of [
      undefined,
      '',
      'Bearer',
      `Basic ${token}`,
      `Bearer ${token} x`,
      `Bearer ${token}, Bearer ${token}`,
      `Bearer ${token.replace('.', '.\u0000')}`,
      token,
    ]) {
      expect((await identify(authorization)).outcome, authorization).toBe('unauthenticated');
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

test('without a key, or with two ways to get one, it does not start', async () => {
  await expect(createIdentify(forAll)).rejects.toThrow('exactly one');
  const both = { key, jwksUrl: 'http://127.0.0.1:1/', ...forAll };
  await expect(createIdentify(both)).rejects.toThrow('exactly one');
});
