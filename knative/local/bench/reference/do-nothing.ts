// The reference of every figure here: the least any purchase endpoint must do. It knows who asks
// (the edge's own identity, with its memory of tokens), reads the body, and answers 202.

import { Hono } from 'hono';
import { createIdentify } from '#functions/ratelimit-edge/identity.ts';
import { readEnvironment } from '#lib/environment.ts';
import { addProbes, createReadiness, listen } from '#lib/http/serve.ts';
import { run } from '#lib/run.ts';
import { createLog } from '#lib/telemetry/log.ts';

async function start(): Promise<void> {
  const env = readEnvironment([
    'SECKILL_JWT_KEY',
    'SECKILL_JWT_ISSUER',
    'SECKILL_JWT_AUDIENCE',
    'SECKILL_HOST',
    'PORT',
  ]);
  const identify = await createIdentify({
    key: env.SECKILL_JWT_KEY,
    issuer: env.SECKILL_JWT_ISSUER,
    audience: env.SECKILL_JWT_AUDIENCE,
  });
  const app = new Hono();
  app.post('/api/products/:productId/purchase', async (context) => {
    const identified = await identify(context.req.header('authorization'));
    if (identified.outcome !== 'identified') return context.json(identified, 401);
    const { quantity } = await context.req.json<{ quantity: number }>();
    return context.json({ productId: context.req.param('productId'), quantity }, 202);
  });
  const readiness = createReadiness();
  readiness.markReady();
  addProbes(app, readiness);
  const log = createLog('do-nothing', 'warn');
  await listen(app, { host: env.SECKILL_HOST, port: env.PORT, log });
}

run('do-nothing', start);
