// Trust inside (decision 13): sinks are reached through gateways that anyone in the cluster may
// use, so the edge signs its batches and purchase signs its events; receivers verify.

import { createHmac, timingSafeEqual } from 'node:crypto';

/** Header of a signed request between functions; the event carries it as `ce_signature`. */
export const signatureHeader = 'x-seckill-signature';

/** Names the operator (URI-encoded) on `/operator/*`; part of what is signed. */
export const operatorHeader = 'x-seckill-operator';

/** Names an operator's change, which is made once; part of what is signed. */
export const operationHeader = 'operation-id';

/** What identifies a request between functions, beside its body. */
export interface RequestSubject {
  readonly method: string;
  /** With its query, encoded as it goes over the wire. */
  readonly path: string;
  /** The operator's header as it is sent, on `/operator/*`. */
  readonly operator?: string | undefined;
  /** The operation's header as it is sent; counts for an operator only. */
  readonly operationId?: string | undefined;
}

/** The subject of a request's signature. Whatever else a header says is not vouched for. */
export function subjectOf({ method, path, operator, operationId }: RequestSubject): string {
  if (operator === undefined) return `${method} ${path}`;
  return `${method} ${path} ${operator}${operationId === undefined ? '' : ` ${operationId}`}`;
}

/**
 * Signs `subject` (what the bytes are for: a batch id, a path) and the bytes themselves with the
 * first of the keys. Hexadecimal, so it is safe as a header.
 */
export function sign(keys: readonly string[], subject: string, bytes: string | Buffer): string {
  const [first] = keys;
  if (first === undefined) throw new Error('there is no signing key');
  return hmac(first, subject, bytes).toString('hex');
}

/** Whether any of the keys made this signature. Constant time in the signature's content. */
export function isSigned(
  keys: readonly string[],
  subject: string,
  bytes: string | Buffer,
  signature: string | undefined,
): boolean {
  if (signature === undefined || !/^[0-9a-f]{64}$/.test(signature)) return false;
  const given = Buffer.from(signature, 'hex');
  return keys.some((key) => timingSafeEqual(hmac(key, subject, bytes), given));
}

function hmac(key: string, subject: string, bytes: string | Buffer): Buffer {
  // The length keeps subject and bytes apart: ('ab', 'c') and ('a', 'bc') sign differently.
  return createHmac('sha256', key)
    .update(`${Buffer.byteLength(subject)}:${subject}`)
    .update(bytes)
    .digest();
}
