// Who asks: a JWT is verified by jose, and one of a key set then remembered until it ends; of a
// shared key only the HMAC is ours, and costs less than remembering. Nothing is trusted that was
// not verified, and there is no default key.

import {
  errors,
  type JWTHeaderParameters,
  type JWTPayload,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
  type JWTVerifyResult,
  jwtVerify,
} from 'jose';
import { userIdBytesMax } from '#lib/constants.ts';
import { createKeySet, type KeySetOptions, KeysUnavailable, keySetFreshMs } from './key-set.ts';
import { createVerifySharedKey, type VerifiedToken } from './shared-key.ts';
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

export interface IdentityOptions {
  readonly now?: () => number;
  /** The issuer did not give its keys. */
  readonly onFault?: (error: unknown) => void;
}

const clockSkewSeconds = 30;
/** Providers' tokens have one or two thousand; a header may hold sixteen. */
const tokenCharactersMax = 8_192;
const bearerPattern = /^Bearer +([\w-]+\.[\w-]+\.[\w-]*)$/i;
/** Access tokens (RFC 9068), and those that do not say: not what the issuer signs for others. */
const typesTaken: readonly unknown[] = [undefined, 'jwt', 'at+jwt'];
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
  'Ed25519',
];

/** Throws where not exactly one of `key` and `jwksUrl` is given. */
export async function createIdentify(
  config: IdentityConfig,
  { now = Date.now, onFault = () => undefined }: IdentityOptions = {},
): Promise<Identify> {
  const cache = createTokenCache<Identity>({ rememberMs: keySetFreshMs, now });
  const onWithdrawn = () => {
    cache.clear();
  };
  const { keyFor, algorithms } = await verificationOf(config, { now, onFault, onWithdrawn });
  const bySharedKey = config.key === undefined ? undefined : createVerifySharedKey(config.key);

  const optionsAt = (currentDate: Date) => ({
    algorithms,
    issuer: config.issuer,
    audience: config.audience,
    clockTolerance: clockSkewSeconds,
    currentDate,
    requiredClaims: ['exp', 'sub'],
  });
  const identityIn = ({ payload, protectedHeader }: VerifiedToken, nowMs: number) =>
    identityOf(payload, protectedHeader, nowMs + clockSkewSeconds * 1_000);

  async function verified(token: string): Promise<Identified> {
    const nowMs = now();
    const options = optionsAt(new Date(nowMs));
    const known = bySharedKey?.(token, options);
    if (known !== undefined) return { outcome: 'identified', identity: identityIn(known, nowMs) };
    const found = await verifyWithAnyKey(token, keyFor, options);
    const identity = identityIn(found, nowMs);
    cache.set(token, identity, ((found.payload.exp ?? 0) + clockSkewSeconds) * 1_000);
    return { outcome: 'identified', identity };
  }

  return async (authorization) => {
    if (authorization === undefined) {
      return unauthenticated('the header Authorization: Bearer <token> is missing');
    }
    if (authorization.length > tokenCharactersMax) {
      return unauthenticated(`the token is longer than ${tokenCharactersMax} characters`);
    }
    const token = bearerPattern.exec(authorization)?.[1];
    if (token === undefined) {
      return unauthenticated('the header Authorization must be: Bearer <token>, a signed JWT');
    }
    const known = cache.get(token);
    if (known !== undefined) return { outcome: 'identified', identity: known };
    try {
      return await verified(token);
    } catch (error) {
      return refusalOf(error);
    }
  };
}

/** The key, or the issuer's key set, and what may be signed with it: never both kinds. */
async function verificationOf(
  { key, jwksUrl }: IdentityConfig,
  keySetOptions: Omit<KeySetOptions, 'url'>,
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
    const keyFor = createKeySet({ ...keySetOptions, url: new URL(jwksUrl) });
    return { keyFor, algorithms: algorithmsOfKeySets };
  }
  throw new Error('set exactly one of SECKILL_JWT_KEY and SECKILL_JWT_JWKS_URL');
}

/** Like `jwtVerify`, also for tokens that do not name their key while several are published. */
async function verifyWithAnyKey(
  token: string,
  keyFor: JWTVerifyGetKey,
  options: JWTVerifyOptions,
): Promise<JWTVerifyResult> {
  try {
    return await jwtVerify(token, keyFor, options);
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    for await (const key of error) {
      try {
        return await jwtVerify(token, key, options);
      } catch (reason) {
        if (!(reason instanceof errors.JWSSignatureVerificationFailed)) throw reason;
      }
    }
    throw error;
  }
}

/** Signed by the issuer, but nobody's token for us. */
class UnusableToken extends Error {}

/** What jose leaves to us: the kind of token, its times' sanity, and the subject's. */
function identityOf(payload: JWTPayload, header: JWTHeaderParameters, latestMs: number): Identity {
  const { sub, exp, iat, scope, scp } = payload;
  const type = header.typ?.toLowerCase().replace(/^application\//, '');
  if (!typesTaken.includes(type)) throw new UnusableToken('the token is not an access token');
  if (!Number.isFinite(exp)) throw new UnusableToken('the token\'s claim "exp" does not fit');
  if (iat !== undefined && iat * 1_000 > latestMs) {
    throw new UnusableToken('the token\'s claim "iat" does not fit');
  }
  const isOperator = [scope, scp].some(namesOperator);
  return { userId: userIdOf(sub), isOperator };
}

/** OAuth's list in one text, as `scope` or as `scp` calls it; some issuers make `scp` a list. */
function namesOperator(scopes: unknown): boolean {
  const list = typeof scopes === 'string' ? scopes.split(' ') : scopes;
  return Array.isArray(list) && list.includes('operator');
}

function userIdOf(sub: unknown): string {
  const userId = typeof sub === 'string' ? sub : '';
  const bytes = Buffer.byteLength(userId);
  if (bytes < 1 || bytes > userIdBytesMax) {
    throw new UnusableToken(`the token's "sub" must have 1 to ${userIdBytesMax} bytes`);
  }
  // Stores compare without trailing spaces, paths drop dots, UTF-8 knows no half characters:
  // each would make one user out of two.
  if (userId !== userId.trim() || /^\.\.?$/.test(userId) || !userId.isWellFormed()) {
    throw new UnusableToken('the token\'s "sub" must be well-formed, without outer spaces');
  }
  return userId;
}

function refusalOf(error: unknown): Identified {
  if (error instanceof KeysUnavailable) {
    return { outcome: 'unavailable', detail: 'tokens cannot be verified at the moment' };
  }
  if (error instanceof UnusableToken) return unauthenticated(error.message);
  if (error instanceof errors.JWTExpired) return unauthenticated('the token has expired');
  if (error instanceof errors.JWTClaimValidationFailed) {
    return unauthenticated(`the token's claim "${error.claim}" does not fit`);
  }
  return unauthenticated('the token is not a JWT signed for this service');
}

function unauthenticated(detail: string): Identified {
  return { outcome: 'unauthenticated', detail };
}
