import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { batchOrdersMax } from '#lib/constants.ts';
import { operationHeader, operatorHeader, sign, signatureHeader } from '#lib/http/signature.ts';
import { connectMysql } from '#lib/mysql/connect.ts';
import { saleKeys } from '#lib/names.ts';
import { connectRedis } from '#lib/redis/connect.ts';
import { noteStatus } from '#lib/sale/note-status.ts';
import { uniqueName, uniqueProductId } from '#lib/testing/unique.ts';
import { openApp, type TestApp } from './testing/app-fixture.ts';
import {
  accepted,
  aPurchase,
  type Bench,
  type Instance,
  log,
  many,
  openOwnBench,
  replayed,
  unitsPublished,
} from './testing/purchase-fixture.ts';

let bench: Bench;
let instance: Instance;
let app: TestApp;
beforeAll(async () => {
  bench = await openOwnBench();
});
beforeEach(() => {
  instance = bench.instance();
  app = openApp(bench, instance);
});
afterAll(() => bench.close());

const purchaseOf = (productId: string, purchases: unknown) =>
  app.call('POST', `/products/${productId}/purchases`, { body: { purchases } });

/** Stores that nobody serves. */
const nowhere = {
  redis: () => connectRedis({ urls: ['redis://127.0.0.1:1'] }, log),
  mysql: () => connectMysql({ url: 'mysql://root@127.0.0.1:1/x' }, 1),
};

describe('what is not signed', () => {
  const routes = [
    ['POST', '/products/p/purchases'],
    ['GET', '/products'],
    ['GET', '/products/p'],
    ['GET', '/orders/p.1234567890123456789012?userId=u'],
    ['GET', '/users/u/orders'],
    ['GET', '/operator/sales'],
    ['POST', '/operator/sales'],
    ['POST', '/operator/sales/p/open'],
    ['GET', '/operator/sales/p/verify'],
    ['GET', '/no-such-route'],
  ] as const;

  test.each(routes)('is refused: %s %s', async (method, path) => {
    const body = method === 'POST' ? { body: '{}' } : {};
    const refused = await app.request(path, { method, ...body });
    expect(refused.status).toBe(401);
    expect(refused.body.outcome).toBe('unauthenticated');
    const wrong = await app.call(method, path, { keys: ['a key that nobody has, of 32 bytes'] });
    expect(wrong.status).toBe(401);
  });

  test('a signature is for one method, path, query, body, operator and operation', async () => {
    const { signingKeys } = bench;
    const signed = (subject: string, body = '') => ({
      [signatureHeader]: sign(signingKeys, subject, body),
    });
    const get = (path: string, headers: Record<string, string>) => app.request(path, { headers });
    expect((await get('/products', signed('GET /products'))).status).toBe(200);
    for (const subject of [
      'POST /products',
      'GET /products/x',
      'GET /products?a',
      'GET /product',
    ]) {
      expect((await get('/products', signed(subject))).status).toBe(401);
    }
    expect((await get('/products', signed('GET /products', 'a body'))).status).toBe(401);
    expect((await get('/products?a=1', signed('GET /products'))).status).toBe(401);
    const path = '/operator/sales';
    const asAnn = signed(`GET ${path} ann`);
    expect((await get(path, { ...asAnn, [operatorHeader]: 'ann' })).status).toBe(200);
    expect((await get(path, { ...asAnn, [operatorHeader]: 'bob' })).status).toBe(401);
    expect((await get(path, asAnn)).status).toBe(401);
    const changed = { ...asAnn, [operatorHeader]: 'ann', [operationHeader]: 'another-change' };
    expect((await get(path, changed)).status).toBe(401);
    const named = { ...changed, ...signed(`GET ${path} ann another-change`) };
    expect((await get(path, named)).status).toBe(200);
    expect((await get(path, { ...named, [operationHeader]: 'a-third' })).status).toBe(401);
    const unnamed = Object.entries(named).filter(([name]) => name !== operationHeader);
    expect((await get(path, Object.fromEntries(unnamed))).status).toBe(401);
    // A buyer's request that the edge has signed does not open the operators' door.
    expect((await get(path, signed(`GET ${path}`))).status).toBe(403);
  });

  test('while keys are changed, both count', async () => {
    const [before, after] = [
      'the key before, of 32 characters',
      'the key after it, 32 characters.',
    ];
    const rotating = openApp(bench, instance, { signingKeys: [after, before] });
    for (const key of [before, after]) {
      expect((await rotating.call('GET', '/products', { keys: [key] })).status).toBe(200);
    }
  });

  test('probes and the tick need no signature', async () => {
    expect((await app.request('/tick', { method: 'POST', body: '{}' })).status).toBe(204);
  });
});

