// The public face: every route of the shop, and a problem for all else. Identity, limits and
// batches are the business of what it is given.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Context, Hono } from 'hono';
import { productIdPattern } from '#lib/constants.ts';
import type { Networks } from '#lib/http/networks.ts';
import { addProbes, type Readiness } from '#lib/http/serve.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import type { Log } from '#lib/telemetry/log.ts';
import type { Span, Tracing } from '#lib/telemetry/tracing.ts';
import type { Admit } from './admit.ts';
import { type Answer, answerUnidentified, refuse } from './answers.ts';
import { createBoards } from './boards.ts';
import { createBuy } from './buy.ts';
import { createClientAddress } from './client-address.ts';
import { answerDocument, type Documents, wayBack } from './documents.ts';
import type { Forward } from './forward.ts';
import type { Identify, Identity } from './identity.ts';
import type { KnownProducts } from './known-products.ts';
import type { EdgeMetrics, RouteName } from './metrics.ts';
import { answerOpenApi } from './openapi.ts';
import { createOperator } from './operator.ts';
import type { OrderEvents } from './order-events.ts';
import { createOrders } from './orders.ts';
import { createProducts } from './products.ts';
import type { PurchaseClient } from './purchase-client.ts';
import type { Refusals } from './refusals.ts';
import type { SignIn } from './sign-in.ts';
import { Unavailable } from './unavailable.ts';

export interface EdgeDependencies {
  readonly identify: Identify;
  readonly refusals: Refusals;
  readonly admit: Admit;
  readonly forward: Forward;
  readonly known: KnownProducts;
  /** Each with connections of its own: what hangs, or is asked too often, holds up no other. */
  readonly catalogue: PurchaseClient;
  readonly purchase: PurchaseClient;
  readonly operators: PurchaseClient;
  readonly redis: RedisClient;
  /** Whose word counts about where a request comes from. */
  readonly trustedProxies: Networks;
  readonly orderEvents: OrderEvents;
  readonly documents: Documents;
  readonly signIn: SignIn;
  readonly pseudonymKey: string;
  readonly metrics: EdgeMetrics;
  readonly tracing: Tracing;
  readonly readiness: Readiness;
  readonly log: Log;
}

type Handler = (context: Context) => Response | Promise<Response>;

interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE' | 'ALL';
  readonly path: string;
  readonly name: RouteName;
  readonly handler: Handler;
}

export function createApp(deps: EdgeDependencies): Hono {
  const app = new Hono();
  const routes = [
    buyRoute(deps),
    ...readRoutes(deps),
    ...operatorRoutes(deps),
    ...documentRoutes(deps),
  ];
  // One handler per route and no middleware: Hono then calls it without composing anything.
  for (const { method, path, name, handler } of routes) {
    app.on(method, path, async (context) => {
      const startedAtMs = performance.now();
      try {
        return await handler(context);
      } finally {
        deps.metrics.answered(name, startedAtMs);
      }
    });
  }
  addProbes(app, deps.readiness);

  const allowed = allowedMethods(routes);
  app.notFound(({ req }) => {
    const methods = allowed(req.path);
    if (methods.length === 0) return refuse('not_found', { detail: 'path: unknown' }).response;
    const allow = methods.join(', ');
    return refuse('method_not_allowed', { detail: `method: use ${allow}`, headers: { allow } })
      .response;
  });
  app.onError((error) => {
    if (!(error instanceof Unavailable)) deps.log.error({ err: error }, 'a request failed');
    return refuse('unavailable').response;
  });
  return app;
}

function buyRoute(deps: EdgeDependencies): Route {
  const buy = createBuy(deps);
  const clientAddress = createClientAddress(deps.trustedProxies);
  const path = '/api/products/:productId/purchase';
  return {
    method: 'POST',
    path,
    name: 'purchase',
    async handler(context) {
      const span = deps.tracing.begin(`POST ${path}`, context.req.header('traceparent'));
      const answer = await buy(
        context.req.raw,
        param(context, 'productId'),
        () => clientAddress(peerOf(context), context.req.header('x-forwarded-for')),
        span,
      );
      deps.metrics.purchaseAnswered(answer.outcome, answer.tier);
      if (span !== undefined) endSpan(span, path, param(context, 'productId'), answer);
      return answer.response;
    },
  };
}

function endSpan(
  span: Span,
  route: string,
  productId: string,
  { outcome, response, tier }: Answer,
): void {
  span.set({
    'http.request.method': 'POST',
    'http.route': route,
    'http.response.status_code': response.status,
    'seckill.outcome': outcome,
    // Anything else would be a stranger's free text.
    ...(productIdPattern.test(productId) ? { 'seckill.product.id': productId } : {}),
    ...(tier === undefined ? {} : { 'seckill.rate_limit.tier': tier }),
  });
  if (response.status >= 500) span.fail(outcome);
  span.end();
}

