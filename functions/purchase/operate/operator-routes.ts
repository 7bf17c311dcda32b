// What operators may do with a sale, over HTTP. The edge lets only their tokens through and names
// the operator in a signed header.

import type { Hono } from 'hono';
import { StoreUnavailable } from '#lib/checker/collect.ts';
import { problem } from '#lib/http/problem.ts';
import { operatorHeader } from '#lib/http/signature.ts';
import type { AppDependencies } from '../app.ts';
import { findSale, listSales, type Sale } from '../catalogue.ts';
import {
  type OperateDependencies,
  openSale,
  pauseSale,
  restockSale,
  warmSale,
} from '../operate.ts';
import { RebuildFailed, whyNotLoaded } from '../recover/await-rows.ts';
import {
  cancelSchema,
  describeIssues,
  eraseSchema,
  logQuerySchema,
  newSaleSchema,
  ordersQuerySchema,
  readJson,
  restockSchema,
  warmSchema,
} from '../requests.ts';
import { readAuditLog } from './audit-log.ts';
import { cancelOrder, UnknownOrder } from './cancel-order.ts';
import { closeSale } from './close-sale.ts';
import { createSale } from './create-sale.ts';
import { addDeadLetterRoutes } from './dead-letter-routes.ts';
import { eraseUser } from './erase-user.ts';
import { ignoreUnsigned } from './ignore-unsigned.ts';
import { Conflict, type Operation, requireProduct, UnknownProduct } from './operation.ts';
import { operationOf } from './operation-of.ts';
import { findOperatorOrder, listOperatorOrders } from './operator-orders.ts';
import { warmSales } from './warm.ts';

type Change = (
  dependencies: OperateDependencies,
  productId: string,
  operation: Operation,
) => Promise<Sale>;

// No object: `constructor` and the like would be changes, too.
const changes: ReadonlyMap<string, Change> = new Map([
  ['warm', warmSale],
  ['open', openSale],
  ['pause', pauseSale],
  ['close', closeSale],
  ['ignore-unsigned', ignoreUnsigned],
]);

export function addOperatorRoutes(app: Hono, dependencies: AppDependencies): void {
  app.use('/operator/*', async (context, next) => {
    if (context.req.header(operatorHeader) === undefined) {
      return problem('forbidden', { detail: 'For operators only.' });
    }
    return next();
  });
  addSaleReads(app, dependencies);
  addSaleChanges(app, dependencies);
  addOrderRoutes(app, dependencies);
  addDeadLetterRoutes(app, dependencies);
  addErasure(app, dependencies);
  app.get('/operator/doctor', async (context) => context.json(await dependencies.doctor()));
}

function addSaleReads(app: Hono, dependencies: AppDependencies): void {
  app.get('/operator/sales', async (context) =>
    context.json({ sales: await listSales(dependencies) }),
  );
  app.get('/operator/sales/:productId', async (context) => {
    const sale = await findSale(dependencies, context.req.param('productId'));
    return sale ? context.json(sale) : problem('unknown_product');
  });
  app.get('/operator/sales/:productId/verify', async (context) =>
    explain(async () => context.json(await dependencies.verify(context.req.param('productId')))),
  );
  app.get('/operator/sales/:productId/log', async (context) => {
    const query = logQuerySchema.safeParse(context.req.query());
    if (!query.success) return problem('malformed', { detail: describeIssues(query.error) });
    const productId = context.req.param('productId');
    return explain(async () => {
      await requireProduct(dependencies.mysql, productId);
      return context.json({
        log: await readAuditLog(dependencies.mysql, productId, query.data.limit),
      });
    });
  });
}

