// The trace of one order on the whole running system, as a collector gets it: from the edge to the
// row and the boards, across a delivery that failed, and across a dead letter that was replayed.

import { randomBytes } from 'node:crypto';
import { createConnection } from 'mysql2/promise';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type OtlpReceiver,
  type ReceivedSpan,
  startOtlpReceiver,
} from '#lib/testing/otlp-receiver.ts';
import { startTestRuntime, type TestRuntime, until } from '#lib/testing/runtime.ts';

let receiver: OtlpReceiver;
let system: TestRuntime;
beforeAll(async () => {
  receiver = await startOtlpReceiver();
  system = await startTestRuntime({
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    // Only what a caller asks for: then everything that is received is asserted.
    OTEL_TRACES_SAMPLER_ARG: '0',
  });
  await openSale('traced');
}, 240_000);
afterAll(async () => {
  await system.stop();
  await receiver.close();
}, 60_000);

async function openSale(productId: string): Promise<void> {
  const create = ['sale', 'create', productId, '--name', productId, '--price', '1999'];
  const created = await system.cli(...create, '--stock', '50', '--limit', '50');
  expect(created, created.stderr).toMatchObject({ status: 0 });
  expect(await system.cli('sale', 'open', productId)).toMatchObject({ status: 0 });
}

interface Bought {
  readonly status: number;
  readonly orderId: string;
  readonly traceId: string;
}

