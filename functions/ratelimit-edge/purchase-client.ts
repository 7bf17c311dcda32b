// The hop to `purchase`: kept connections, every request signed (decision 13) and over within a
// time-out, few waiting for a connection, no answer larger than it may be. What purchase does not
// answer is `Unavailable`, never a guess. Node's own client: a batch carries many purchases, so its
// speed is not what counts, but it is there when we start.

import { Agent, type ClientRequest, request as plainRequest } from 'node:http';
import { Agent as TlsAgent, request as tlsRequest } from 'node:https';
import type { Socket } from 'node:net';
import { edgeBatchesInFlightMax, edgeForwardTimeoutMs } from '#lib/constants.ts';
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
  /** Of an answer's body; one that is larger is none. */
  readonly bytesMax?: number;
  /**
   * Sent twice it does no more than once. A GET is; a batch is by its order ids, and an answer to
   * its second run is as true as to its first.
   */
  readonly isRepeatable?: boolean;
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
const answerBytesMax = 8 * 1_024 * 1_024;
/** In all: so many more than there are connections wait for one. */
const requestsMax = 2 * edgeBatchesInFlightMax;
const agentOptions = {
  keepAlive: true,
  maxSockets: edgeBatchesInFlightMax,
  /** Of an idle connection: shorter than purchase keeps it, so that we are who closes it. */
  timeout: 4_000,
};

export function createPurchaseClient(url: string, signingKeys: readonly string[]): PurchaseClient {
  const { protocol, hostname, port } = new URL(url);
  const isTls = protocol === 'https:';
  const agent = isTls ? new TlsAgent(agentOptions) : new Agent(agentOptions);
  const begin = isTls ? tlsRequest : plainRequest;
  let underWay = 0;

  const attempt = async (request: PurchaseRequest, giveUpAtMs: number) => {
    const { method, path, body = '', bytesMax = answerBytesMax } = request;
    const headers = headersOf(request, body, signingKeys);
    const outgoing = begin({ agent, hostname, port, method, path, headers });
    const overall = setTimeout(() => {
      outgoing.destroy(new Error('no answer in time'));
    }, giveUpAtMs - performance.now());
    try {
      return await exchange(outgoing, body, bytesMax);
    } finally {
      clearTimeout(overall);
    }
  };

  return {
    async request(request) {
      if (underWay >= requestsMax) throw new Unavailable('too much is asked of purchase');
      const { timeoutMs = edgeForwardTimeoutMs, isRepeatable = request.method === 'GET' } = request;
      const giveUpAtMs = performance.now() + timeoutMs;
      underWay += 1;
      try {
        return await attempt(request, giveUpAtMs).catch((error: unknown) => {
          if (isRepeatable && error instanceof StaleConnection) return attempt(request, giveUpAtMs);
          throw error;
        });
      } catch (error) {
        throw new Unavailable('purchase did not answer', { cause: error });
      } finally {
        underWay -= 1;
      }
    },
    close() {
      agent.destroy();
    },
  };
}

/**
 * A kept connection ended before a byte of the answer came. Most likely it was closed just as we
 * sent, and nobody has read the request; that somebody has cannot be told from here.
 */
class StaleConnection extends Error {}

function exchange(
  outgoing: ClientRequest,
  body: string,
  bytesMax: number,
): Promise<PurchaseResponse> {
  return new Promise((resolve, reject) => {
    let bytesReadBefore = 0;
    outgoing.on('error', (error: NodeJS.ErrnoException) => {
      const isClosed = error.code === 'ECONNRESET' || error.code === 'EPIPE';
      const isUnheard = outgoing.socket?.bytesRead === bytesReadBefore;
      const isStale = isClosed && isUnheard && outgoing.reusedSocket;
      reject(isStale ? new StaleConnection(error.message, { cause: error }) : error);
    });
    outgoing.on('socket', (socket) => {
      bytesReadBefore = socket.bytesRead;
      if (socket.connecting) limitConnecting(outgoing, socket);
    });
    outgoing.on('response', (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('error', reject);
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        chunks.push(chunk);
        if (bytes > bytesMax) outgoing.destroy(new Error(`more than ${bytesMax} bytes`));
      });
      response.on('end', () => {
        const { statusCode: status = 0, headers } = response;
        resolve({ status, headers, body: Buffer.concat(chunks).toString() });
      });
    });
    outgoing.end(body);
  });
}

function limitConnecting(outgoing: ClientRequest, socket: Socket): void {
  const connecting = setTimeout(() => {
    outgoing.destroy(new Error(`no connection within ${connectTimeoutMs} ms`));
  }, connectTimeoutMs);
  for (const event of ['connect', 'close']) {
    socket.once(event, () => {
      clearTimeout(connecting);
    });
  }
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
