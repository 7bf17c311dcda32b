// What a function tells of itself while it lives: `/metrics` to whoever scrapes, and what no
// scrape would see, at both ends of its life, to Prometheus itself (`hand-over.ts`).

import type { Registry } from 'prom-client';
import type { Environment, telemetryNames } from '#lib/environment.ts';
import type { Readiness } from '#lib/http/serve.ts';
import { createHandOver, type HandOver } from './hand-over.ts';
import type { Log } from './log.ts';
import { type Documents, serveMetrics, watchReadiness } from './metrics.ts';

interface TellingOptions {
  readonly registry: Registry;
  readonly readiness: Readiness;
  readonly env: Pick<Environment, (typeof telemetryNames)[number] | 'SECKILL_HOST'>;
  readonly log: Log;
  /** What else is served on the port of the metrics. */
  readonly documents?: Documents;
}

/** Listens on the port of the metrics. Call `arrived` once ready, the others around draining. */
export async function startTelling(options: TellingOptions): Promise<HandOver> {
  const { registry, readiness, env, log, documents = {} } = options;
  watchReadiness(registry, readiness);
  const at = { host: env.SECKILL_HOST, port: env.SECKILL_METRICS_PORT };
  const server = await serveMetrics(registry, at, documents);
  const handOver = createHandOver({
    ...{ registry, log },
    url: env.SECKILL_METRICS_PUSH_URL,
    instance: env.SECKILL_METRICS_INSTANCE,
  });
  return {
    ...handOver,
    async left() {
      // First, so that no scrape comes between the last words and the end.
      server.close();
      await handOver.left();
    },
  };
}
