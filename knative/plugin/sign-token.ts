// Signs tokens as the edge takes them: JWT, HS256. By hand, since jose signs through WebCrypto, one
// job each: two seconds for 10,000 tokens, of which this takes a tenth. The test lets jose verify.

import { createHmac } from 'node:crypto';
import { userIdBytesMax } from '#lib/constants.ts';

export interface TokenClaims {
  readonly userId: string;
  readonly isOperator: boolean;
  readonly issuer: string;
  readonly audience: string;
  /** Epoch seconds. */
  readonly issuedAt: number;
  readonly expiresAt: number;
}

const header = encode({ alg: 'HS256', typ: 'JWT' });

export function signToken(key: string, claims: TokenClaims): string {
  const payload = encode({
    iss: claims.issuer,
    aud: claims.audience,
    sub: claims.userId,
    iat: claims.issuedAt,
    exp: claims.expiresAt,
    ...(claims.isOperator ? { scope: 'operator' } : {}),
  });
  const signed = `${header}.${payload}`;
  return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`;
}

/** Why the edge would not take this user id; undefined where it would. */
export function faultOfUserId(userId: string): string | undefined {
  const bytes = Buffer.byteLength(userId);
  if (bytes < 1 || bytes > userIdBytesMax) return `must have 1 to ${userIdBytesMax} bytes`;
  if (userId !== userId.trim()) return 'must not begin or end with a space';
  if (/^\.\.?$/.test(userId)) return 'must not be . or ..';
  return userId.isWellFormed() ? undefined : 'must be well-formed text';
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