describe('purchases', () => {
  test('are answered in their order', async () => {
    const productId = await bench.product({ stock: 2 });
    const [one, two, three] = many(productId, 3);
    const answer = await purchaseOf(productId, [one, two, one, three]);
    expect([answer.status, answer.body]).toEqual([
      200,
      { answers: [accepted, accepted, replayed, { outcome: 'sold_out', left: 0 }] },
    ]);
    expect(await unitsPublished(bench, productId)).toEqual([1, 2]);
  });

  test('a traceparent goes with its order', async () => {
    const productId = await bench.product();
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    await purchaseOf(productId, [{ ...aPurchase(productId), traceparent }]);
    const [record] = await bench.published(productId);
    expect(record?.event.orders[0]?.traceparent).toBe(traceparent);
  });

  test.each([
    ['nothing', undefined],
    ['no purchases', []],
    ['no list', 'p'],
    ['too many', Array.from({ length: batchOrdersMax + 1 }, () => ({}))],
    ['no order id', [{ orderId: undefined }]],
    ['an order id without its product', [{ orderId: 'x'.repeat(22) }]],
    ['no user', [{ userId: '' }]],
    ['half a character', [{ userId: '\ud800' }]],
    ['no quantity', [{ quantity: 0 }]],
    ['half a unit', [{ quantity: 1.5 }]],
    ['more than there may be', [{ quantity: 1_001 }]],
    ['a quantity in words', [{ quantity: '1' }]],
    ['an order of another product', [{ orderId: `other.${'x'.repeat(22)}` }]],
  ])('%s is malformed, and nothing is sold', async (_, given) => {
    const productId = await bench.product();
    const purchases = Array.isArray(given)
      ? given.map((one: object) => ({ ...aPurchase(productId), ...one }))
      : given;
    const answer = await purchaseOf(productId, purchases);
    expect([answer.status, answer.body.outcome]).toEqual([400, 'malformed']);
    expect(await bench.redis.exists(saleKeys(productId).sale)).toBe(0);
  });

  test('a body that is no JSON is malformed, a huge one too large', async () => {
    const productId = await bench.product();
    const path = `/products/${productId}/purchases`;
    const post = (body: string) =>
      app.request(path, {
        method: 'POST',
        body,
        headers: { [signatureHeader]: sign(bench.signingKeys, `POST ${path}`, body) },
      });
    expect((await post('{"purchases":')).body.outcome).toBe('malformed');
    const huge = await post(JSON.stringify({ purchases: 'x'.repeat(2_000_000) }));
    expect([huge.status, huge.body.outcome]).toEqual([413, 'too_large']);
  });

  test('of an unknown product never take a lock, nor the time of others', async () => {
    let acquired = 0;
    const { locks } = instance;
    const watched = bench.instance({
      acquire: (productId) => {
        acquired += 1;
        return locks.acquire(productId);
      },
    });
    const own = openApp(bench, watched);
    for (let time = 0; time < 3; time += 1) {
      const productId = uniqueProductId();
      const purchases = [aPurchase(productId)];
      const path = `/products/${productId}/purchases`;
      const answer = await own.call('POST', path, { body: { purchases } });
      expect(answer.body).toEqual({ answers: [{ outcome: 'unknown_product' }] });
    }
    expect(acquired).toBe(0);
  });

  test('of a settled sale are answered from its rows, without a lock', async () => {
    const productId = await bench.product();
    const purchase = aPurchase(productId);
    await purchaseOf(productId, [purchase]);
    await bench.persistAll(productId);
    await bench.update(productId, { state: 'settled' });
    await bench.redis.del(...Object.values(saleKeys(productId)));
    const own = openApp(bench, bench.instance({ acquire: () => Promise.reject(new Error('no')) }));
    const body = { purchases: [purchase, { ...purchase, quantity: 2 }, aPurchase(productId)] };
    const answer = await own.call('POST', `/products/${productId}/purchases`, { body });
    expect(answer.body).toEqual({
      answers: [replayed, { outcome: 'key_reused' }, { outcome: 'ended' }],
    });
  });

  test('are 503 with Retry-After while Redis is away', async () => {
    const productId = await bench.product();
    const redis = nowhere.redis();
    const own = openApp(bench, instance, { redis });
    const body = { purchases: [aPurchase(productId)] };
    const answer = await own.call('POST', `/products/${productId}/purchases`, { body });
    expect([answer.status, answer.body.outcome]).toEqual([503, 'unavailable']);
    expect(answer.headers.get('retry-after')).toBe('1');
    redis.disconnect();
  });
});

