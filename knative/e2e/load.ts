// Two ways to press the button: a steady stream, which goes on whatever becomes of the earlier
// purchases (so a stall is seen as what it is), and a crowd that waits at the same time.

import { setTimeout as pause } from 'node:timers/promises';
import type { Buyer, Buyers, Purchase } from './buyers.ts';
import type { Stage } from './stage.ts';

export interface Load {
  /** No more is begun; resolves when everybody who had begun was told. */
  stop(): Promise<void>;
  /** Resolves when everybody has been told; rejects with the first fault of the client's own. */
  readonly done: Promise<void>;
}

/** Begins so many purchases in a second, whether or not the earlier ones are done. */
export function startStream(buyers: Buyers, who: Iterator<Buyer>, perSecond: number): Load {
  const underWay = new Set<Promise<unknown>>();
  return startLoad(async (ending) => {
    const startedAtMs = performance.now();
    for (let begun = 1; !ending.aborted; begun += 1) {
      const next = who.next();
      if (next.done === true) throw new Error('there are no more buyers: sign more tokens');
      const purchase = buyers.buy(next.value).finally(() => underWay.delete(purchase));
      underWay.add(purchase);
      // It is looked at below, when all are awaited.
      purchase.catch(() => undefined);
      const waitMs = startedAtMs + (begun * 1_000) / perSecond - performance.now();
      if (waitMs > 0) await pause(waitMs);
    }
    await Promise.all(underWay);
  });
}

/** So many buyers who each buy, one after the other, until nobody is left or it is stopped. */
export function startCrowd(buyers: Buyers, who: Iterator<Buyer>, count: number): Load {
  return startLoad(async (ending) => {
    const one = async () => {
      while (!ending.aborted) {
        const next = who.next();
        if (next.done === true) return;
        await buyers.buy(next.value);
      }
    };
    await Promise.all(Array.from({ length: count }, one));
  });
}

function startLoad(run: (ending: AbortSignal) => Promise<void>): Load {
  const ending = new AbortController();
  const done = run(ending.signal);
  // It is looked at by whoever awaits it.
  done.catch(() => undefined);
  return {
    done,
    stop() {
      ending.abort();
      return done;
    },
  };
}

const servedWithinMs = 120_000;
const servedForSeconds = 3;

/**
 * Resolves once the load is being served, as much as begins in three seconds: everything is awake
 * then, and what comes later is the doing of whatever is done. Throws where nobody is served.
 */
export async function untilServed(
  { options, until }: Pick<Stage, 'until'> & { readonly options: { readonly perSecond: number } },
  purchases: readonly Pick<Purchase, 'told'>[],
): Promise<void> {
  const enough = options.perSecond * servedForSeconds;
  const found = await until(servedWithinMs, () => {
    const accepted = purchases.filter(({ told }) => told.kind === 'accepted');
    return Promise.resolve(accepted.length >= enough || undefined);
  });
  if (found === undefined) throw new Error('nobody is served: there is nothing to see under load');
}
