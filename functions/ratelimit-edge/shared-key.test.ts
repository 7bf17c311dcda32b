import { createHmac } from 'node:crypto';
import { base64url, errors, jwtVerify } from 'jose';
import { expect, test } from 'vitest';
import { createVerifySharedKey } from './shared-key.ts';

const key = 'a-key-of-the-tests-with-more-than-32-characters';
const nowSeconds = 1_800_000_000;
const claims = { sub: 'user', iss: 'seckill', aud: 'seckill', exp: nowSeconds + 60 };
const options = {
  algorithms: ['HS256'],
  issuer: 'seckill',
  audience: 'seckill',
  currentDate: new Date(nowSeconds * 1_000),
  requiredClaims: ['exp', 'sub'],
};

function tokenOf(header: object, payload: object, secret = key): string {
  const parts = [header, payload].map((part) => base64url.encode(JSON.stringify(part)));
  const signed = parts.join('.');
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

const verify = createVerifySharedKey(key);

test('a plain token is verified at once, and says the same as jose', async () => {
  for (const header of [{ alg: 'HS256' }, { alg: 'HS256', typ: 'JWT', kid: 'a' }]) {
    const token = tokenOf(header, claims);
    const { payload, protectedHeader } = await jwtVerify(
      token,
      new TextEncoder().encode(key),
      options,
    );
    expect(verify(token, options)).toEqual({ payload, protectedHeader });
  }
});

test('claims are judged by jose, with its errors', () => {
  const expired = tokenOf({ alg: 'HS256' }, { ...claims, exp: nowSeconds });
  expect(() => verify(expired, options)).toThrow(errors.JWTExpired);
  const foreign = tokenOf({ alg: 'HS256' }, { ...claims, aud: 'other' });
  expect(() => verify(foreign, options)).toThrow(errors.JWTClaimValidationFailed);
});

test('no other signature fits: not with one character more, less, or another', () => {
  const token = tokenOf({ alg: 'HS256' }, claims);
  const at = token.lastIndexOf('.') + 1;
  for (let place = at; place < token.length; place += 1) {
    for (const other of 'AQgw_') {
      if (token[place] === other) continue;
      const changed = token.slice(0, place) + other + token.slice(place + 1);
      expect(verify(changed, options), changed).toBeUndefined();
    }
  }
  for (const other of [token.slice(0, -1), `${token}A`, `${token}=`, token.slice(0, at)]) {
    expect(verify(other, options), other).toBeUndefined();
  }
  expect(verify(tokenOf({ alg: 'HS256' }, claims, `${key}!`), options)).toBeUndefined();
});

test('what is out of the ordinary is left to jose, however it is signed', () => {
  for (const header of [
    {},
    { alg: 'none' },
    { alg: 'HS512' },
    { alg: ['HS256'] },
    { alg: 'HS256', crit: ['exp'] },
    { alg: 'HS256', b64: false },
    { alg: 'HS256', jwk: {} },
    ['HS256'],
  ]) {
    expect(verify(tokenOf(header, claims), options), JSON.stringify(header)).toBeUndefined();
    // What was remembered of the last header is not for the next.
    expect(verify(tokenOf({ alg: 'HS256' }, claims), options)).toBeDefined();
  }
  for (const text of ['', '.', '..', '...', `${tokenOf({ alg: 'HS256' }, claims)}.`]) {
    expect(verify(text, options), text).toBeUndefined();
  }
});
