// The page as it is built and served, on a public API with a sale in memory and the faults that
// real servers show only when something breaks: answers that get lost, late, or refused.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { OUTCOMES, type Outcome } from '#lib/outcome.ts';
import { answerDocument, type Documents } from '../documents.ts';
import { buildDocuments } from './documents.ts';
import * as sale from './sale.ts';

/** What happens to a purchase request instead of, or after, being decided. */
export type Fault =
  | { readonly kind: 'lost_before' | 'lost_after' | 'hang' }
  | {
      readonly kind: 'refuse';
      readonly outcome: Outcome;
      readonly retryAfterSeconds?: number;
      readonly members?: Readonly<Record<string, unknown>>;
    };

export interface StandIn {
  readonly url: string;
  sale: sale.Sale;
  /** One for each of the next purchase requests. */
  faults: Fault[];
  /** For every purchase request after those. */
  lastingFault: Fault | undefined;
  /** Every purchase request that arrived. */
  purchases: { readonly key: string; readonly quantity: number }[];
  /** Paths of all requests, without their query. */
  requests: string[];
  /** One for each of the next streams of events: cut after its first event, or without a word. */
  streamFaults: ('cut' | 'silent')[];
  /** `Last-Event-ID` of every stream. */
  lastEventIds: string[];
  /** While set, the API answers 503. */
  isAway: boolean;
  /** Back to an empty sale without faults. */
  reset(): void;
  close(): Promise<void>;
}

/** Builds the page and serves it with the API on a free port of loopback. */
export async function startStandIn(): Promise<StandIn> {
  const documents = await buildDocuments();
  const server = createServer((request, response) => {
    void serve(standIn, documents, request, response);
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening on TCP');
  const fresh = () => ({
    sale: sale.createSale(),
    faults: [],
    lastingFault: undefined,
    purchases: [],
    requests: [],
    streamFaults: [],
    lastEventIds: [],
    isAway: false,
  });
  const standIn: StandIn = {
    url: `http://127.0.0.1:${address.port}`,
    ...fresh(),
    reset() {
      Object.assign(standIn, fresh());
    },
    async close() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
  return standIn;
}

async function serve(
  standIn: StandIn,
  documents: Documents,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? '/', standIn.url);
  standIn.requests.push(pathname);
  const document = documents.get(pathname);
  if (document !== undefined) {
    const { status, headers, body } = answerDocument(document, new Request(standIn.url));
    response.writeHead(status, Object.fromEntries(headers));
    response.end(body === null ? undefined : Buffer.from(await new Response(body).arrayBuffer()));
    return;
  }
  if (pathname === '/sign-in.json') answer(response, {});
  else if (standIn.isAway) refuse(response, 'unavailable', { retryAfterSeconds: 1 });
  else if (request.method === 'POST') await purchase(standIn, pathname, request, response);
  else if (pathname.endsWith('/events')) stream(standIn, pathname, request, response);
  else read(standIn, pathname, searchParams, userOf(request), response);
}

function read(
  standIn: StandIn,
  pathname: string,
  query: URLSearchParams,
  userId: string | undefined,
  response: ServerResponse,
): void {
  const { products, orders } = standIn.sale;
  const [, api, kind, id = '', rest] = pathname.split('/').map(decodeURIComponent);
  const product = products.find(({ productId }) => productId === id);
  if (api !== 'api') refuse(response, 'not_found');
  else if (pathname === '/api/products') {
    answer(response, { products: products.map((one) => sale.productBody(standIn.sale, one)) });
  } else if (pathname === '/api/leaderboard/products') {
    answer(response, sale.hotBody(standIn.sale));
  } else if (kind === 'orders') {
    const order = orders.find(({ orderId }) => orderId === id);
    if (userId === undefined) refuse(response, 'unauthenticated');
    else if (id === '') answer(response, sale.ordersBody(standIn.sale, userId));
    else if (order?.userId === userId) answer(response, sale.orderBody(order));
    else refuse(response, 'not_found');
  } else if (product === undefined) refuse(response, 'unknown_product');
  else if (rest === 'leaderboard') {
    answer(response, sale.boardBody(standIn.sale, query.get('by') ?? 'speed', userId));
  } else answer(response, sale.productBody(standIn.sale, product));
}

function stream(
  standIn: StandIn,
  pathname: string,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const order = standIn.sale.orders.find(({ orderId }) => pathname.includes(orderId));
  let told = String(request.headers['last-event-id'] ?? '');
  standIn.lastEventIds.push(told);
  const fault = standIn.streamFaults.shift();
  if (order === undefined || order.userId !== userOf(request)) refuse(response, 'not_found');
  if (order === undefined || response.headersSent || fault === 'silent') return;
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write('retry: 1000\n\n');
  const look = setInterval(() => {
    if (order.status === told) return;
    told = order.status;
    response.write(`id: ${told}\nevent: order\ndata: ${JSON.stringify(sale.orderBody(order))}\n\n`);
    if (fault === 'cut') setTimeout(() => request.socket.destroy(), 50);
    if (told !== 'accepted') response.end();
  }, 10);
  response.on('close', () => {
    clearInterval(look);
  });
}

async function purchase(
  standIn: StandIn,
  pathname: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const { quantity } = JSON.parse(Buffer.concat(chunks).toString()) as { quantity: number };
  const key = String(request.headers['idempotency-key']);
  standIn.purchases.push({ key, quantity });
  const userId = userOf(request);
  const product = standIn.sale.products.find(({ productId }) =>
    pathname.includes(encodeURIComponent(productId)),
  );
  const fault = standIn.faults.shift() ?? standIn.lastingFault;
  if (fault?.kind === 'hang') return;
  if (fault?.kind === 'lost_before') {
    request.socket.destroy();
  } else if (fault?.kind === 'refuse') {
    refuse(response, fault.outcome, fault);
  } else if (userId === undefined) {
    refuse(response, 'unauthenticated');
  } else if (product === undefined) {
    refuse(response, 'unknown_product');
  } else {
    const { outcome, orderId } = sale.decide(standIn.sale, product, { userId, key, quantity });
    if (fault?.kind === 'lost_after') {
      request.socket.destroy();
    } else if (outcome === 'accepted' || outcome === 'replayed') {
      const { productId } = product;
      answer(response, { orderId, productId, quantity }, OUTCOMES[outcome].status);
    } else {
      refuse(response, outcome, { members: outcome === 'sold_out' ? { left: product.left } : {} });
    }
  }
}

/** The stand-in believes every token. */
function userOf(request: IncomingMessage): string | undefined {
  const payload = request.headers.authorization?.split('.')[1];
  if (payload === undefined) return undefined;
  return (JSON.parse(Buffer.from(payload, 'base64url').toString()) as { sub: string }).sub;
}

/** A token as the page reads it. */
export function tokenFor(userId: string, expiresInSeconds = 3_600): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const exp = Math.floor(Date.now() / 1_000) + expiresInSeconds;
  return `${part({ alg: 'none' })}.${part({ sub: userId, exp })}.signature`;
}

function answer(response: ServerResponse, body: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

function refuse(
  response: ServerResponse,
  outcome: Outcome,
  details: Pick<Extract<Fault, { kind: 'refuse' }>, 'retryAfterSeconds' | 'members'> = {},
): void {
  const { status, title } = OUTCOMES[outcome];
  const { retryAfterSeconds, members } = details;
  response.writeHead(status, {
    'content-type': 'application/problem+json',
    ...(retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) }),
  });
  const type = `urn:seckill:${outcome}`;
  response.end(JSON.stringify({ type, title, status, outcome, ...members }));
}
