// persist-order as `main.ts` puts it together, for its tests: on real stores, without a port.

import { eq } from 'drizzle-orm';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { persistConnections } from '#lib/constants.ts';
import type { Environment } from '#lib/environment.ts';
import { createReadiness } from '#lib/http/serve.ts';
import { createSinkMetrics } from '#lib/http/sink.ts';
import { connectMysql } from '#lib/mysql/connect.ts';
import { orders, orderUnits, products, stockMovements } from '#lib/mysql/schema.ts';
import type { OrderEvent } from '#lib/order-event.ts';
import { connectRedis } from '#lib/redis/connect.ts';
import { noteStatus } from '#lib/sale/note-status.ts';
import { requestOf } from '#lib/testing/order-events.ts';
import { createApp } from './app.ts';
import { createPersistMetrics, watchOf } from './metrics.ts';
import { createWrite } from './write.ts';

export type SinkEnvironment = Pick<
  Environment,
  'SECKILL_MYSQL_URL' | 'SECKILL_REDIS_URL' | 'SECKILL_SIGNING_KEYS'
>;

export function startSink(env: SinkEnvironment, deadlineMs?: number) {
  const log = pino({ level: 'silent' });
  const registry = new Registry();
  const { db, pool } = connectMysql({ url: env.SECKILL_MYSQL_URL }, persistConnections);
  const redis = connectRedis({ urls: env.SECKILL_REDIS_URL }, log);
  const keys = env.SECKILL_SIGNING_KEYS;
  const metrics = createPersistMetrics(registry);
  const { app, settle } = createApp({
    readiness: createReadiness(),
    sink: { signingKeys: keys, metrics: createSinkMetrics(registry), log, now: Date.now },
    metrics,
    classOf: () => 'normal',
    write: createWrite(pool, {
      nowUs: () => Date.now() * 1_000,
      watch: watchOf(metrics),
      ...(deadlineMs === undefined ? {} : { deadlineMs }),
    }),
    note: (productId, statuses) => noteStatus(redis, productId, statuses),
  });
  return {
    ...{ app, db, redis, keys, settle },
    /** Delivers the event as the source does, and resolves with the answer's status. */
    deliver: async (event: OrderEvent, batchNumber = 1) =>
      (await app.request('/', requestOf(event, keys, batchNumber))).status,
    putOnSale: async (productId: string, stock: number, generation = 1) => {
      await db.insert(products).values({
        ...{ productId, name: productId, unitPrice: 9_900, currency: 'CNY', stock },
        ...{ unsold: stock, limitPerUser: 10, state: 'on_sale', generation, createdAt: 1 },
      });
      await db.insert(stockMovements).values({
        ...{ productId, kind: 'on_sale', reference: productId, units: stock, at: 1 },
      });
    },
    /** What MySQL holds of a product. Throws where its ledger does not add up. */
    held: async (productId: string) => {
      const [product] = await db.select().from(products).where(eq(products.productId, productId));
      const rows = await db.select().from(orders).where(eq(orders.productId, productId));
      const units = await db.select().from(orderUnits).where(eq(orderUnits.productId, productId));
      const ledger = await db
        .select()
        .from(stockMovements)
        .where(eq(stockMovements.productId, productId));
      const moved = ledger.reduce((sum, one) => sum + one.units, 0);
      if (moved !== product?.unsold) throw new Error(`the ledger says ${moved} are unsold`);
      return { unsold: product.unsold, rows, units, ledger };
    },
    /** The value of a line as Prometheus reads it. */
    valueOf: async (series: string) => {
      const lines = (await registry.metrics()).split('\n');
      const line = lines.find((one) => one.startsWith(`${series} `));
      return Number(line?.slice(series.length));
    },
    stop: async () => {
      await settle();
      redis.disconnect();
      await pool.end();
    },
  };
}
