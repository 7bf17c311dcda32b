// Whether the two sinks have answered for every event that was in the topic at a moment. Offsets
// are committed once an event is answered for, be it by a dead letter.

import { setTimeout } from 'node:timers/promises';
import { lagOf, type Progress } from '#lib/kafka/read-progress.ts';
import { consumerGroups } from '#lib/names.ts';

type Group = keyof typeof consumerGroups;

/** Whether each group has answered for every event up to the moment, and how many are open. */
export type Delivery = Readonly<Record<Group, boolean>> & {
  readonly lag: Readonly<Record<Group, number>>;
};

interface Dependencies {
  readonly readProgress: () => Promise<Progress>;
  readonly deliveryWaitMs?: number;
}

const deliveryWaitMs = 5_000;
const pollMs = 500;

/**
 * Takes the topic's ends, and waits for the groups to reach them, for a while. Throws
 * KafkaUnavailable.
 */
export async function awaitDelivery(dependencies: Dependencies): Promise<Delivery> {
  const deadline = performance.now() + (dependencies.deliveryWaitMs ?? deliveryWaitMs);
  let progress = await dependencies.readProgress();
  const { ends } = progress;
  for (;;) {
    const lag = {
      'persist-order': lagOf(consumerGroups['persist-order'], progress, ends),
      'update-rank': lagOf(consumerGroups['update-rank'], progress, ends),
    };
    const isDone = lag['persist-order'] === 0 && lag['update-rank'] === 0;
    if (isDone || performance.now() + pollMs > deadline) {
      return {
        'persist-order': lag['persist-order'] === 0,
        'update-rank': lag['update-rank'] === 0,
        lag,
      };
    }
    await setTimeout(pollMs);
    progress = await dependencies.readProgress();
  }
}

/**
 * Calls that come while a reading is under way share the next one: whoever asks is told of what
 * was there when it asked, and many sales cost few connections.
 */
export function sharedReading<T>(read: () => Promise<T>): () => Promise<T> {
  let underWay: Promise<unknown> = Promise.resolve();
  let next: Promise<T> | undefined;
  return () => {
    next ??= underWay.then(() => {
      next = undefined;
      const reading = read();
      underWay = reading.catch(() => undefined);
      return reading;
    });
    return next;
  };
}
