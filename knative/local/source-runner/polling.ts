// When records are taken from what was fetched, and how many are under way at once: the two
// loops of the dispatcher, with their quirks (UnorderedConsumerVerticle, OrderedConsumerVerticle).

import { orderedPollMs, orderedPollWaitMs, pollRecordsMax } from './constants.ts';
import { partitionKey } from './fetch-buffer.ts';
import type { FetchedRecord } from './record-to-request.ts';

export interface PollingDeps {
  /** Up to `max` fetched records, none of the partitions that are skipped. */
  readonly take: (max: number, isSkipped?: (partition: string) => boolean) => FetchedRecord[];
  /** Sees one record through. Never rejects. */
  readonly dispatch: (record: FetchedRecord) => Promise<void>;
}

export interface Polling {
  /** Something was fetched. */
  arrived(): void;
  /** All partitions are gone: what is queued is dropped, what is under way goes on. */
  revoked(): void;
  /** Takes nothing more; what is queued is dropped. */
  stop(): void;
  /** Records given out and not done. */
  inFlight(): number;
}

/** Polls again whenever fewer than 50 are in flight, so 50 to 99 are while there is enough. */
export function pollUnordered({ take, dispatch }: PollingDeps): Polling {
  let inFlight = 0;
  let stopped = false;

  function poll(): void {
    while (!stopped && inFlight < pollRecordsMax) {
      const records = take(pollRecordsMax);
      if (records.length === 0) return;
      inFlight += records.length;
      for (const record of records) {
        void dispatch(record).then(() => {
          inFlight -= 1;
          poll();
        });
      }
    }
  }

  return {
    arrived: poll,
    revoked: () => undefined,
    stop() {
      stopped = true;
    },
    inFlight: () => inFlight,
  };
}

/** One in flight per partition; at most 50 records are taken per 200 ms, whatever waits. */
export function pollOrdered({ take, dispatch }: PollingDeps): Polling {
  interface Queue {
    readonly records: FetchedRecord[];
    isBusy: boolean;
  }
  const queues = new Map<string, Queue>();
  let inFlight = 0;
  /** A poll that found nothing yet: it waits until then, with these partitions paused. */
  let waiting: { readonly untilMs: number; readonly paused: ReadonlySet<string> } | undefined;

  function run(queue: Queue): void {
    if (queue.isBusy) return;
    const record = queue.records.shift();
    if (record === undefined) return;
    queue.isBusy = true;
    inFlight += 1;
    void dispatch(record).then(() => {
      inFlight -= 1;
      queue.isBusy = false;
      run(queue);
    });
  }

  function takeFor(paused: ReadonlySet<string>): boolean {
    const records = take(pollRecordsMax, (partition) => paused.has(partition));
    for (const record of records) {
      const key = partitionKey(record);
      const queue = queues.get(key) ?? { records: [], isBusy: false };
      queues.set(key, queue);
      queue.records.push(record);
      run(queue);
    }
    return records.length > 0;
  }

  function poll(): void {
    if (waiting !== undefined && Date.now() < waiting.untilMs) return;
    const paused = new Set<string>();
    for (const [partition, queue] of queues) {
      if (queue.records.length > 0) paused.add(partition);
    }
    if (queues.size > 0 && paused.size === queues.size) return;
    waiting = takeFor(paused) ? undefined : { untilMs: Date.now() + orderedPollWaitMs, paused };
  }

  function drop(): void {
    for (const queue of queues.values()) queue.records.length = 0;
    queues.clear();
    waiting = undefined;
  }

  const timer = setInterval(poll, orderedPollMs);
  return {
    arrived() {
      if (waiting !== undefined && takeFor(waiting.paused)) waiting = undefined;
    },
    revoked: drop,
    stop() {
      clearInterval(timer);
      drop();
    },
    inFlight: () => inFlight,
  };
}
