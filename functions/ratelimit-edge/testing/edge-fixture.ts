// For tests: the edge on a real port, with a `purchase` of the test's own behind it that can be
// made to fail, and tokens for it.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Hono } from 'hono';
import { SignJWT } from 'jose';
import { Registry } from 'prom-client';
import { type Networks, noNetworks } from '#lib/http/networks.ts';
import { close, createReadiness, listen } from '#lib/http/serve.ts';
import {
  isSigned,
  operationHeader,
  operatorHeader,
  signatureHeader,
  subjectOf,
} from '#lib/http/signature.ts';
import { connectRedis, type RedisClient } from '#lib/redis/connect.ts';
import { createLog, type Log } from '#lib/telemetry/log.ts';
import { noTracing } from '#lib/telemetry/tracing.ts';
import { createAdmit } from '../admit.ts';
import { createApp, type EdgeDependencies } from '../app.ts';
import type { Documents } from '../documents.ts';
import { createForward, type ForwardedPurchase } from '../forward.ts';
import { createIdentify } from '../identity.ts';
import { createKnownProducts } from '../known-products.ts';
import { createLimitsNow } from '../limits-now.ts';
import { createEdgeMetrics } from '../metrics.ts';
import { createOrderEvents, orderEventsLimits } from '../order-events.ts';
import { createOrders } from '../orders.ts';
import { createPurchaseClient } from '../purchase-client.ts';
import { createRefusals } from '../refusals.ts';
import { createSendBatch } from '../send-batch.ts';
import { createSignIn } from '../sign-in.ts';

const jwtKey = 'a-key-of-the-tests-with-more-than-32-characters';
const signingKeys = ['a-signing-key-of-the-tests-with-32-or-more'];
export const pseudonymKey = 'a-pseudonym-key-of-the-tests-with-32-or-more';

/** What `main.ts` reads, for an edge that takes the tokens of `tokenFor`. */
export function environmentFor(redisUrl: string, purchaseUrl: string): Record<string, string> {
  return {
    SECKILL_REDIS_URL: redisUrl,
    SECKILL_PURCHASE_URL: purchaseUrl,
    SECKILL_JWT_KEY: jwtKey,
    SECKILL_SIGNING_KEYS: signingKeys.join(','),
    SECKILL_PSEUDONYM_KEY: pseudonymKey,
  };
}

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly body: string;
  readonly isSigned: boolean;
  readonly headers: IncomingMessage['headers'];
}

export interface FakePurchase {
  readonly url: string;
  readonly seen: SeenRequest[];
  /** How often it was asked whether it is ready, which is not among the seen. */
  wakes: number;
  /** What it does with a request; by default every purchase is accepted. */
  answer: (request: SeenRequest, response: ServerResponse) => void;
  close(): Promise<void>;
}

/** Answers a batch with one answer per purchase. */
export function answerBatch(
  { body }: SeenRequest,
  response: ServerResponse,
  answerOf: (purchase: ForwardedPurchase) => object,
): void {
  const { purchases } = JSON.parse(body) as { purchases: ForwardedPurchase[] };
  response.end(JSON.stringify({ answers: purchases.map(answerOf) }));
}

export const acceptAll: FakePurchase['answer'] = (request, response) => {
  answerBatch(request, response, ({ quantity }) => ({ outcome: 'accepted', quantity }));
};

