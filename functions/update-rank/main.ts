// Starts update-rank: reads the environment, connects, listens, and drains when told to leave.

import { readEnvironment, redisNames, telemetryNames, tracingNames } from '#lib/environment.ts';
import { readyWhen } from '#lib/http/ready-when.ts';
import { close, createReadiness, listen, onTermination } from '#lib/http/serve.ts';
import { createSinkMetrics } from '#lib/http/sink.ts';
import { redisAccessOf } from '#lib/redis/access.ts';
import { connectRedis } from '#lib/redis/connect.ts';
import { run } from '#lib/run.ts';
import { createLog } from '#lib/telemetry/log.ts';
import { createRegistry } from '#lib/telemetry/metrics.ts';
import { startTelling } from '#lib/telemetry/telling.ts';
import { createTracing } from '#lib/telemetry/tracing.ts';
import { createApp } from './app.ts';
import { countRecorded, createRankMetrics } from './metrics.ts';
import { createRecord } from './record.ts';

async function start(): Promise<void> {
  const env = readEnvironment([
    ...redisNames,
    ...telemetryNames,
    ...tracingNames,
    'SECKILL_SIGNING_KEYS',
    'SECKILL_HOST',
    'PORT',
  ]);
  const log = createLog('update-rank', env.SECKILL_LOG_LEVEL);
  const registry = createRegistry('update-rank');
  const redis = connectRedis(redisAccessOf(env), log);
  const tracing = createTracing('update-rank', env, log);
  const readiness = createReadiness();
  const rankMetrics = createRankMetrics(registry);
  const app = createApp({
    readiness,
    sink: {
      signingKeys: env.SECKILL_SIGNING_KEYS,
      metrics: createSinkMetrics(registry),
      ...{ log, tracing },
      now: Date.now,
    },
    record: createRecord(redis, {
      tracing,
      onRun: (recorded, events) => {
        countRecorded(rankMetrics, recorded, events);
      },
    }),
  });
  const host = env.SECKILL_HOST;
  const telling = await startTelling({ registry, readiness, env, log });
  const { server } = await listen(app, { host, port: env.PORT, log });
  onTermination(log, async () => {
    readiness.drain();
    void telling.leaving();
    await close(server);
    redis.disconnect();
    await Promise.all([telling.left(), tracing.stop()]);
  });
  await readyWhen(readiness, { redis: () => redis.ping() }, log);
  void telling.arrived();
}

run('update-rank', start);
