// Starts the relay between Alertmanager, which does not speak DingTalk's format, and DingTalk.

import { readEnvironment } from '#lib/environment.ts';
import { close, createReadiness, listen, onTermination } from '#lib/http/serve.ts';
import { run } from '#lib/run.ts';
import { createLog } from '#lib/telemetry/log.ts';
import { createApp } from './app.ts';

async function start(): Promise<void> {
  const env = readEnvironment([
    'SECKILL_DINGTALK_URL',
    'SECKILL_DINGTALK_SECRET',
    'SECKILL_LOG_LEVEL',
    'SECKILL_HOST',
    'PORT',
  ]);
  const log = createLog('dingtalk-relay', env.SECKILL_LOG_LEVEL);
  const readiness = createReadiness();
  const app = createApp({
    ...{ url: env.SECKILL_DINGTALK_URL, secret: env.SECKILL_DINGTALK_SECRET },
    ...{ readiness, log, now: Date.now },
  });
  const { server } = await listen(app, { host: env.SECKILL_HOST, port: env.PORT, log });
  readiness.markReady();
  onTermination(log, async () => {
    readiness.drain();
    await close(server);
  });
}

run('dingtalk-relay', start);
