// What the runner answers by HTTP: probes, how far each source is, and the KafkaSinks.

import { Hono } from 'hono';
import { addProbes, type Readiness } from '#lib/http/serve.ts';
import type { SourceStatus } from './dispatcher.ts';
import type { SourceManifest } from './manifest.ts';

/** A source as `GET /sources` shows it. */
export type SourceReport = Pick<
  SourceManifest,
  'namespace' | 'name' | 'consumerGroup' | 'topics' | 'ordering' | 'consumers' | 'sinkUrl'
> &
  SourceStatus & { readonly hasJoined: boolean };

export interface AppDeps {
  readonly readiness: Readiness;
  readonly reports: () => readonly SourceReport[];
  readonly kafkaSinks: Hono;
}

export function createApp({ readiness, reports, kafkaSinks }: AppDeps): Hono {
  const app = new Hono();
  app.get('/readyz', (_context, next) => {
    if (reports().every(({ hasJoined }) => hasJoined)) readiness.markReady();
    return next();
  });
  addProbes(app, readiness);
  app.get('/sources', (context) => context.json(reports()));
  app.route('/', kafkaSinks);
  return app;
}
