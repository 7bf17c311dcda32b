// What every view of the page is given.

import type { Api } from './api.ts';
import type { ServerClock } from './clock.ts';
import { createOrderStream, type OrderStream, type OrderStreamEvents } from './order-stream.ts';
import { type Poll, type PollOptions, startPoll, type Visibility } from './poll.ts';
import type { Session } from './session.ts';
import type { SignIn } from './sign-in.ts';
import type { Texts } from './texts.ts';
import { browserTimers, type Timers } from './timers.ts';

export interface Page {
  readonly api: Api;
  readonly texts: Texts;
  readonly clock: ServerClock;
  readonly session: Session;
  readonly signIn: SignIn;
  /** Runs `draw` when something changed that every view shows. */
  onChange(draw: () => void): void;
  readonly timers: Timers;
  readonly storage: Storage | undefined;
  readonly main: HTMLElement;
  /** Says something to screen readers that the page shows anyway. */
  announce(text: string): void;
}

/** Polls while the page can be seen, and at once when it can be seen again or is back online. */
export function pollVisibly(options: Pick<PollOptions, 'task' | 'intervalMs' | 'onError'>): Poll {
  return startPoll({ ...options, ...visibility, timers: browserTimers });
}

/** Streams an order's status while the page can be seen. */
export function streamVisibly({ api }: Page, on: OrderStreamEvents): OrderStream {
  return createOrderStream({ ...visibility, connect: api.orderEvents, timers: browserTimers, on });
}

const visibility: Visibility = {
  isVisible: () => document.visibilityState === 'visible',
  onVisible(run) {
    document.addEventListener('visibilitychange', run);
    window.addEventListener('online', run);
    return () => {
      document.removeEventListener('visibilitychange', run);
      window.removeEventListener('online', run);
    };
  },
};

/** Runs `tick` now and at every turn of a second of the server's clock, while visible. */
export function everySecond({ timers, clock }: Page, tick: () => void): void {
  const next = () => {
    tick();
    // A little after the turn: a timer that fires early would show the old second again.
    timers.after(1_000 - (clock.nowMs() % 1_000) + 5, next);
  };
  next();
}
