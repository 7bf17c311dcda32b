// The way of an event onto the boards: it waits for its product's turn, and is folded with what
// waits beside it into one command for each board.

import { type Recorded, recordBatches, recordedOrdersMax } from '#lib/board/board.ts';
import { redisCommandTimeoutMs } from '#lib/constants.ts';
import { createFold } from '#lib/fold.ts';
import type { OrderEvent } from '#lib/order-event.ts';
import type { RedisClient } from '#lib/redis/connect.ts';

/** Brings the boards up to an event. Throws where Redis is away or too slow: send it again. */
export type Record = (event: OrderEvent) => Promise<unknown>;

/** Products at once: each has few commands under way. */
const runsMax = 64;
/** Far below the source's time-out; a turn takes milliseconds. */
const waitMaxMs = 3 * redisCommandTimeoutMs;

/** `onRun` is told of every update, and of how many events it was. */
export function createRecord(
  redis: RedisClient,
  onRun: (recorded: Recorded, events: number) => void = () => undefined,
): Record {
  return createFold({
    keyOf: ({ productId }) => productId,
    sizeOf: ({ orders }) => orders.length,
    sizeMax: recordedOrdersMax,
    runsMax,
    runsPerKeyMax: 1,
    waitMaxMs,
    run: async (events: readonly OrderEvent[]) => {
      const recorded = await recordBatches(redis, events);
      onRun(recorded, events.length);
      return events.map(() => recorded);
    },
  });
}