function readRoutes(deps: EdgeDependencies): Route[] {
  const { redis, pseudonymKey, known } = deps;
  const products = createProducts({ purchase: deps.catalogue, known });
  const orders = createOrders(deps.purchase);
  const boards = createBoards({ redis, pseudonymKey, products });
  const query = ({ req }: Context) => new URL(req.url).searchParams;
  const get = (path: string, name: RouteName, handler: Handler): Route => {
    return { method: 'GET', path, name, handler };
  };
  return [
    get('/api/products', 'products', () => products.list()),
    get('/api/products/:productId', 'products', (context) =>
      products.one(param(context, 'productId')),
    ),
    get('/api/orders', 'orders', (context) =>
      asUser(deps, context, ({ userId }) => orders.list(userId)),
    ),
    get('/api/orders/:orderId', 'orders', (context) =>
      asUser(deps, context, ({ userId }) => orders.one(userId, param(context, 'orderId'))),
    ),
    get('/api/orders/:orderId/events', 'order-events', (context) =>
      asUser(deps, context, ({ userId }) =>
        deps.orderEvents.answer({
          userId,
          orderId: param(context, 'orderId'),
          lastEventId: context.req.header('last-event-id'),
          isHead: context.req.method === 'HEAD',
          disconnect: disconnectOf(context),
        }),
      ),
    ),
    get('/api/products/:productId/leaderboard', 'leaderboard', async (context) => {
      // Whoever sends a valid token also sees their own place; the board itself is for all.
      const identified = await deps.identify(context.req.header('authorization'));
      const userId = identified.outcome === 'identified' ? identified.identity.userId : undefined;
      return boards.ofProduct(param(context, 'productId'), query(context), userId);
    }),
    get('/api/leaderboard/products', 'leaderboard', (context) => boards.ofProducts(query(context))),
  ];
}

function operatorRoutes(deps: EdgeDependencies): Route[] {
  const operator = createOperator({ ...deps, purchase: deps.operators });
  const limitsPath = '/operator/limits';
  const change: Handler = (context) =>
    asOperator(deps, context, ({ userId }) =>
      operator.changeLimit(context.req.raw, param(context, 'tier'), userId),
    );
  const name = 'operator';
  return [
    {
      method: 'GET',
      path: limitsPath,
      name,
      handler: (context) => asOperator(deps, context, () => operator.limits()),
    },
    { method: 'PUT', path: `${limitsPath}/:tier`, name, handler: change },
    { method: 'DELETE', path: `${limitsPath}/:tier`, name, handler: change },
    {
      method: 'ALL',
      path: '/operator/*',
      name,
      handler: (context) => {
        const isOurs = `${context.req.path}/`.startsWith(`${limitsPath}/`);
        if (isOurs) return context.notFound();
        return asOperator(deps, context, ({ userId }) => operator.pass(context.req.raw, userId));
      },
    },
  ];
}

function documentRoutes({ documents, signIn }: EdgeDependencies): Route[] {
  const name = 'document';
  const page = documents.get('/');
  return [
    { method: 'GET', path: '/sign-in.json', name, handler: () => signIn.answer() },
    {
      method: 'GET',
      path: '/signed-in',
      name,
      async handler(context) {
        if (page === undefined || !signIn.isConfigured) {
          return refuse('not_found', { detail: 'path: unknown' }).response;
        }
        return answerDocument(wayBack(page, await signIn.tokenSource()), context.req.raw);
      },
    },
    { method: 'GET', path: '/openapi.json', name, handler: answerOpenApi },
    ...[...documents].map(
      ([path, document]): Route => ({
        method: 'GET',
        path,
        name,
        handler: ({ req }) => answerDocument(document, req.raw),
      }),
    ),
  ];
}

async function asUser(
  { identify }: EdgeDependencies,
  { req }: Context,
  answer: (identity: Identity) => Promise<Response>,
): Promise<Response> {
  const identified = await identify(req.header('authorization'));
  if (identified.outcome !== 'identified') return answerUnidentified(identified).response;
  return answer(identified.identity);
}

function asOperator(
  deps: EdgeDependencies,
  context: Context,
  answer: (identity: Identity) => Promise<Response>,
): Promise<Response> {
  return asUser(deps, context, async (identity) => {
    if (identity.isOperator) return answer(identity);
    return refuse('forbidden', { detail: 'the token\'s scope does not contain "operator"' })
      .response;
  });
}

/** Tells which methods a path has: those of all routes that match it, whatever the method. */
function allowedMethods(routes: readonly Route[]): (path: string) => string[] {
  const patterns = [...routes, ...probeRoutes].map(({ method, path }) => ({
    method,
    pattern: new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/:\w+/g, '[^/]+')}$`),
  }));
  return (path) =>
    patterns
      .filter(({ method, pattern }) => method !== 'ALL' && pattern.test(path))
      .flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method]));
}

const probeRoutes = [
  { method: 'GET', path: '/livez' },
  { method: 'GET', path: '/readyz' },
] as const;

function param(context: Context, name: string): string {
  return context.req.param(name) ?? '';
}

/** Cuts the connection, unless the whole answer has left. */
function disconnectOf(context: Context): () => void {
  const { outgoing } = context.env as { outgoing?: ServerResponse };
  return () => {
    if (outgoing?.writableFinished === false) outgoing.destroy();
  };
}

function peerOf(context: Context): string | undefined {
  const { incoming } = context.env as { incoming?: IncomingMessage };
  return incoming?.socket.remoteAddress;
}
