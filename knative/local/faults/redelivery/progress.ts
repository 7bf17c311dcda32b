// What the source runners say they have delivered, added up over their lives.

import { setTimeout } from 'node:timers/promises';
import { sourcesOf } from '../deliveries.ts';
import type { Pods } from './pods.ts';

export interface Progress {
  /** Deliveries that were answered 2xx, of both groups, but for what a killed runner did not tell. */
  delivered(): number;
  /** Events that a source gave up: they are, or should be, in the dead letters. */
  givenUp(): number;
  stop(): Promise<void>;
}

const betweenLooksMs = 50;

export function watchProgress({ runners }: Pods): Progress {
  const lives = runners.map(({ url }) => ({ url, before: 0, delivered: 0 }));
  let givenUp = 0;
  const look = async (life: (typeof lives)[number]) => {
    const sources = await sourcesOf(life.url);
    if (sources === undefined) return;
    const delivered = sources.reduce((sum, source) => sum + source.delivered, 0);
    // Another life of it has begun.
    if (delivered < life.delivered) life.before += life.delivered;
    life.delivered = delivered;
    const lost = sources.reduce((sum, source) => sum + source.deadLettered + source.dropped, 0);
    givenUp = Math.max(givenUp, lost);
  };
  const over = new AbortController();
  const looking = (async () => {
    while (!over.signal.aborted) {
      await Promise.all([...lives.map(look), setTimeout(betweenLooksMs)]);
    }
  })();
  return {
    delivered: () => lives.reduce((sum, life) => sum + life.before + life.delivered, 0),
    givenUp: () => givenUp,
    async stop() {
      over.abort();
      await looking;
    },
  };
}