describe('products', () => {
  test('are told with what is left and how things stand', async () => {
    const now = Date.now() * 1_000;
    const hour = 3_600_000_000;
    const states = {
      scheduled: await bench.product({ opensAt: null }),
      'scheduled ': await bench.product({ opensAt: now + hour }),
      open: await bench.product({ opensAt: now - hour, closesAt: now + hour }),
      paused: await bench.product({ state: 'paused' }),
      ended: await bench.product({ state: 'closed' }),
      'ended ': await bench.product({ closesAt: now - hour, opensAt: now - 2 * hour }),
      sold_out: await bench.product({ stock: 1 }),
    };
    await purchaseOf(states.sold_out, many(states.sold_out, 1));
    for (const [state, productId] of Object.entries(states)) {
      const { status, body } = await app.call('GET', `/products/${productId}`);
      expect([status, body.state]).toEqual([200, state.trim()]);
    }
    const { body } = await app.call('GET', `/products/${states.open}`);
    expect(body).toEqual({
      productId: states.open,
      name: 'A test',
      unitPrice: 9_900,
      currency: 'CNY',
      stock: 10,
      left: 10,
      limitPerUser: 1,
      state: 'open',
      opensAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/) as string,
      closesAt: expect.any(String) as string,
      now: expect.any(String) as string,
    });
    const unknown = await app.call('GET', '/products/no-such-product');
    expect([unknown.status, unknown.body.outcome]).toEqual([404, 'unknown_product']);
  });

  test('the list has them all, also while Redis is away', async () => {
    const productId = await bench.product({ stock: 5, limitPerUser: 5 });
    await purchaseOf(productId, [aPurchase(productId, { quantity: 2 })]);
    const leftOf = async (of: TestApp) => {
      const { status, body } = await of.call('GET', '/products');
      expect(status).toBe(200);
      const products = body.products as { productId: string; left: number }[];
      return products.find((product) => product.productId === productId)?.left;
    };
    expect(await leftOf(app)).toBe(3);
    const redis = nowhere.redis();
    // Nobody has written a row yet, and MySQL knows no better.
    expect(await leftOf(openApp(bench, instance, { redis }))).toBe(5);
    await bench.persistAll(productId);
    expect(await leftOf(openApp(bench, instance, { redis }))).toBe(3);
    redis.disconnect();
    // A sale that is being rebuilt tells nothing.
    await bench.redis.hset(saleKeys(productId).sale, 'state', 'loading', 'left', '0');
    expect(await leftOf(app)).toBe(3);
  });
});

