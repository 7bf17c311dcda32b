// The server's clock in the browser: an answer's `now` plus half its round trip, carried on by the
// monotonic clock. What the device's own clock says, or is set to meanwhile, does not matter.

import type { Exchange } from './api.ts';

/** Older samples give way to newer ones even when their round trip was shorter. */
const samplesMax = 12;

export interface ServerClock {
  /** Takes an answer into account; without `serverNowMs` its `Date` header counts. */
  observe(exchange: Exchange, serverNowMs: number | undefined): void;
  /** Epoch milliseconds by the server; the device's clock until an answer was observed. */
  nowMs(): number;
  /** Call when the page was frozen: monotonic clocks stand still while some devices sleep. */
  forget(): void;
}

export function createServerClock(clocks: {
  readonly monotonicMs: () => number;
  readonly deviceMs: () => number;
}): ServerClock {
  let samples: { readonly offsetMs: number; readonly uncertaintyMs: number }[] = [];
  let offsetMs: number | undefined;
  return {
    observe({ sentMs, receivedMs, dateMs }, serverNowMs) {
      const halfTripMs = (receivedMs - sentMs) / 2;
      if (serverNowMs !== undefined) {
        samples.push({
          offsetMs: serverNowMs + halfTripMs - receivedMs,
          uncertaintyMs: halfTripMs,
        });
      } else if (dateMs !== undefined) {
        // `Date` is cut to whole seconds: the truth lies within the second after it.
        samples.push({
          offsetMs: dateMs + 500 + halfTripMs - receivedMs,
          uncertaintyMs: 500 + halfTripMs,
        });
      }
      samples = samples.slice(-samplesMax);
      const best = samples.reduce<(typeof samples)[number] | undefined>(
        (found, sample) =>
          found === undefined || sample.uncertaintyMs <= found.uncertaintyMs ? sample : found,
        undefined,
      );
      offsetMs = best?.offsetMs;
    },
    nowMs: () => (offsetMs === undefined ? clocks.deviceMs() : clocks.monotonicMs() + offsetMs),
    forget() {
      // The last estimate stays in use until the next answer replaces it.
      samples = [];
    },
  };
}
