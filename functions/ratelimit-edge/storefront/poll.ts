// Asks again and again while the page is visible: with jitter, so that a hundred thousand pages
// don't ask in step, and less and less often while the server has trouble.

import { ReadError } from './api.ts';
import { backOffMs, type Timers } from './timers.ts';

const jitter = 0.2;

export interface Poll {
  /** Asks now, or once more if the answer that is under way was asked for before. */
  refresh(): void;
  stop(): void;
}

/** Whether the page can be seen. */
export interface Visibility {
  readonly isVisible: () => boolean;
  /** Runs at each change of it, and when the page is back online; the result ends that. */
  readonly onVisible: (run: () => void) => () => void;
}

export interface PollOptions extends Visibility {
  readonly timers: Timers;
  readonly task: () => Promise<void>;
  /** How long to wait after a good answer; undefined: until `refresh`. */
  readonly intervalMs: () => number | undefined;
  readonly onError?: (error: unknown) => void;
}

export function startPoll(options: PollOptions): Poll {
  const { timers } = options;
  let cancel: () => void = () => undefined;
  let failures = 0;
  let isStopped = false;
  let isRunning = false;
  let isWantedAgain = false;

  const run = async () => {
    isRunning = true;
    let waitMs: number | undefined;
    try {
      await options.task();
      failures = 0;
      const intervalMs = options.intervalMs();
      if (intervalMs !== undefined) {
        waitMs = intervalMs * (1 - jitter + 2 * jitter * timers.random());
      }
    } catch (error) {
      failures += 1;
      const askedMs = error instanceof ReadError ? error.retryAfterMs : 0;
      waitMs = askedMs + backOffMs(failures + 1, timers);
      options.onError?.(error);
    }
    isRunning = false;
    if (isWantedAgain) waitMs = 0;
    isWantedAgain = false;
    if (waitMs !== undefined && !isStopped) cancel = timers.after(waitMs, start);
  };
  const start = () => {
    cancel();
    if (isStopped || !options.isVisible()) return;
    if (isRunning) isWantedAgain = true;
    else void run();
  };
  const unlisten = options.onVisible(start);
  start();
  return {
    refresh: start,
    stop() {
      isStopped = true;
      cancel();
      unlisten();
    },
  };
}
