// Stores gate readiness only until an instance has been ready once (decision 12): afterwards an
// outage of a store is our own 503 with Retry-After, not a request that hangs in a gateway.

import { setTimeout } from 'node:timers/promises';
import type { Log } from '#lib/telemetry/log.ts';
import { hintOf } from '#lib/tls/hint.ts';
import type { Readiness } from './serve.ts';

const betweenTriesMs = 20;
/** A store that is there answers sooner: until then there is nothing to say. */
const patienceMs = 1_000;

/** Whether each store can be used, by its name. A check throws where it can't. */
export type StoreChecks = Readonly<Record<string, () => Promise<unknown>>>;

/** Marks the instance ready once every check has passed; a failing one is repeated for ever. */
export async function readyWhen(
  readiness: Readiness,
  checks: StoreChecks,
  log: Log,
): Promise<void> {
  await Promise.all(
    Object.entries(checks).map(async ([store, check]) => {
      const sinceMs = performance.now();
      for (let isSaid = false; ; ) {
        try {
          await check();
          return;
        } catch (error) {
          if (!isSaid && performance.now() - sinceMs > patienceMs) {
            isSaid = true;
            log.warn({ err: error, store, hint: hintOf(error) }, 'waiting for a store');
          }
          await setTimeout(betweenTriesMs);
        }
      }
    }),
  );
  readiness.markReady();
  log.info({ afterMs: Math.round(process.uptime() * 1_000) }, 'ready');
}
