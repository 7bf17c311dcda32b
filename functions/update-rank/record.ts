// The way of an event onto the boards: it waits for its product's turn, and is folded with what
// waits beside it into one command for each board.

import { type Recorded, recordBatches, recordedOrdersMax } from '#lib/board/board.ts';
import { redisCommandTimeoutMs } from '#lib/constants.ts';
import { createFold } from '#lib/fold.ts';
import type { OrderBatch } from '#lib/http/cloud-event.ts';
import { asStep } from '#lib/http/trace-event.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import { noTracing, type Tracing } from '#lib/telemetry/tracing.ts';

/** Brings the boards up to an event. Throws where Redis is away or too slow: send it again. */
export type Record = (batch: Recordable) => Promise<unknown>;

type Recordable = Pick<OrderBatch, 'event' | 'spans'>;

/** Products at once: each has few commands under way. */
const runsMax = 64;
/** Far below the source's time-out; a turn takes milliseconds. */
const waitMaxMs = 3 * redisCommandTimeoutMs;

export interface RecordOptions {
  /** Told of every update, and of how many events it was. */
  readonly onRun?: (recorded: Recorded, events: number) => void;
  readonly tracing?: Tracing;
}

export function createRecord(
  redis: RedisClient,
  { onRun, tracing = noTracing }: RecordOptions = {},
): Record {
  return createFold({
    keyOf: ({ event }: Recordable) => event.productId,
    sizeOf: ({ event }) => event.orders.length,
    sizeMax: recordedOrdersMax,
    runsMax,
    runsPerKeyMax: 1,
    waitMaxMs,
    run: async (batches) => {
      const events = batches.map(({ event }) => event);
      const recorded = await asStep(tracing, 'fold', batches, () => recordBatches(redis, events));
      onRun?.(recorded, events.length);
      return batches.map(() => recorded);
    },
  });
}
