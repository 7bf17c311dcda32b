// Tokens that are signed with a shared key (HS256), verified where they stand: jose asks WebCrypto,
// which hands each one to a thread and back, for many times what the HMAC itself costs. This way
// only ever says yes. Whatever is not plainly right is for jose to judge, and to say why.

import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto';
import {
  decodeProtectedHeader,
  type JWTClaimVerificationOptions,
  type JWTHeaderParameters,
  type JWTPayload,
  UnsecuredJWT,
} from 'jose';

export interface VerifiedToken {
  readonly payload: JWTPayload;
  readonly protectedHeader: JWTHeaderParameters;
}

/** Undefined where somebody else must judge. Throws jose's errors about the claims. */
export type VerifySharedKey = (
  token: string,
  options: JWTClaimVerificationOptions,
) => VerifiedToken | undefined;

/** Nothing else changes how a token is to be read. */
const plainMembers: ReadonlySet<string> = new Set(['alg', 'typ', 'kid']);
/** `{"alg":"none"}`: jose judges the claims of such a token as those of any other. */
const unsecuredHeader = 'eyJhbGciOiJub25lIn0';

export function createVerifySharedKey(key: string): VerifySharedKey {
  const secret = createSecretKey(key, 'utf8');
  // An issuer gives all of its tokens the same header.
  let last: { text: string; header: JWTHeaderParameters | undefined } | undefined;

  return (token, options) => {
    const [headerText = '', payloadText = '', signature = '', ...more] = token.split('.');
    if (more.length > 0) return undefined;
    if (last?.text !== headerText) last = { text: headerText, header: plainHeader(token) };
    const { header } = last;
    if (header === undefined) return undefined;
    const signed = `${headerText}.${payloadText}`;
    const wanted = createHmac('sha256', secret).update(signed).digest('base64url');
    if (!isSame(signature, wanted)) return undefined;
    const unsecured = `${unsecuredHeader}.${payloadText}.`;
    return { payload: UnsecuredJWT.decode(unsecured, options).payload, protectedHeader: header };
  };
}

/** The header of an HS256 token; undefined where it says anything out of the ordinary. */
function plainHeader(token: string): JWTHeaderParameters | undefined {
  try {
    const header = decodeProtectedHeader(token);
    const isPlain = Object.keys(header).every((name) => plainMembers.has(name));
    return isPlain && header.alg === 'HS256' ? { ...header, alg: 'HS256' } : undefined;
  } catch {
    return undefined;
  }
}

/** Compared as text, so that there is one way to write a signature. */
function isSame(given: string, wanted: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(wanted)];
  return a.length === b.length && timingSafeEqual(a, b);
}
