// Tokens of an issuer that publishes its keys: what counts as a key, how new and withdrawn ones
// are noticed, and what a crowd can make the issuer feel.

import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { base64url, type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createIdentify, type Identify } from './identity.ts';

interface KeyPair {
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
}

const nowSeconds = 1_800_000_000;
const claims = { sub: 'user', iss: 'seckill', aud: 'seckill', exp: nowSeconds + 100_000 };
const minuteMs = 60_000;

let server: Server;
let jwksUrl: string;
let nowMs: number;
let fetches: number;
let faults: number;
let published: object[];
let answer: (response: ServerResponse) => void;
let rsa: KeyPair;
let otherRsa: KeyPair;

const publish = (response: ServerResponse) => response.end(JSON.stringify({ keys: published }));
const beAway = (response: ServerResponse) => response.writeHead(500).end('{"keys":[]}');
const published1 = async (): Promise<JWK> => ({
  ...(await exportJWK(rsa.publicKey)),
  kid: 'one',
  alg: 'RS256',
  use: 'sig',
});
const published2 = async (): Promise<JWK> => ({
  ...(await exportJWK(otherRsa.publicKey)),
  kid: 'two',
});

beforeAll(async () => {
  server = createServer((_request, response) => {
    fetches += 1;
    answer(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  jwksUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
  [rsa, otherRsa] = await Promise.all([generateKeyPair('RS256'), generateKeyPair('RS256')]);
});

afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

beforeEach(async () => {
  nowMs = nowSeconds * 1_000;
  fetches = 0;
  faults = 0;
  answer = publish;
  published = [await published1()];
});

function start(): Promise<Identify> {
  const onFault = () => {
    faults += 1;
  };
  const config = { jwksUrl, issuer: 'seckill', audience: 'seckill' };
  return createIdentify(config, { now: () => nowMs, onFault });
}

function signed(
  payload: object = {},
  { key = rsa.privateKey, ...header }: { key?: CryptoKey | Uint8Array; [name: string]: unknown } = {
    kid: 'one',
  },
): Promise<string> {
  return new SignJWT({ ...claims, ...payload })
    .setProtectedHeader({ alg: 'RS256', ...header })
    .sign(key);
}

async function outcomeOf(identify: Identify, token: string | Promise<string>): Promise<string> {
  return (await identify(`Bearer ${await token}`)).outcome;
}

const byTwo = () => ({ key: otherRsa.privateKey, kid: 'two' });

describe('what counts as a key', () => {
  test('its keys verify, and are fetched once, at the start', async () => {
    const identify = await start();
    await expect.poll(() => fetches).toBe(1);
    for (const sub of ['a', 'b', 'c']) {
      expect(await identify(`Bearer ${await signed({ sub })}`)).toMatchObject({
        identity: { userId: sub },
      });
    }
    expect(fetches).toBe(1);
  });

  test.each(['RS512', 'PS256', 'ES256', 'ES384', 'EdDSA', 'Ed25519'])(
    '%s is taken as well',
    async (alg) => {
      const pair = await generateKeyPair(alg);
      published = [{ ...(await exportJWK(pair.publicKey)), kid: 'one' }];
      const token = signed({}, { key: pair.privateKey, alg, kid: 'one' });
      expect(await outcomeOf(await start(), token)).toBe('identified');
    },
  );

  test('the public key is no secret for HS256 (algorithm confusion)', async () => {
    const identify = await start();
    const { n = '' } = await published1();
    const pem = await crypto.subtle.exportKey('spki', rsa.publicKey);
    for (const secret of [JSON.stringify(published[0]), n, Buffer.from(pem).toString('base64')]) {
      const key = new TextEncoder().encode(secret);
      const token = signed({}, { key, alg: 'HS256', kid: 'one' });
      expect(await outcomeOf(identify, token)).toBe('unauthenticated');
    }
  });

  test('a published secret is no key, nor is one for another use or algorithm', async () => {
    const secret = new TextEncoder().encode('a-key-of-the-tests-with-more-than-32-characters');
    published = [{ kty: 'oct', k: base64url.encode(secret), kid: 'one', alg: 'HS256' }];
    const hmac = signed({}, { key: secret, alg: 'HS256', kid: 'one' });
    expect(await outcomeOf(await start(), hmac)).toBe('unauthenticated');
    for (const changes of [
      { use: 'enc' },
      { key_ops: ['encrypt'] },
      { alg: 'RS512' },
      { kty: 'EC' },
      { kid: 'ONE' },
    ]) {
      published = [{ ...(await published1()), ...changes }];
      const outcome = await outcomeOf(await start(), signed());
      expect(outcome, JSON.stringify(changes)).toBe('unauthenticated');
    }
  });

  test('a private key that was published by mistake verifies nothing', async () => {
    const { privateKey } = await generateKeyPair('RS256', { extractable: true });
    published = [{ ...(await exportJWK(privateKey)), kid: 'one' }];
    const token = signed({}, { key: privateKey, kid: 'one' });
    expect(await outcomeOf(await start(), token)).toBe('unavailable');
  });

  test('keys that a token brings along, or points to, are ignored', async () => {
    const identify = await start();
    const key = otherRsa.privateKey;
    const jwk = await exportJWK(otherRsa.publicKey);
    const strangers = createServer((_request, response) => {
      visits += 1;
      response.end(JSON.stringify({ keys: [{ ...jwk, kid: 'one' }] }));
    });
    let visits = 0;
    await new Promise<void>((resolve) => strangers.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(strangers.address() as AddressInfo).port}/`;
    for (const header of [
      { jwk, kid: 'one' },
      { jku: url, kid: 'one' },
      { x5u: url, kid: 'one' },
      { x5c: ['MIIB'], kid: 'one' },
      { kid: url },
      { kid: '__proto__' },
      { kid: '../../../../dev/null' },
      { kid: '' },
      { kid: ['one'] },
    ]) {
      const token = signed({}, { key, ...header });
      expect(await outcomeOf(identify, token), JSON.stringify(header)).toBe('unauthenticated');
    }
    expect(visits).toBe(0);
    strangers.close();
  });

  test('without a name of its key a token is tried with all that fit', async () => {
    published = [await published1(), await published2()];
    const identify = await start();
    const stranger = await generateKeyPair('RS256');
    for (const { privateKey: key } of [rsa, otherRsa]) {
      expect(await outcomeOf(identify, signed({}, { key }))).toBe('identified');
      const late = signed({ exp: nowSeconds - 31 }, { key });
      expect(await identify(`Bearer ${await late}`)).toMatchObject({
        detail: 'the token has expired',
      });
    }
    const foreign = signed({}, { key: stranger.privateKey });
    expect(await outcomeOf(identify, foreign)).toBe('unauthenticated');
  });
});

describe('rotation', () => {
  test('a new key counts at its first token, however many ask for keys of nobody', async () => {
    const identify = await start();
    expect(await outcomeOf(identify, signed())).toBe('identified');
    published.push(await published2());
    nowMs += 30_000;
    const tokens = Array.from({ length: 50 }, () => signed({}, byTwo()));
    const outcomes = await Promise.all(tokens.map((token) => outcomeOf(identify, token)));
    expect(new Set(outcomes)).toEqual(new Set(['identified']));
    for (let index = 0; index < 50; index += 1) {
      const token = signed({}, { kid: `nobody's ${index}` });
      expect(await outcomeOf(identify, token)).toBe('unauthenticated');
    }
    expect(fetches).toBe(2);
  });

  test('a withdrawn key stops counting within ten minutes, for cached tokens too', async () => {
    const identify = await start();
    const [early, late] = await Promise.all([signed({ sub: 'early' }), signed({ sub: 'late' })]);
    expect(await outcomeOf(identify, early)).toBe('identified');
    nowMs += 4 * minuteMs - 1;
    expect(await outcomeOf(identify, late)).toBe('identified');
    published = [await published2()];
    // Nothing asks the issuer before this: both are remembered, or their keys still fresh.
    nowMs += 2;
    expect(await outcomeOf(identify, signed({ sub: 'later' }))).toBe('identified');
    await expect.poll(() => fetches).toBe(2);
    await expect.poll(() => outcomeOf(identify, late)).toBe('unauthenticated');
    expect(await outcomeOf(identify, early)).toBe('unauthenticated');
  });

  test('it does so although nobody asked in between', async () => {
    const identify = await start();
    const token = await signed();
    expect(await outcomeOf(identify, token)).toBe('identified');
    published = [await published2()];
    nowMs += 9 * minuteMs;
    expect(await outcomeOf(identify, token)).toBe('unauthenticated');
    expect(fetches).toBe(2);
  });

  test('another key under the same name replaces it', async () => {
    const identify = await start();
    const token = await signed();
    expect(await outcomeOf(identify, token)).toBe('identified');
    published = [{ ...(await published2()), kid: 'one' }];
    nowMs += 6 * minuteMs;
    const newer = signed({}, { key: otherRsa.privateKey, kid: 'one' });
    expect(await outcomeOf(identify, newer)).toBe('identified');
    expect(await outcomeOf(identify, token)).toBe('unauthenticated');
  });
});

describe('an issuer in trouble', () => {
  const troubles: Record<string, (response: ServerResponse) => void> = {
    'answers 500': beAway,
    'sends a page': (response) => response.end('<html>maintenance</html>'),
    'sends other JSON': (response) => response.end('{"keys":{}}'),
    'sends no object': (response) => response.end('null'),
    'sends what never ends': (response) => {
      response.write('{"keys":[');
      const more = () => {
        while (response.writable && response.write(' '.repeat(65_536)));
      };
      response.on('drain', more).on('error', () => undefined);
      more();
    },
    'sends elsewhere': (response) => {
      response.writeHead(302, { location: `${jwksUrl}/elsewhere` }).end();
    },
    'hangs up': (response) => response.destroy(),
  };

  test.each(Object.keys(troubles))(
    'that %s is nobody’s fault: 503, and seldom asked',
    async (name) => {
      answer = troubles[name] ?? beAway;
      const identify = await start();
      for (let index = 0; index < 20; index += 1) {
        expect(await outcomeOf(identify, signed({ sub: `${index}` }))).toBe('unavailable');
      }
      expect([fetches, faults]).toEqual([1, 1]);
      answer = publish;
      nowMs += 1_000;
      expect(await outcomeOf(identify, signed())).toBe('identified');
    },
  );

  test('the pauses grow while it lasts', async () => {
    answer = beAway;
    const identify = await start();
    const endMs = nowMs + 10 * minuteMs;
    for (; nowMs < endMs; nowMs += 500) await outcomeOf(identify, signed());
    expect(fetches).toBeGreaterThan(20);
    expect(fetches).toBeLessThan(27);
  });

  test('the last known keys serve on for a day, and nobody waits for it twice', async () => {
    const identify = await start();
    expect(await outcomeOf(identify, signed())).toBe('identified');
    const hanging: ServerResponse[] = [];
    answer = (response) => hanging.push(response);
    nowMs += 6 * minuteMs;
    // The first to come after an idle time waits, then the issuer counts as away.
    const first = outcomeOf(identify, signed({ sub: 'first' }));
    await expect.poll(() => hanging.length).toBe(1);
    for (const response of hanging.splice(0)) beAway(response);
    expect(await first).toBe('identified');
    nowMs += 50 * minuteMs;
    expect(await outcomeOf(identify, signed({ sub: 'second' }))).toBe('identified');
    await expect.poll(() => hanging.length).toBe(1);
    expect(await outcomeOf(identify, signed({ sub: 'third' }))).toBe('identified');
    expect(faults).toBe(1);
    for (const response of hanging.splice(0)) beAway(response);
    await expect.poll(() => faults).toBe(2);
    answer = beAway;
    nowMs += 24 * 60 * minuteMs;
    expect(await outcomeOf(identify, signed({ sub: 'fourth', exp: nowMs }))).toBe('unavailable');
  });

  test('a key it may have published meanwhile is neither taken nor refused', async () => {
    const identify = await start();
    expect(await outcomeOf(identify, signed())).toBe('identified');
    answer = beAway;
    nowMs += 30_000;
    for (let index = 0; index < 20; index += 1) {
      expect(await outcomeOf(identify, signed({ sub: `${index}` }, byTwo()))).toBe('unavailable');
    }
    expect(fetches).toBe(2);
    expect(await outcomeOf(identify, signed({ sub: 'known' }))).toBe('identified');
  });
});
