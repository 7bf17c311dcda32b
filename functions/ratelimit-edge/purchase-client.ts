// The hop to `purchase`: one pool of connections, every request signed (decision 13) and over
// within a time-out. What purchase does not answer is `Unavailable`, never a guess.

import { Pool } from 'undici';
import { edgeForwardTimeoutMs } from '#lib/constants.ts';
import { operatorHeader, sign, signatureHeader } from '#lib/http/signature.ts';
import { Unavailable } from './unavailable.ts';

export interface PurchaseRequest {
  readonly method: string;
  /** With its query, encoded as it goes over the wire. */
  readonly path: string;
  /** JSON. */
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Who acts, on `/operator/*`. */
  readonly operatorId?: string;
  readonly timeoutMs?: number;
}

export interface PurchaseResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

export interface PurchaseClient {
  /** Rejects with `Unavailable` only. */
  request(request: PurchaseRequest): Promise<PurchaseResponse>;
  /** Waits for requests under way. */
  close(): Promise<void>;
}

/** More than a handful of slow products can hold at their in-flight limits. */
const connections = 128;
const connectTimeoutMs = 1_000;

export function createPurchaseClient(url: string, signingKeys: readonly string[]): PurchaseClient {
  const pool = new Pool(new URL(url).origin, {
    connections,
    // A request behind another on the same connection would wait for that one's lock turn.
    pipelining: 1,
    connect: { timeout: connectTimeoutMs },
  });
  return {
    async request({ timeoutMs = edgeForwardTimeoutMs, ...request }) {
      const deadline = new AbortController();
      const timer = setTimeout(() => {
        deadline.abort();
      }, timeoutMs);
      try {
        const response = await pool.request({
          method: request.method,
          path: request.path,
          headers: headersOf(request, signingKeys),
          body: request.body === undefined || request.body === '' ? null : request.body,
          signal: deadline.signal,
        });
        const body = await response.body.text();
        return { status: response.statusCode, headers: response.headers, body };
      } catch (error) {
        throw new Unavailable('purchase did not answer', { cause: error });
      } finally {
        clearTimeout(timer);
      }
    },
    close: () => pool.close(),
  };
}

function headersOf(
  { method, path, body = '', headers, operatorId }: PurchaseRequest,
  signingKeys: readonly string[],
): Record<string, string> {
  const operator = operatorId === undefined ? undefined : encodeURIComponent(operatorId);
  const subject = `${method} ${path}${operator === undefined ? '' : ` ${operator}`}`;
  return {
    ...(body === '' ? {} : { 'content-type': 'application/json' }),
    ...headers,
    ...(operator === undefined ? {} : { [operatorHeader]: operator }),
    [signatureHeader]: sign(signingKeys, subject, body),
  };
}
