// Who asks: a JWT is verified by jose once and then remembered until it ends. Nothing is trusted
// that was not verified, and there is no default key.

import { createRemoteJWKSet, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { userIdBytesMax } from '#lib/constants.ts';
import { createTokenCache } from './token-cache.ts';

export interface Identity {
  readonly userId: string;
  readonly isOperator: boolean;
}

export type Identified =
  | { readonly outcome: 'identified'; readonly identity: Identity }
  | { readonly outcome: 'unauthenticated'; readonly detail: string }
  /** The key set cannot be reached, so nobody can tell. */
  | { readonly outcome: 'unavailable'; readonly detail: string };

/** Takes the value of the `Authorization` header. Never rejects. */
export type Identify = (authorization: string | undefined) => Promise<Identified>;

export interface IdentityConfig {
  /** Exactly one of the two: a secret for HS256, or where the issuer publishes its keys. */
  readonly key?: string | undefined;
  readonly jwksUrl?: string | undefined;
  readonly issuer: string;
  readonly audience: string;
}

const clockSkewSeconds = 30;
const bearerPattern = /^Bearer +([\w-]+\.[\w-]+\.[\w-]*)$/i;
const algorithmsOfKeySets = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
];
const keySetTimeoutMs = 3_000;
/** How soon a key withdrawn by the issuer stops counting, and how long one serves without it. */
const keySetFreshMs = 600_000;
const keySetUsableMs = 86_400_000;

/** Throws where not exactly one of `key` and `jwksUrl` is given. */
export async function createIdentify(
  config: IdentityConfig,
  now: () => number = Date.now,
): Promise<Identify> {
  const { keyFor, algorithms } = await verificationOf(config, now);
  const cache = createTokenCache<Identity>({ rememberMs: keySetFreshMs, now });

  return async (authorization) => {
    if (authorization === undefined) {
      return unauthenticated('the header Authorization: Bearer <token> is missing');
    }
    const token = bearerPattern.exec(authorization)?.[1];
    if (token === undefined) {
      return unauthenticated('the header Authorization must be: Bearer <token>, a signed JWT');
    }
    const known = cache.get(token);
    if (known !== undefined) return { outcome: 'identified', identity: known };
    try {
      const { payload } = await jwtVerify(token, keyFor, {
        algorithms,
        issuer: config.issuer,
        audience: config.audience,
        clockTolerance: clockSkewSeconds,
        currentDate: new Date(now()),
        requiredClaims: ['exp', 'sub'],
      });
      const identity = identityOf(payload);
      cache.set(token, identity, ((payload.exp ?? 0) + clockSkewSeconds) * 1_000);
      return { outcome: 'identified', identity };
    } catch (error) {
      return refusalOf(error);
    }
  };
}

/** The key, or the issuer's key set, and what may be signed with it: never both kinds. */
async function verificationOf(
  { key, jwksUrl }: IdentityConfig,
  now: () => number,
): Promise<{ keyFor: JWTVerifyGetKey; algorithms: string[] }> {
  if (key !== undefined && jwksUrl === undefined) {
    const secret = await crypto.subtle.importKey(
      'raw',
      new TextEncoder().encode(key),
      { name: 'HMAC', hash: 'SHA-256' },
      false,
      ['verify'],
    );
    return { keyFor: () => secret, algorithms: ['HS256'] };
  }
  if (jwksUrl !== undefined && key === undefined) {
    return { keyFor: keySetAt(new URL(jwksUrl), now), algorithms: algorithmsOfKeySets };
  }
  throw new Error('set exactly one of SECKILL_JWT_KEY and SECKILL_JWT_JWKS_URL');
}

class KeysUnavailable extends Error {}

/**
 * jose's key set, which also asks again (at most every 30 s) for a key it has not seen. Ours goes
 * on with the last known keys for a day while the issuer is away.
 */
function keySetAt(url: URL, now: () => number): JWTVerifyGetKey {
  const keys = createRemoteJWKSet(url, {
    timeoutDuration: keySetTimeoutMs,
    cacheMaxAge: keySetUsableMs,
  });
  let reloadedAt = now();
  return async (header, token) => {
    if (now() - reloadedAt > keySetFreshMs) {
      reloadedAt = now();
      keys.reload().catch(() => undefined);
    }
    try {
      return await keys(header, token);
    } catch (error) {
      if (error instanceof errors.JWKSNoMatchingKey) throw error;
      if (error instanceof errors.JWKSMultipleMatchingKeys) throw error;
      if (error instanceof errors.JOSENotSupported) throw error;
      throw new KeysUnavailable('the key set is away', { cause: error });
    }
  };
}

class UnusableSubject extends Error {}

function identityOf({ sub, scope }: JWTPayload): Identity {
  const userId = typeof sub === 'string' ? sub : '';
  const bytes = Buffer.byteLength(userId);
  if (bytes < 1 || bytes > userIdBytesMax) {
    throw new UnusableSubject(`the token's "sub" must have 1 to ${userIdBytesMax} bytes`);
  }
  // Stores compare without trailing spaces, paths drop dots, UTF-8 knows no half characters:
  // each would make one user out of two.
  if (userId !== userId.trim() || /^\.\.?$/.test(userId) || !userId.isWellFormed()) {
    throw new UnusableSubject('the token\'s "sub" must be well-formed, without outer spaces');
  }
  const isOperator = typeof scope === 'string' && scope.split(' ').includes('operator');
  return { userId, isOperator };
}

function refusalOf(error: unknown): Identified {
  if (error instanceof KeysUnavailable) {
    return { outcome: 'unavailable', detail: 'tokens cannot be verified at the moment' };
  }
  if (error instanceof UnusableSubject) return unauthenticated(error.message);
  if (error instanceof errors.JWTExpired) return unauthenticated('the token has expired');
  if (error instanceof errors.JWTClaimValidationFailed) {
    return unauthenticated(`the token's claim "${error.claim}" does not fit`);
  }
  return unauthenticated('the token is not a JWT signed for this service');
}

function unauthenticated(detail: string): Identified {
  return { outcome: 'unauthenticated', detail };
}