export async function startFakePurchase(): Promise<FakePurchase> {
  const seen: SeenRequest[] = [];
  const server = createServer((incoming, response) => {
    void readAll(incoming).then((body) => {
      const { method = '', url: path = '', headers } = incoming;
      if (path === '/readyz') {
        fake.wakes += 1;
        response.end('ready');
        return;
      }
      const [operator, operationId] = [operatorHeader, operationHeader].map(
        (name) => headers[name] as string | undefined,
      );
      const subject = subjectOf({ method, path, operator, operationId });
      const signature = String(headers[signatureHeader]);
      const signed = isSigned(signingKeys, subject, body, signature);
      const request = { method, path, body, headers, isSigned: signed };
      seen.push(request);
      response.setHeader('content-type', 'application/json');
      fake.answer(request, response);
    });
  });
  const port = await listenOnLoopback(server);
  const fake: FakePurchase = {
    url: `http://127.0.0.1:${port}`,
    seen,
    wakes: 0,
    answer: acceptAll,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return fake;
}

async function readAll(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

async function listenOnLoopback(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening on TCP');
  return address.port;
}

/** Where nobody listens. */
export const awayRedisUrl = 'redis://127.0.0.1:1';
export const awayPurchaseUrl = 'http://127.0.0.1:1';

export interface Edge {
  readonly app: Hono;
  readonly url: string;
  readonly port: number;
  readonly redis: RedisClient;
  readonly registry: Registry;
  readonly log: Log;
  /** Sends a purchase of one unit, unless told otherwise. */
  buy(options: BuyOptions): Promise<Response>;
  /** Ends the streams, as the first step of leaving. */
  endStreams(): void;
  stop(): Promise<void>;
}

export interface BuyOptions {
  readonly productId?: string;
  readonly token?: string;
  readonly key?: string;
  readonly quantity?: unknown;
  readonly headers?: Record<string, string>;
}

export async function startEdge(
  redisUrl: string,
  purchaseUrl: string,
  documents: Documents = new Map(),
  trustedProxies: Networks = noNetworks,
  overrides: Partial<EdgeDependencies> = {},
  limits: Partial<typeof orderEventsLimits> = {},
): Promise<Edge> {
  const log = createLog('test', 'silent');
  const redis = connectRedis({ urls: [redisUrl] }, log);
  const registry = new Registry();
  const metrics = createEdgeMetrics(registry);
  const purchase = createPurchaseClient(purchaseUrl, signingKeys);
  const known = createKnownProducts(redis);
  const readiness = createReadiness();
  const orderEvents = createOrderEvents({
    redis,
    orders: createOrders(purchase),
    metrics,
    limits: { ...orderEventsLimits, ...limits },
  });
  const tracing = overrides.tracing ?? noTracing;
  const app = createApp({
    identify: await createIdentify({ key: jwtKey, issuer: 'seckill', audience: 'seckill' }),
    refusals: createRefusals(redis),
    admit: createAdmit({ redis, limitsNow: createLimitsNow(redis) }),
    forward: createForward({
      sendBatch: createSendBatch({ purchase, log, metrics }),
      ...{ known, tracing },
    }),
    known,
    ...{ catalogue: purchase, purchase, operators: purchase },
    redis,
    trustedProxies,
    orderEvents,
    documents,
    signIn: createSignIn(undefined),
    pseudonymKey,
    ...{ metrics, tracing, readiness, log },
    ...overrides,
  });
  if (redisUrl !== awayRedisUrl) {
    await new Promise<void>((resolve) => redis.once('ready', resolve));
  }
  const { server, port } = await listen(app, { host: '127.0.0.1', port: 0, log });
  readiness.markReady();
  const url = `http://127.0.0.1:${port}`;
  return {
    app,
    url,
    port,
    redis,
    registry,
    log,
    buy: (options) => buy(url, options),
    endStreams: () => {
      orderEvents.close();
    },
    async stop() {
      orderEvents.close();
      await close(server, 1_000);
      purchase.close();
      redis.disconnect();
    },
  };
}

async function buy(url: string, options: BuyOptions): Promise<Response> {
  const { productId = 'p1', key = 'key-of-the-test', quantity = 1, headers } = options;
  const token = options.token ?? (await tokenFor('user'));
  return fetch(`${url}/api/products/${productId}/purchase`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'idempotency-key': key,
      'content-type': 'application/json',
      ...headers,
    },
    body: JSON.stringify({ quantity }),
  });
}

/** A token for an hour that the edge of `startEdge` takes. */
export async function tokenFor(userId: string, scope?: string): Promise<string> {
  return new SignJWT(scope === undefined ? {} : { scope })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(userId)
    .setIssuer('seckill')
    .setAudience('seckill')
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(jwtKey));
}
