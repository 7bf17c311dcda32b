// One MySQL database and one Redis database, with the code of both functions on them: what is
// delivered here comes once, in order, and nothing is killed.

import { setTimeout } from 'node:timers/promises';
import { eq } from 'drizzle-orm';
import type { Hono } from 'hono';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { migrate } from '#functions/persist-order/migrate.ts';
import { startSink } from '#functions/persist-order/persist-fixture.ts';
import { restoreFromRows } from '#functions/purchase/recover/settled-boards.ts';
import { createApp as createRank } from '#functions/update-rank/app.ts';
import { recordBatch } from '#lib/board/board.ts';
import { delivery } from '#lib/http/delivery.ts';
import { createReadiness } from '#lib/http/serve.ts';
import { createSinkMetrics } from '#lib/http/sink.ts';
import type { Message } from '#lib/kafka/producer.ts';
import { connectMysql } from '#lib/mysql/connect.ts';
import { orders, products } from '#lib/mysql/schema.ts';
import { saleKeys } from '#lib/names.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import type { Spool } from './spool.ts';

export interface World {
  readonly mysqlUrl: string;
  readonly redis: RedisClient;
  putOnSale(productIds: readonly string[], stock: number): Promise<void>;
  /** Delivers these events, each product's one after the other. */
  deliver(spool: Spool, from: number, to: number): Promise<void>;
  /**
   * Makes the second generation of a product whose rows are all there, as a rebuild does: from
   * now on what comes late of the first one is old, and the boards are those of the rows.
   */
  raiseGeneration(productId: string): Promise<void>;
  /** Rows of orders; the cheaper question is for units. */
  countOrders(): Promise<number>;
  countUnits(): Promise<number>;
  stop(): Promise<void>;
}

export interface WorldOptions {
  readonly mysqlUrl: string;
  readonly redisUrl: string;
  readonly signingKeys: readonly string[];
}

export async function openWorld(options: WorldOptions): Promise<World> {
  const { mysqlUrl, redisUrl, signingKeys } = options;
  await migrate({ url: mysqlUrl });
  const mysql = connectMysql({ url: mysqlUrl }, 2);
  const persist = startSink({
    SECKILL_MYSQL_URL: mysqlUrl,
    SECKILL_REDIS_URL: [redisUrl],
    SECKILL_SIGNING_KEYS: [...signingKeys],
  });
  const { redis } = persist;
  await new Promise<void>((ready) => redis.once('ready', ready));
  const rank = rankOn(redis, signingKeys);
  const setGeneration = (productId: string, generation: number) =>
    redis.hset(saleKeys(productId).sale, { generation });

  return {
    ...{ mysqlUrl, redis },
    async putOnSale(productIds, stock) {
      for (const productId of productIds) {
        await persist.putOnSale(productId, stock);
        await setGeneration(productId, 1);
      }
    },
    async deliver(spool, from, to) {
      const byProduct = new Map<string | undefined, number[]>();
      for (let index = from; index < to; index += 1) {
        const productId = spool.productOf(index);
        const indexes = byProduct.get(productId) ?? [];
        indexes.push(index);
        byProduct.set(productId, indexes);
      }
      const lanes = [...byProduct.values()].map(async (indexes) => {
        for (const index of indexes) {
          const message = await spool.message(index);
          await Promise.all([post(persist.app, message), post(rank, message)]);
        }
      });
      await Promise.all(lanes);
    },
    async raiseGeneration(productId) {
      const isIt = eq(products.productId, productId);
      await mysql.db.update(products).set({ generation: 2 }).where(isIt);
      await setGeneration(productId, 2);
      const [product] = await mysql.db.select().from(products).where(isIt);
      if (product === undefined) throw new Error(`${productId} is not on sale`);
      await restoreFromRows({ redis, mysql }, product);
    },
    countOrders: () => mysql.db.$count(orders),
    async countUnits() {
      const rows = await mysql.db.select().from(products);
      return rows.reduce((sum, { stock, unsold }) => sum + stock - unsold, 0);
    },
    async stop() {
      await persist.stop();
      await mysql.pool.end();
    },
  };
}

function rankOn(redis: RedisClient, signingKeys: readonly string[]): Hono {
  const log = pino({ level: 'silent' });
  return createRank({
    readiness: createReadiness(),
    sink: { signingKeys, metrics: createSinkMetrics(new Registry()), log, now: Date.now },
    record: ({ event }) => recordBatch(redis, event),
  });
}

const triesMax = 20;
const waitMs = 500;

/** As the dispatcher sends it: again where a store was too busy to answer in time. */
async function post(app: Hono, { headers, value }: Message): Promise<void> {
  const entries = Object.entries(headers).map(([name, text]) => [name.replace('ce_', 'ce-'), text]);
  const request = {
    method: 'POST',
    headers: Object.fromEntries(entries) as Record<string, string>,
    body: value,
  };
  for (let tries = 1; ; tries += 1) {
    const { status } = await app.request('/', request);
    if (status === delivery.done) return;
    if (status !== delivery.retry || tries === triesMax) {
      throw new Error(`a clean delivery was answered ${status}`);
    }
    await setTimeout(waitMs);
  }
}