function addSaleChanges(app: Hono, dependencies: AppDependencies): void {
  app.post('/operator/sales', async (context) => {
    const operation = operationOf(context);
    if (operation instanceof Response) return operation;
    const sale = newSaleSchema.safeParse(await readJson(context));
    if (!sale.success) return problem('malformed', { detail: describeIssues(sale.error) });
    return explain(async () => {
      await createSale(dependencies.mysql, sale.data, operation);
      return context.json(await findSale(dependencies, sale.data.productId), 201);
    });
  });
  app.post('/operator/sales/:productId/restock', async (context) => {
    const operation = operationOf(context);
    if (operation instanceof Response) return operation;
    const body = restockSchema.safeParse(await readJson(context));
    if (!body.success) return problem('malformed', { detail: describeIssues(body.error) });
    const productId = context.req.param('productId');
    return explain(async () =>
      context.json(await restockSale(dependencies, productId, operation, body.data.units)),
    );
  });
  app.post('/operator/sales/warm', async (context) => {
    const body = warmSchema.safeParse(await readJson(context));
    if (!body.success) return problem('malformed', { detail: describeIssues(body.error) });
    return context.json({ sales: await warmSales(dependencies, body.data.productIds) });
  });
  app.post('/operator/sales/:productId/reconcile', async (context) => {
    const productId = context.req.param('productId');
    const dryRun = context.req.query('dryRun') !== undefined;
    return explain(async () => context.json(await dependencies.reconcile(productId, dryRun)));
  });
  app.post('/operator/sales/:productId/:change', async (context) => {
    const change = changes.get(context.req.param('change'));
    if (!change) return problem('not_found', { detail: 'There is no such change of a sale.' });
    const operation = operationOf(context);
    if (operation instanceof Response) return operation;
    return explain(async () =>
      context.json(await change(dependencies, context.req.param('productId'), operation)),
    );
  });
}

function addOrderRoutes(app: Hono, dependencies: AppDependencies): void {
  app.get('/operator/orders', async (context) => {
    const query = ordersQuerySchema.safeParse(context.req.query());
    if (!query.success) return problem('malformed', { detail: describeIssues(query.error) });
    return explain(async () => {
      await requireProduct(dependencies.mysql, query.data.productId);
      const page = await listOperatorOrders(dependencies.mysql, query.data);
      return page
        ? context.json(page)
        : problem('malformed', { detail: 'after: no order of this product' });
    });
  });
  app.get('/operator/orders/:orderId', async (context) => {
    const order = await findOperatorOrder(dependencies, context.req.param('orderId'));
    return order ? context.json(order) : unknownOrder();
  });
  app.post('/operator/orders/:orderId/cancel', async (context) => {
    const operation = operationOf(context);
    if (operation instanceof Response) return operation;
    const text = await context.req.text();
    const body = cancelSchema.safeParse(text === '' ? undefined : await readJson(context));
    if (!body.success) return problem('malformed', { detail: describeIssues(body.error) });
    const reason = body.data?.reason ?? null;
    return explain(async () =>
      context.json(
        await cancelOrder(dependencies, context.req.param('orderId'), operation, reason),
      ),
    );
  });
}

function addErasure(app: Hono, dependencies: AppDependencies): void {
  app.post('/operator/erase', async (context) => {
    const operation = operationOf(context);
    if (operation instanceof Response) return operation;
    const body = eraseSchema.safeParse(await readJson(context));
    if (!body.success) return problem('malformed', { detail: describeIssues(body.error) });
    return explain(async () =>
      context.json(await eraseUser(dependencies, body.data.userId, operation)),
    );
  });
}

function unknownOrder(): Response {
  return problem('not_found', { detail: 'orderId: no such order.' });
}

/** Refusals that are the operator's to mend become problems; faults stay faults (503). */
async function explain(answer: () => Promise<Response>): Promise<Response> {
  try {
    return await answer();
  } catch (error) {
    if (error instanceof UnknownProduct) return problem('unknown_product');
    if (error instanceof UnknownOrder) return unknownOrder();
    if (error instanceof StoreUnavailable) {
      return problem('unavailable', { detail: `${error.message}; try again.` });
    }
    if (error instanceof RebuildFailed) {
      return problem('unavailable', { detail: `${whyNotLoaded(error)}.` });
    }
    if (error instanceof Conflict) return problem('conflict', { detail: error.message });
    throw error;
  }
}
