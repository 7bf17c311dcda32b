// What the edge's /openapi.json says of sales and orders is what is answered here: each operation
// is driven once on real stores, and no route of operators is left out.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { answerOpenApi } from '#functions/ratelimit-edge/openapi.ts';
import { faultOf, type OpenApi } from '#lib/testing/documented.ts';
import { uniqueProductId } from '#lib/testing/unique.ts';
import { aLetter, type LetterBench, openLetterBench } from '../dead-letters/letters-fixture.ts';
import { eventLogOf } from '../recover/read-events.ts';
import { reconcile } from '../recover/reconcile.ts';
import { type TestApp, verdictOf } from '../testing/app-fixture.ts';
import { aPurchase, type Bench, type Instance, log } from '../testing/purchase-fixture.ts';

let on: LetterBench;
let bench: Bench;
let instance: Instance;
let app: TestApp;
let document: OpenApi;
const driven = new Set<string>();
beforeAll(async () => {
  on = await openLetterBench();
  ({ bench, instance } = on);
  app = on.appWith({}, { reconcile: reconcileThere });
  document = (await answerOpenApi().json()) as OpenApi;
});
afterAll(() => on.close());

/** As `main.ts` does it, where both sinks have answered for everything. */
function reconcileThere(productId: string, dryRun: boolean) {
  const { redis, mysql, kafka, signingKeys } = bench;
  const { readEvents } = eventLogOf({ kafka, signingKeys });
  const readProgress = () =>
    Promise.resolve({ committed: new Map(), ends: new Map(), complete: true });
  const { seller, publisher } = instance;
  const stores = { redis, mysql, seller, publisher, log, readEvents, readProgress };
  return reconcile(stores, productId, { dryRun, deep: true });
}

/** Asks, and holds the answer against the document. */
async function drive(
  operation: string,
  ids: Readonly<Partial<Record<'productId' | 'orderId' | 'operationId', string>>> = {},
  { body, query = '', status = 200 }: { body?: object; query?: string; status?: number } = {},
) {
  const [method = '', path = ''] = operation.split(' ');
  const real = path.replace(/\{(\w+)\}/g, (_, name: 'productId') => ids[name] ?? '');
  const call = { operator: 'ann', operationId: crypto.randomUUID(), ...(body ? { body } : {}) };
  const answer = await app.call(method, `${real}${query}`, call);
  expect(answer.status, `${operation}: ${JSON.stringify(answer.body)}`).toBe(status);
  const responses = document.paths[path]?.[method.toLowerCase()]?.responses ?? {};
  const [media] = Object.values(responses[String(status)]?.content ?? {});
  expect(media, `${operation} ${status} is not documented`).toBeDefined();
  expect(faultOf(document, media?.schema, answer.body), operation).toBeUndefined();
  driven.add(operation);
  return answer.body;
}

test('what operators are answered is what is documented', async () => {
  const productId = uniqueProductId();
  const ofSale = '/operator/sales/{productId}';
  const sale = { productId, name: 'Schuh', stock: 5, unitPrice: 9_900, limitPerUser: 2 };
  await drive('POST /operator/sales', {}, { body: sale, status: 201 });
  await drive('POST /operator/sales', {}, { body: { ...sale, stock: 6 }, status: 409 });
  await drive('POST /operator/sales/warm', {}, { body: { productIds: [productId, 'none'] } });
  for (const change of ['warm', 'open', 'pause', 'open', 'ignore-unsigned']) {
    await drive(`POST ${ofSale}/${change}`, { productId });
  }
  await drive(`POST ${ofSale}/restock`, { productId }, { body: { units: 2 } });
  const purchases = [1, 2].map((quantity) => aPurchase(productId, { quantity }));
  await instance.seller.purchase(productId, purchases);
  expect(await verdictOf(bench, app, productId)).toMatchObject({ ok: true });
  await drive('GET /operator/sales');
  await drive(`GET ${ofSale}`, { productId });
  await drive(`GET ${ofSale}/verify`, { productId });
  await drive('GET /operator/orders', {}, { query: `?productId=${productId}&limit=1` });
  const orderId = purchases[1]?.orderId ?? '';
  await drive('GET /operator/orders/{orderId}', { orderId });
  const body = { reason: 'not paid' };
  await drive('POST /operator/orders/{orderId}/cancel', { orderId }, { body });
  await drive('POST /operator/orders/{orderId}/cancel', { orderId: 'x.y' }, { status: 404 });
  await drive('GET /operator/orders', {}, { query: `?productId=${productId}` });
  await drive(`POST ${ofSale}/reconcile`, { productId });
  const person = { userId: purchases[1]?.userId };
  await drive('POST /operator/erase', {}, { body: person, status: 409 });
  await drive(`POST ${ofSale}/close`, { productId });
  await drive(`POST ${ofSale}/open`, { productId }, { status: 409 });
  await drive(`GET ${ofSale}/log`, { productId });
  await drive('POST /operator/erase', {}, { body: person });
  await driveLetters(productId);
  await drive('GET /operator/doctor');
  const documented = Object.entries(document.paths)
    .filter(([path]) => /^\/operator\/(sales|orders|dead-letters|erase|doctor)/.test(path))
    .flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    );
  expect([...driven].sort()).toEqual(documented.sort());
});

/** A letter that is replayed, one that is not ours, and one that is dropped. */
async function driveLetters(productId: string) {
  const letters = [
    aLetter(productId, bench.signingKeys),
    aLetter(productId, ['a key of nobody here, 32 characters'], { number: 2 }),
    { value: 'no event' },
  ];
  await on.produce(on.names.topics['persist-order'], letters);
  const path = '/operator/dead-letters';
  const { letters: found } = await drive(`GET ${path}`);
  const [own, foreign, odd] = (found as { id: string }[]).map(({ id }) => id);
  await drive(`POST ${path}/replay`, {}, { body: { ids: [own, foreign] } });
  await drive(`POST ${path}/replay`, {}, { body: { ids: ['update-rank/0/9'] }, status: 404 });
  await drive(`POST ${path}/drop`, {}, { body: { ids: [own, odd] } });
  const { letters: all } = await drive(`GET ${path}`, {}, { query: '?all=true&limit=1' });
  const [first] = all as { decision: { operationId: string } }[];
  const operationId = first?.decision.operationId ?? '';
  await drive(`GET ${path}/replays/{operationId}`, { operationId });
  await drive(`GET ${path}/replays/{operationId}`, { operationId: 'none' }, { status: 404 });
}

test('no route of operators is left out', () => {
  const served = app.routes.filter((route) => /^(GET|POST|PUT|DELETE) \/operator\//.test(route));
  const documented = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.keys(operations).map(
      (method) => `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`,
    ),
  );
  // The changes that are asked for by their name alone share a route.
  const shared = 'POST /operator/sales/:productId/:change';
  expect(served).toContain(shared);
  expect(served.filter((route) => route !== shared && !documented.includes(route))).toEqual([]);
});
