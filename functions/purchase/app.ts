// HTTP ↔ domain. Everything but the probes and the tick carries the edge's signature: this
// function is reached through gateways that others in the cluster may use too (decision 13).

import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import type { Diagnosis } from '#lib/diagnosis.ts';
import { problem } from '#lib/http/problem.ts';
import { addProbes, type Readiness } from '#lib/http/serve.ts';
import {
  isSigned,
  operationHeader,
  operatorHeader,
  signatureHeader,
  subjectOf,
} from '#lib/http/signature.ts';
import type { MysqlClient } from '#lib/mysql/connect.ts';
import { productIdOf } from '#lib/order-id.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import type { Log } from '#lib/telemetry/log.ts';
import { noTracing, type Tracing } from '#lib/telemetry/tracing.ts';
import { findSale, listSales, productOf } from './catalogue.ts';
import type { DeadLetters } from './dead-letters/dead-letters.ts';
import { addOperatorRoutes } from './operate/operator-routes.ts';
import { findOrder, listOrders } from './orders.ts';
import type { Decide } from './purchase.ts';
import { describeIssues, purchasesSchema, readJson } from './requests.ts';
import type { Seller } from './sell.ts';
import { traced } from './trace-purchases.ts';
import { UnknownProducts } from './unknown-products.ts';

export interface AppDependencies {
  readonly redis: RedisClient;
  readonly mysql: MysqlClient;
  readonly seller: Seller;
  readonly decide: Decide;
  /** Re-derives a sale from all stores; what `kn-seckill verify` prints. */
  readonly verify: (productId: string) => Promise<object>;
  /** Compares a sale over all stores, and repairs it unless it is a dry run. */
  readonly reconcile: (productId: string, dryRun: boolean) => Promise<object>;
  readonly deadLetters: DeadLetters;
  /** Whether the stores are reachable and rightly set; never fails. */
  readonly doctor: () => Promise<Diagnosis>;
  /** Looks after all sales. */
  readonly tick: () => Promise<void>;
  readonly onUnknownLookup?: (remembered: boolean) => void;
  readonly signingKeys: readonly string[];
  readonly readiness: Readiness;
  readonly log: Log;
  readonly tracing?: Tracing;
}

/** More than the fullest batch of the edge. */
const bodyBytesMax = 1_048_576;

export function createApp(dependencies: AppDependencies): Hono {
  const { readiness, log } = dependencies;
  const app = new Hono();
  app.onError((error) => {
    log.warn({ err: error }, 'a request could not be answered');
    return problem('unavailable', { detail: 'A store is away; try again.' });
  });
  app.notFound(() => problem('not_found'));
  addProbes(app, readiness);
  // Whatever sends CloudEvents cannot sign; a tick only makes us do what we would do anyway.
  app.post('/tick', async (context) => {
    await dependencies.tick();
    return context.body(null, 204);
  });
  // Before anything is read: whoever has no key could fill our memory.
  limitBody(app);
  requireSignature(app, dependencies.signingKeys);
  addPurchaseRoute(app, dependencies);
  addReadRoutes(app, dependencies);
  addOperatorRoutes(app, dependencies);
  return app;
}

function limitBody(app: Hono): void {
  const onError = () => problem('too_large');
  const whileReading = bodyLimit({ maxSize: bodyBytesMax, onError });
  app.use((context, next) => {
    const length = context.req.header('content-length');
    // Hono's makes a stream of every body; one that says how long it is can be read at once.
    if (length === undefined) return whileReading(context, next);
    return Number(length) > bodyBytesMax ? Promise.resolve(onError()) : next();
  });
}

function requireSignature(app: Hono, keys: readonly string[]): void {
  app.use(async (context, next) => {
    const { method, url } = context.req;
    const { pathname, search } = new URL(url);
    const subject = subjectOf({
      method,
      path: pathname + search,
      operator: context.req.header(operatorHeader),
      operationId: context.req.header(operationHeader),
    });
    const body = await context.req.text();
    if (!isSigned(keys, subject, body, context.req.header(signatureHeader))) {
      return problem('unauthenticated', { detail: 'The signature is missing or wrong.' });
    }
    return next();
  });
}

function addPurchaseRoute(app: Hono, { decide, tracing = noTracing }: AppDependencies): void {
  const decideTraced = traced(tracing, decide);
  app.post('/products/:productId/purchases', async (context) => {
    const body = purchasesSchema.safeParse(await readJson(context));
    if (!body.success) return problem('malformed', { detail: describeIssues(body.error) });
    const { purchases } = body.data;
    const productId = context.req.param('productId');
    // It would be accepted here, and refused as unreadable by every sink.
    if (purchases.some(({ orderId }) => productIdOf(orderId) !== productId)) {
      return problem('malformed', { detail: 'orderId: is of another product' });
    }
    const answers = await decideTraced(productId, purchases);
    return context.json({ answers });
  });
}

function addReadRoutes(app: Hono, dependencies: AppDependencies): void {
  const unknown = new UnknownProducts();
  app.get('/products', async (context) => {
    const sales = await listSales(dependencies);
    return context.json({ products: sales.map(productOf) });
  });
  app.get('/products/:productId', async (context) => {
    const productId = context.req.param('productId');
    const isKnown = !unknown.has(productId);
    dependencies.onUnknownLookup?.(!isKnown);
    const sale = isKnown ? await findSale(dependencies, productId) : undefined;
    if (sale) return context.json(productOf(sale));
    if (isKnown) unknown.add(productId);
    return problem('unknown_product');
  });
  app.get('/orders/:orderId', async (context) => {
    const userId = context.req.query('userId') ?? '';
    const order = await findOrder(dependencies, context.req.param('orderId'), userId);
    if (order === 'forbidden') return problem('forbidden', { detail: 'orderId: not your order.' });
    return order
      ? context.json(order)
      : problem('not_found', { detail: 'orderId: no such order.' });
  });
  app.get('/users/:userId/orders', async (context) =>
    context.json({ orders: await listOrders(dependencies, context.req.param('userId')) }),
  );
}