/** Buys as a caller who traces it, or not. */
async function buy(productId: string, user: string, flags: '01' | '00' = '01'): Promise<Bought> {
  const { stdout: token } = await system.cli('token', '--user', user);
  const traceId = randomBytes(16).toString('hex');
  const response = await fetch(`${system.url}/api/products/${productId}/purchase`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token.trim()}`,
      'content-type': 'application/json',
      'idempotency-key': `key-of-${user}`,
      traceparent: `00-${traceId}-${randomBytes(8).toString('hex')}-${flags}`,
    },
    body: JSON.stringify({ quantity: 1 }),
  });
  const { orderId } = (await response.json()) as { orderId: string };
  return { status: response.status, orderId, traceId };
}

const edge = 'ratelimit-edge POST /api/products/:productId/purchase';
const purchase = 'purchase purchase';
const [persist, rank] = [
  'persist-order process seckill.orders',
  'update-rank process seckill.orders',
];

/** The way of every order. */
const way = [
  ...['identify', 'receive', 'limit', 'queue', 'forward'].map(
    (step) => `${edge} > ratelimit-edge ${step}`,
  ),
  `ratelimit-edge forward > ${purchase}`,
  ...['wait', 'decide', 'send seckill.orders', 'acknowledge', 'answer'].map(
    (step) => `${purchase} > purchase ${step}`,
  ),
  ...[persist, rank].map((sink) => `${purchase} > ${sink}`),
  `${persist} > persist-order transaction`,
  `${rank} > update-rank fold`,
];

const spansOf = (traceId: string, service: string): readonly ReceivedSpan[] =>
  receiver.spans.filter((span) => span.traceId === traceId && span.service === service);
const deliveriesTo = (traceId: string, service: string) =>
  spansOf(traceId, service).filter(({ name }) => name === 'process seckill.orders');

/** The edges of a trace, once all of these are among them. */
const untilEdges = (traceId: string, wanted: readonly string[]) =>
  until(`edges of ${traceId}`, 60_000, () => {
    const edges = receiver.edgesOf(traceId);
    return Promise.resolve(wanted.every((one) => edges.has(one)) ? edges : undefined);
  }).catch((error: unknown) => {
    // Says which are missing.
    expect([...receiver.edgesOf(traceId)].sort()).toEqual([...wanted].sort());
    throw error;
  });

test('one trace from the purchase to its row and the boards, its batches linked to it', async () => {
  const { status, traceId, orderId } = await buy('traced', 'ann');
  expect(status).toBe(202);
  const edges = await untilEdges(traceId, way);
  // The first of a product also fetches the lock, and may ask whether it is refused anyhow.
  const more = [`${purchase} > purchase lock`, `${edge} > ratelimit-edge recall`];
  const waits = [`${persist} > persist-order wait`, `${rank} > update-rank wait`];
  expect([...edges].filter((one) => ![...way, ...more, ...waits].includes(one))).toEqual([]);

  const [root] = spansOf(traceId, 'ratelimit-edge').filter(({ kind }) => kind === 2);
  expect(root?.attributes).toEqual({
    'http.request.method': 'POST',
    'http.route': '/api/products/:productId/purchase',
    'http.response.status_code': 202,
    'seckill.product.id': 'traced',
    'seckill.outcome': 'accepted',
  });
  expect(deliveriesTo(traceId, 'persist-order')).toMatchObject([
    {
      isFailed: false,
      attributes: {
        'seckill.outcome': 'done',
        'messaging.message.id': expect.stringMatching(/^traced\.1\.\d+$/) as string,
      },
    },
  ]);

  // Each batch it was in has a trace of its own, linked to it.
  const own = new Set(
    receiver.spans.filter((span) => span.traceId === traceId).map(({ spanId }) => spanId),
  );
  const batches = await until('the batches', 10_000, () => {
    const found = receiver.spans.filter(({ links, ...span }) => {
      return span.traceId !== traceId && links.some((id) => own.has(id));
    });
    return Promise.resolve(found.length >= 4 ? found : undefined);
  });
  expect(batches.map(({ name }) => name).sort()).toEqual([
    ...['fold batch', 'forward batch', 'transaction batch', 'turn'],
  ]);

  const told = JSON.stringify(receiver.spans, (_, value: unknown) =>
    typeof value === 'bigint' ? String(value) : value,
  );
  for (const personal of ['ann', orderId, 'key-of-']) expect(told).not.toContain(personal);
}, 120_000);

test('who is not sampled leaves no span', async () => {
  const quiet = await buy('traced', 'bob', '00');
  expect(quiet.status).toBe(202);
  // What comes after it is through: so is what came before.
  const { traceId } = await buy('traced', 'cid');
  await untilEdges(traceId, way);
  expect(receiver.spans.filter((span) => span.traceId === quiet.traceId)).toEqual([]);
}, 120_000);

/** Spans come some time after what they tell of. */
async function untilCameThrough(traceId: string): Promise<void> {
  await until('the delivery that came through', 60_000, () =>
    Promise.resolve(deliveriesTo(traceId, 'persist-order').find(({ isFailed }) => !isFailed)),
  );
}

test('a dead letter, and its replay, are in the trace of the order', async () => {
  const product = `letter-${randomBytes(4).toString('hex')}`;
  await openSale(product);
  const before = await buy(product, 'eva');
  await untilEdges(before.traceId, way);
  // The product is gone from MySQL for a while: then no sink of rows can ever take its orders.
  const mysql = await createConnection(system.env.SECKILL_MYSQL_URL ?? '');
  const rename = (from: string, to: string) =>
    mysql.query('update products set product_id = ? where product_id = ?', [to, from]);
  await mysql.query('set foreign_key_checks = 0');
  await rename(product, 'elsewhere');
  const { status, traceId } = await buy(product, 'fay');
  expect(status).toBe(202);
  await until('the refusal', 60_000, () =>
    Promise.resolve(deliveriesTo(traceId, 'persist-order').find(({ isFailed }) => isFailed)),
  );
  await rename('elsewhere', product);
  await mysql.end();
  await until('the dead letter', 60_000, async () => {
    const { stdout } = await system.cli('dead-letters', 'list', '-o', 'json');
    return (JSON.parse(stdout) as unknown[]).length > 0 ? true : undefined;
  });
  const replay = ['dead-letters', 'replay', '--product', product, '--timeout', '2m'];
  const replayed = await system.cli(...replay);
  expect(replayed, replayed.stdout + replayed.stderr).toMatchObject({ status: 0 });
  await untilCameThrough(traceId);
  await untilEdges(traceId, way);
  const outcomes = deliveriesTo(traceId, 'persist-order').map(
    ({ attributes }) => attributes['seckill.outcome'],
  );
  // Done more than once where a reconciliation has sent it again, too.
  expect(outcomes).toEqual(['never', ...outcomes.slice(1).map(() => 'done')]);
  const parents = deliveriesTo(traceId, 'persist-order').map(({ parentSpanId }) => parentSpanId);
  expect(new Set(parents).size).toBe(1);
}, 300_000);

test('a delivery that failed and the one that came through are in the same trace', async () => {
  system.takeDown('mysql');
  const { status, traceId } = await buy('traced', 'dan');
  expect(status).toBe(202);
  await until('a delivery that failed', 60_000, () =>
    Promise.resolve(deliveriesTo(traceId, 'persist-order').find(({ isFailed }) => isFailed)),
  );
  system.bringUp('mysql');
  await untilCameThrough(traceId);
  await untilEdges(traceId, way);
  const outcomes = deliveriesTo(traceId, 'persist-order').map(
    ({ attributes }) => attributes['seckill.outcome'],
  );
  expect(outcomes).toEqual([...outcomes.slice(1).map(() => 'retry'), 'done']);
  expect(outcomes.length).toBeGreaterThan(1);
}, 180_000);
