// Starts ratelimit-edge: but for the call that wakes purchase, the only place that reads the
// environment, opens connections, listens and drains. It is ready once Redis has answered, and leaves when what it took is answered.

import './wake-purchase.ts';

import { join } from 'node:path';
import { readEnvironment, redisNames, telemetryNames, tracingNames } from '#lib/environment.ts';
import { readyWhen } from '#lib/http/ready-when.ts';
import { close, createReadiness, listen, onTermination } from '#lib/http/serve.ts';
import { redisAccessOf } from '#lib/redis/access.ts';
import { connectRedis } from '#lib/redis/connect.ts';
import { run } from '#lib/run.ts';
import { createLog } from '#lib/telemetry/log.ts';
import { createRegistry } from '#lib/telemetry/metrics.ts';
import { startTelling } from '#lib/telemetry/telling.ts';
import { createTracing } from '#lib/telemetry/tracing.ts';
import { createAdmit } from './admit.ts';
import { createApp } from './app.ts';
import { loadDocuments } from './documents.ts';
import { createForward } from './forward.ts';
import { createIdentify } from './identity.ts';
import { createKnownProducts } from './known-products.ts';
import { createLimitsNow } from './limits-now.ts';
import { createEdgeMetrics } from './metrics.ts';
import { createOrderEvents } from './order-events.ts';
import { createOrders } from './orders.ts';
import { createPurchaseClient } from './purchase-client.ts';
import { createRefusals } from './refusals.ts';
import { createSendBatch } from './send-batch.ts';
import { createSignIn, signInConfigOf } from './sign-in.ts';

const names = [
  ...redisNames,
  ...telemetryNames,
  ...tracingNames,
  'SECKILL_PURCHASE_URL',
  'SECKILL_JWT_KEY',
  'SECKILL_JWT_JWKS_URL',
  'SECKILL_JWT_ISSUER',
  'SECKILL_JWT_AUDIENCE',
  'SECKILL_OIDC_ISSUER',
  'SECKILL_OIDC_CLIENT_ID',
  'SECKILL_OIDC_SCOPE',
  'SECKILL_OIDC_RESOURCE',
  'SECKILL_OIDC_AUDIENCE',
  'SECKILL_HSTS_MAX_AGE_SECONDS',
  'SECKILL_SIGNING_KEYS',
  'SECKILL_PSEUDONYM_KEY',
  'SECKILL_TRUSTED_PROXIES',
  'SECKILL_HOST',
  'PORT',
] as const;

async function start(): Promise<void> {
  const env = readEnvironment(names);
  const log = createLog('ratelimit-edge', env.SECKILL_LOG_LEVEL);
  const tracing = createTracing('ratelimit-edge', env, log);
  const faultOf = (what: string) => (err: unknown) => {
    log.warn({ err }, `${what} cannot be read`);
  };
  const identify = await createIdentify(
    {
      key: env.SECKILL_JWT_KEY,
      jwksUrl: env.SECKILL_JWT_JWKS_URL,
      issuer: env.SECKILL_JWT_ISSUER,
      audience: env.SECKILL_JWT_AUDIENCE,
    },
    { onFault: faultOf('the keys of the issuer of tokens') },
  );
  const signInFault = faultOf('where one signs in');
  const signIn = createSignIn(signInConfigOf(env), { onFault: signInFault });
  const registry = createRegistry('ratelimit-edge');
  const metrics = createEdgeMetrics(registry);
  const redis = connectRedis(redisAccessOf(env), log);
  // Connections of their own, so that reads that hang never hold a purchase up.
  const connectPurchase = () =>
    createPurchaseClient(env.SECKILL_PURCHASE_URL, env.SECKILL_SIGNING_KEYS);
  const [purchase, catalogue] = [connectPurchase(), connectPurchase()];
  const [operators, batches] = [connectPurchase(), connectPurchase()];
  const sendBatch = createSendBatch({ purchase: batches, log, metrics });
  const known = createKnownProducts(redis);
  const orderEvents = createOrderEvents({ redis, orders: createOrders(purchase), metrics });
  const readiness = createReadiness();
  const app = createApp({
    identify,
    refusals: createRefusals(redis),
    admit: createAdmit({ redis, limitsNow: createLimitsNow(redis) }),
    forward: createForward({ sendBatch, known, tracing }),
    known,
    ...{ catalogue, purchase, operators },
    redis,
    trustedProxies: env.SECKILL_TRUSTED_PROXIES,
    documents: loadDocuments(join(import.meta.dirname, 'storefront'), {
      hstsMaxAgeSeconds: env.SECKILL_HSTS_MAX_AGE_SECONDS,
    }),
    signIn,
    orderEvents,
    pseudonymKey: env.SECKILL_PSEUDONYM_KEY,
    ...{ metrics, tracing },
    readiness,
    log,
  });

  const host = env.SECKILL_HOST;
  const telling = await startTelling({ registry, readiness, env, log });
  const { server } = await listen(app, { host, port: env.PORT, log });
  onTermination(log, async () => {
    readiness.drain();
    void telling.leaving();
    orderEvents.close();
    await close(server);
    for (const client of [purchase, catalogue, operators, batches]) client.close();
    redis.disconnect();
    await Promise.all([telling.left(), tracing.stop()]);
  });
  await readyWhen(readiness, { Redis: () => redis.ping() }, log);
  void telling.arrived();
}

run('ratelimit-edge', start);