describe('orders', () => {
  const readOrder = (of: TestApp, orderId: string, userId: string) =>
    of.call('GET', `/orders/${orderId}?userId=${encodeURIComponent(userId)}`);

  test('are pending, accepted, confirmed, and nobody else’s', async () => {
    const productId = await bench.product({ limitPerUser: 3 });
    const userId = `o"brien & söhne/${uniqueName('')}`;
    const purchase = aPurchase(productId, { userId, quantity: 3 });
    const status = async (who = userId) => {
      const answer = await readOrder(app, purchase.orderId, who);
      return [answer.status, answer.body.outcome ?? answer.body.status];
    };
    expect(await status()).toEqual([404, 'not_found']);
    instance.aroundPublish = () => Promise.reject(new Error('Kafka is away'));
    await purchaseOf(productId, [purchase]);
    expect(await status()).toEqual([200, 'pending']);
    instance.aroundPublish = (publish) => publish();
    await purchaseOf(productId, [purchase]);
    expect(await status()).toEqual([200, 'accepted']);
    const { body: live } = await readOrder(app, purchase.orderId, userId);
    await bench.persistAll(productId);
    expect(await status()).toEqual([200, 'confirmed']);
    const { body: row } = await readOrder(app, purchase.orderId, userId);
    expect(row).toEqual({ ...live, status: 'confirmed' });
    expect(row).toEqual({
      orderId: purchase.orderId,
      productId,
      quantity: 3,
      status: 'confirmed',
      unitPrice: 9_900,
      currency: 'CNY',
      acceptedAt: expect.stringMatching(/^\d{4}-.*\.\d{6}Z$/) as string,
    });
    for (const another of ['', 'somebody', `${userId} `, userId.toUpperCase()]) {
      expect(await status(another)).toEqual([403, 'forbidden']);
    }
  });

  test('are found in either store; without one nobody says that there is none', async () => {
    const productId = await bench.product();
    const purchase = aPurchase(productId);
    await purchaseOf(productId, [purchase]);
    const redis = nowhere.redis();
    const mysql = nowhere.mysql();
    const withoutRedis = openApp(bench, instance, { redis });
    const withoutMysql = openApp(bench, instance, { mysql });
    const statusOf = async (of: TestApp, orderId = purchase.orderId) => {
      const answer = await readOrder(of, orderId, purchase.userId);
      return [answer.status, answer.body.outcome ?? answer.body.status];
    };
    expect(await statusOf(withoutMysql)).toEqual([200, 'accepted']);
    expect(await statusOf(withoutRedis)).toEqual([503, 'unavailable']);
    await bench.persistAll(productId);
    await noteStatus(bench.redis, productId, [[purchase.orderId, 'confirmed']]);
    expect(await statusOf(withoutRedis)).toEqual([200, 'confirmed']);
    expect(await statusOf(withoutMysql)).toEqual([200, 'confirmed']);
    const none = aPurchase(productId).orderId;
    expect(await statusOf(withoutRedis, none)).toEqual([503, 'unavailable']);
    expect(await statusOf(withoutMysql, none)).toEqual([503, 'unavailable']);
    expect(await statusOf(app, none)).toEqual([404, 'not_found']);
    redis.disconnect();
    await mysql.pool.end();
  });

  test('of a user are listed newest first, and only theirs', async () => {
    const userId = uniqueName('user-');
    const products = [await bench.product(), await bench.product(), await bench.product()];
    const mine: string[] = [];
    for (const productId of products) {
      const purchase = aPurchase(productId, { userId });
      const others = [aPurchase(productId), aPurchase(productId, { userId: `${userId} ` })];
      await purchaseOf(productId, [purchase, ...others]);
      await bench.persistAll(productId);
      mine.unshift(purchase.orderId);
    }
    const { status, body } = await app.call('GET', `/users/${userId}/orders`);
    expect(status).toBe(200);
    const found = body.orders as { orderId: string; status: string }[];
    expect(found.map(({ orderId }) => orderId)).toEqual(mine);
    const nobody = await app.call('GET', `/users/${uniqueName('user-')}/orders`);
    expect(nobody.body).toEqual({ orders: [] });
  });

  test('an id that is none is not found', async () => {
    for (const id of ['x', 'p.x', encodeURIComponent('{}:a.b')]) {
      expect((await readOrder(app, id, 'u')).status).toBe(404);
    }
  });
});

test('the tick publishes what is pending; a sale that cannot be drained keeps no other waiting', async () => {
  const [stuck, pending] = [await bench.product(), await bench.product()];
  instance.aroundPublish = () => Promise.reject(new Error('Kafka is away'));
  for (const productId of [stuck, pending]) await purchaseOf(productId, many(productId, 1));
  await bench.redis.hset(saleKeys(stuck).outbox, '1', 'no event');
  instance.aroundPublish = (publish) => publish();
  expect((await app.request('/tick', { method: 'POST' })).status).toBe(204);
  expect(await bench.redis.exists(saleKeys(pending).outbox)).toBe(0);
  expect(await bench.redis.exists(saleKeys(stuck).outbox)).toBe(1);
  await bench.update(stuck, { state: 'settled' });
});

test('the tick loads again what Redis has lost, and nothing that was never loaded', async () => {
  const [lost, fresh] = [await bench.product(), await bench.product()];
  await instance.seller.exclusively(lost, () => Promise.resolve());
  await bench.redis.unlink(saleKeys(lost).sale);
  expect((await app.request('/tick', { method: 'POST' })).status).toBe(204);
  expect(await bench.redis.hget(saleKeys(lost).sale, 'state')).toBe('on_sale');
  expect(await bench.redis.exists(saleKeys(fresh).sale)).toBe(0);
});

test('the tick ends a change that was interrupted between MySQL and Redis', async () => {
  const productId = await bench.product();
  await instance.seller.exclusively(productId, () => Promise.resolve());
  await bench.update(productId, { state: 'paused' });
  expect((await app.request('/tick', { method: 'POST' })).status).toBe(204);
  expect(await bench.redis.hget(saleKeys(productId).sale, 'state')).toBe('paused');
});
