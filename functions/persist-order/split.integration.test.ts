import { createConnection } from 'mysql2/promise';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readEnvironment } from '#lib/environment.ts';
import { delivery } from '#lib/http/delivery.ts';
import { anEvent, anEventOf, type OrderSpec, requestOf } from '#lib/testing/order-events.ts';
import { uniqueDatabase, uniqueProductId } from '#lib/testing/unique.ts';
import { migrate } from './migrate.ts';
import { startSink } from './persist-fixture.ts';

const env = readEnvironment(['SECKILL_REDIS_URL', 'SECKILL_SIGNING_KEYS']);
let url: string;
let sink: ReturnType<typeof startSink>;
beforeAll(async () => {
  url = await uniqueDatabase();
  await migrate({ url: url });
  // Events are checked so well that none is known which MySQL refuses: so here is one.
  await ask(`alter table orders add constraint nobody check (user_id <> 'nobody')`);
  sink = startSink({ ...env, SECKILL_MYSQL_URL: url });
});
afterAll(() => sink.stop());

async function ask(sql: string): Promise<void> {
  const connection = await createConnection({ uri: url });
  await connection.query(sql);
  await connection.end();
}

test('an order that no row can hold harms no other; its event is kept, and mended by a replay', async () => {
  const productId = uniqueProductId();
  await sink.putOnSale(productId, 100);
  const specs = Array.from({ length: 7 }, (_, index): OrderSpec => {
    const userId = index === 4 ? 'nobody' : `somebody-${index}`;
    return { units: [[50 + index, 50 + index]], userId };
  });
  const event = anEvent(productId, specs);
  // Beside it, so that some are folded with it.
  const others = Array.from({ length: 8 }, (_, index) => anEventOf(3, productId, 1 + index * 3));
  const [response, ...statuses] = await Promise.all([
    sink.app.request('/', requestOf(event, sink.keys, 100)),
    ...others.map((other, index) => sink.deliver(other, index)),
  ]);
  expect(response.status).toBe(delivery.never);
  expect(await response.json()).toMatchObject({
    detail: 'data.orders.4: a rule of its table forbids it',
  });
  expect(new Set(statuses)).toEqual(new Set([delivery.done]));
  const { rows, unsold, units } = await sink.held(productId);
  expect([rows.length, units.length, unsold]).toEqual([30, 30, 70]);
  const total = (result: string) =>
    sink.valueOf(`seckill_persisted_orders_total{result="${result}"}`);
  expect([await total('confirmed'), await total('unwritable')]).toEqual([30, 1]);
  // Again: nothing is written twice.
  expect(await sink.deliver(event, 100)).toBe(delivery.never);
  expect((await sink.held(productId)).rows).toHaveLength(30);
  await ask('alter table orders drop constraint nobody');
  expect(await sink.deliver(event, 100)).toBe(delivery.done);
  const mended = await sink.held(productId);
  expect([mended.rows.length, mended.units.length, mended.unsold]).toEqual([31, 31, 69]);
});
