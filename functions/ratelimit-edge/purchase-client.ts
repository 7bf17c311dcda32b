// The hop to `purchase`: kept connections, every request signed (decision 13) and over within a
// time-out. What purchase does not answer is `Unavailable`, never a guess. Node's own client: a
// batch carries many purchases, so its speed is not what counts, but it is there when we start.

import { Agent, type ClientRequest, request as plainRequest } from 'node:http';
import { Agent as TlsAgent, request as tlsRequest } from 'node:https';
import { edgeForwardTimeoutMs } from '#lib/constants.ts';
import {
  operationHeader,
  operatorHeader,
  sign,
  signatureHeader,
  subjectOf,
} from '#lib/http/signature.ts';
import { Unavailable } from './unavailable.ts';

export interface PurchaseRequest {
  readonly method: string;
  /** With its query, encoded as it goes over the wire. */
  readonly path: string;
  /** JSON; none, or '', for no body. */
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Who acts, on `/operator/*`. */
  readonly operatorId?: string;
  /** Under which id, as the operator gave it. */
  readonly operationId?: string | undefined;
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
  /** Closes the connections; what is under way fails. */
  close(): void;
}

const connectTimeoutMs = 1_000;
const agentOptions = {
  keepAlive: true,
  /** More than a handful of slow products can hold at their in-flight limits. */
  maxSockets: 128,
  /** Of an idle connection: shorter than purchase keeps it, so that we are who closes it. */
  timeout: 4_000,
};

export function createPurchaseClient(url: string, signingKeys: readonly string[]): PurchaseClient {
  const { protocol, hostname, port } = new URL(url);
  const isTls = protocol === 'https:';
  const agent = isTls ? new TlsAgent(agentOptions) : new Agent(agentOptions);
  const begin = isTls ? tlsRequest : plainRequest;
  return {
    async request({ timeoutMs = edgeForwardTimeoutMs, body = '', ...request }) {
      const { method, path } = request;
      let overall: NodeJS.Timeout | undefined;
      try {
        const headers = headersOf(request, body, signingKeys);
        const outgoing = begin({ agent, hostname, port, method, path, headers });
        overall = setTimeout(() => {
          outgoing.destroy(new Error(`no answer within ${timeoutMs} ms`));
        }, timeoutMs);
        return await exchange(outgoing, body);
      } catch (error) {
        throw new Unavailable('purchase did not answer', { cause: error });
      } finally {
        clearTimeout(overall);
      }
    },
    close() {
      agent.destroy();
    },
  };
}

function exchange(outgoing: ClientRequest, body: string): Promise<PurchaseResponse> {
  return new Promise((resolve, reject) => {
    outgoing.on('error', reject);
    outgoing.on('socket', (socket) => {
      if (!socket.connecting) return;
      const connecting = setTimeout(() => {
        outgoing.destroy(new Error(`no connection within ${connectTimeoutMs} ms`));
      }, connectTimeoutMs);
      for (const event of ['connect', 'close']) {
        socket.once(event, () => {
          clearTimeout(connecting);
        });
      }
    });
    outgoing.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('error', reject);
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const { statusCode: status = 0, headers } = response;
        resolve({ status, headers, body: Buffer.concat(chunks).toString() });
      });
    });
    outgoing.end(body);
  });
}

function headersOf(
  { method, path, headers, operatorId, operationId }: PurchaseRequest,
  body: string,
  signingKeys: readonly string[],
): Record<string, string> {
  const operator = operatorId === undefined ? undefined : encodeURIComponent(operatorId);
  const subject = subjectOf({ method, path, operator, operationId });
  return {
    ...(body === '' ? {} : { 'content-type': 'application/json' }),
    ...headers,
    // Said by us: for a DELETE Node would send a body without saying where it ends.
    'content-length': String(Buffer.byteLength(body)),
    ...(operator === undefined ? {} : { [operatorHeader]: operator }),
    ...(operationId === undefined ? {} : { [operationHeader]: operationId }),
    [signatureHeader]: sign(signingKeys, subject, body),
  };
}
