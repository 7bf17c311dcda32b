// HTTP ↔ leaderboards: one request is one batch, answered when the boards have it.

import { Hono } from 'hono';
import { crashPoint } from '#lib/crash-point.ts';
import { problem } from '#lib/http/problem.ts';
import { addProbes, type Readiness } from '#lib/http/serve.ts';
import { answerElsewhere, createReceiver, type SinkOptions } from '#lib/http/sink.ts';
import type { Record } from './record.ts';

export interface Dependencies {
  readonly readiness: Readiness;
  readonly sink: SinkOptions;
  readonly record: Record;
}

export function createApp({ readiness, sink, record }: Dependencies): Hono {
  const app = new Hono();
  addProbes(app, readiness);
  const receive = createReceiver(sink, async (batch) => {
    crashPoint('rank.before-record');
    await record(batch);
    crashPoint('rank.recorded');
    return undefined;
  });
  app.post('/', receive);
  app.all('/', () => problem('method_not_allowed', { headers: { allow: 'POST' } }));
  app.notFound(answerElsewhere);
  app.onError((error) => {
    sink.log.error({ err: error }, 'a request failed');
    return problem('unavailable');
  });
  return app;
}
