// Starts persist-order: reads the environment, connects, listens, and drains when told to leave.

import { persistConnections } from '#lib/constants.ts';
import {
  mysqlNames,
  readEnvironment,
  redisNames,
  telemetryNames,
  tracingNames,
} from '#lib/environment.ts';
import { readyWhen } from '#lib/http/ready-when.ts';
import { close, createReadiness, listen, onTermination } from '#lib/http/serve.ts';
import { createSinkMetrics } from '#lib/http/sink.ts';
import { mysqlAccessOf } from '#lib/mysql/access.ts';
import { connectMysql } from '#lib/mysql/connect.ts';
import { assertMigrated } from '#lib/mysql/migrated.ts';
import { productClassOf } from '#lib/product-class.ts';
import { redisAccessOf } from '#lib/redis/access.ts';
import { connectRedis } from '#lib/redis/connect.ts';
import { run } from '#lib/run.ts';
import { noteStatus } from '#lib/sale/note-status.ts';
import { createLog } from '#lib/telemetry/log.ts';
import { createRegistry } from '#lib/telemetry/metrics.ts';
import { startTelling } from '#lib/telemetry/telling.ts';
import { createTracing } from '#lib/telemetry/tracing.ts';
import { createApp } from './app.ts';
import { createPersistMetrics, watchOf } from './metrics.ts';
import { createWrite } from './write.ts';

async function start(): Promise<void> {
  const env = readEnvironment([
    ...mysqlNames,
    ...redisNames,
    ...telemetryNames,
    ...tracingNames,
    'SECKILL_SIGNING_KEYS',
    'SECKILL_HOT_PRODUCTS',
    'SECKILL_HOST',
    'PORT',
  ]);
  const log = createLog('persist-order', env.SECKILL_LOG_LEVEL);
  const registry = createRegistry('persist-order');
  const { pool } = connectMysql(mysqlAccessOf(env), persistConnections);
  const redis = connectRedis(redisAccessOf(env), log);
  const tracing = createTracing('persist-order', env, log);
  const readiness = createReadiness();
  const metrics = createPersistMetrics(registry);
  const { app, settle } = createApp({
    readiness,
    sink: {
      signingKeys: env.SECKILL_SIGNING_KEYS,
      metrics: createSinkMetrics(registry),
      ...{ log, tracing },
      now: Date.now,
    },
    metrics,
    classOf: productClassOf(env.SECKILL_HOT_PRODUCTS),
    write: createWrite(pool, {
      nowUs: () => Date.now() * 1_000,
      ...{ watch: watchOf(metrics), tracing },
    }),
    note: (productId, statuses) => noteStatus(redis, productId, statuses),
  });
  const host = env.SECKILL_HOST;
  const telling = await startTelling({ registry, readiness, env, log });
  const { server } = await listen(app, { host, port: env.PORT, log });
  onTermination(log, async () => {
    readiness.drain();
    void telling.leaving();
    await close(server);
    await settle();
    redis.disconnect();
    await pool.end();
    await Promise.all([telling.left(), tracing.stop()]);
  });
  // The tables, not only the server: a new revision gets no event before its migration has ended.
  // Redis does not gate it, since rows are written without.
  await readyWhen(readiness, { mysql: () => assertMigrated(pool) }, log);
  void telling.arrived();
}

run('persist-order', start);
