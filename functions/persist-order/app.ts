// HTTP ↔ persisting: one request is one batch, answered when its rows are committed.

import { Hono } from 'hono';
import type { OrderBatch, Refusal } from '#lib/http/cloud-event.ts';
import { problem } from '#lib/http/problem.ts';
import { addProbes, type Readiness } from '#lib/http/serve.ts';
import { answerElsewhere, createReceiver, type SinkOptions } from '#lib/http/sink.ts';
import type { ProductClass } from '#lib/product-class.ts';
import type { Log } from '#lib/telemetry/log.ts';
import type { BatchResult } from './decide.ts';
import { countOrders, type PersistMetrics } from './metrics.ts';
import type { WrittenBatch } from './split.ts';
import type { Write } from './write.ts';

export interface Dependencies {
  readonly readiness: Readiness;
  readonly sink: SinkOptions;
  readonly metrics: PersistMetrics;
  readonly classOf: (productId: string) => ProductClass;
  readonly write: Write;
  /** Tells Redis what became of a product's orders. */
  readonly note: (productId: string, statuses: BatchResult['statuses']) => Promise<unknown>;
}

/** Of the orders that cannot be written: a dead letter has room for a kilobyte. */
const toldMax = 5;

export interface App {
  readonly app: Hono;
  /** Resolves when the notes under way have ended. */
  readonly settle: () => Promise<void>;
}

export function createApp(dependencies: Dependencies): App {
  const { readiness, sink, metrics, classOf, write, note } = dependencies;
  const app = new Hono();
  const notes = new Set<Promise<void>>();
  addProbes(app, readiness);

  /** Best effort: nobody waits for it, and MySQL knows better anyway. */
  const noteLater = (productId: string, statuses: BatchResult['statuses']) => {
    const noted = note(productId, statuses).then(
      () => {
        metrics.notes.inc({ result: 'noted' });
      },
      (error: unknown) => {
        metrics.notes.inc({ result: 'failed' });
        sink.log.debug({ err: error }, 'the status of orders is not noted');
      },
    );
    notes.add(noted);
    void noted.finally(() => notes.delete(noted));
  };

  const receive = createReceiver(sink, async (batch) => {
    const result = await write(batch);
    if ('refused' in result) return result;
    countOrders(metrics, classOf(batch.event.productId), result);
    report(sink.log, batch, result);
    noteLater(batch.event.productId, result.statuses);
    return refusalOf(result);
  });

  app.post('/', receive);
  app.all('/', () => problem('method_not_allowed', { headers: { allow: 'POST' } }));
  app.notFound(answerElsewhere);
  app.onError((error) => {
    sink.log.error({ err: error }, 'a request failed');
    return problem('unavailable');
  });
  return {
    app,
    settle: async () => {
      await Promise.all(notes);
    },
  };
}

/** What was accepted and is not sold is an alarm: it breaks a promise. */
function report(
  log: Log,
  { batchId }: OrderBatch,
  { counts, rejections, unwritable = [] }: WrittenBatch,
): void {
  const { rejected, dropped } = counts;
  if (rejected > 0) log.error({ batchId, rejected, ...rejections }, 'orders were rejected');
  if (dropped > 0) log.warn({ batchId, dropped }, 'late orders were dropped');
  if (unwritable.length > 0) {
    log.error({ batchId, orders: unwritable.slice(0, toldMax) }, 'orders cannot be written');
  }
}

/** The event is kept as a dead letter, though its other orders are rows: a replay repeats them. */
function refusalOf({ unwritable = [] }: WrittenBatch): Refusal | undefined {
  if (unwritable.length === 0) return undefined;
  const told = unwritable.slice(0, toldMax);
  const others = unwritable.length - told.length;
  const refused = told.map(({ index, why }) => `data.orders.${index}: ${why}`).join('; ');
  return { refused: others > 0 ? `${refused}; and ${others} more` : refused };
}
