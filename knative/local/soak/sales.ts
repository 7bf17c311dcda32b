// The sales of a soak, one after the other: each is prepared while the one before is being sold, so
// that buyers never wait for an operator; settled, verified and compared while the next is sold.

import { setTimeout as pause } from 'node:timers/promises';
import type { Buyer, Unclean } from '#knative/e2e/buyers.ts';
import { startStream } from '#knative/e2e/load.ts';
import { createSale, type Sale, type SaleDeps } from '#knative/e2e/stage.ts';
import { messageOf } from '../stores/healthy.ts';

export interface SoldSale {
  readonly productId: string;
  /** How it ended. */
  readonly ending: Ending;
  readonly purchases: number;
  readonly limited: number;
  readonly unclean: number;
  readonly settledAfterSeconds: number;
  /** As stage.ts tells them: what was accepted, the rows, what `verify` says. */
  readonly figures: Readonly<Record<string, unknown>>;
  readonly problems: readonly string[];
}

/** Every second sale has fewer units than buyers; the others are closed with some left. */
export type Ending = 'sold out' | 'closed';

export interface Chain {
  /** The one that is being sold; '' before the first. */
  readonly current: () => string;
  /** Unclean answers of those that are being sold or settled. */
  readonly unclean: () => readonly Unclean[];
  /** Since when the buyer who has asked longest is asking, epoch ms; now where nobody is. */
  readonly askingSinceMs: () => number;
  /** Resolves when the first sale is open and its buyers have their tokens. */
  readonly ready: Promise<void>;
  /** Sells them all; resolves when every sale is settled and judged. */
  sell(): Promise<SoldSale[]>;
}

export interface Plan {
  readonly sales: number;
  readonly secondsEach: number;
  readonly perSecond: number;
}

/** Of the buyers of a sale that sells out, so many get a unit. */
const stockShare = 0.97;
/** The next one may be late while a store is away. */
const spareSeconds = 60;
const prepareTries = 12;
const betweenTriesMs = 5_000;

interface Prepared {
  readonly sale: Sale;
  readonly people: IterableIterator<Buyer>;
  readonly ending: Ending;
}

export function createChain(
  deps: SaleDeps,
  { sales, secondsEach, perSecond }: Plan,
  say: (text: string) => void,
): Chain {
  const open = new Set<Prepared>();
  let current: Prepared | undefined;
  let next = prepare(0);

  async function prepare(at: number): Promise<Prepared> {
    const ending = at % 2 === 0 ? 'closed' : 'sold out';
    const buyers = secondsEach * perSecond;
    const all = buyers + spareSeconds * perSecond;
    const stock = ending === 'closed' ? all : Math.floor(buyers * stockShare);
    const people = await deps.shop.buyers(all);
    // Saying the same again changes nothing.
    const name = String(at + 1);
    const sale = await tryAgain(() => createSale(deps, { name, stock }), deps.interrupted);
    const prepared = { sale, people, ending } as const;
    open.add(prepared);
    return prepared;
  }

  /** Sells one; resolves when its time is over, with whatever is left to be done. */
  async function sellOne(at: number): Promise<() => Promise<SoldSale>> {
    const now = await next;
    current = now;
    const load = startStream(now.sale.buyers, now.people, perSecond);
    const endsAtMs = performance.now() + secondsEach * 1_000;
    const isLast = at + 1 === sales;
    if (!isLast) next = prepare(at + 1);
    // It is looked at when its turn comes.
    next.catch(() => undefined);
    await pause(endsAtMs - performance.now(), undefined, { signal: deps.interrupted });
    await next;
    // Those who have begun are told while others already buy the next product.
    const stopped = load.stop().then(
      () => [],
      (error: unknown) => [messageOf(error)],
    );
    return async () => {
      const sold = await settle(now, await stopped, deps.interrupted);
      open.delete(now);
      say(
        `${sold.productId} (${sold.ending}): ${sold.problems.join('; ') || 'every promise kept'}`,
      );
      return sold;
    };
  }

  return {
    ready: next.then(() => undefined),
    current: () => current?.sale.productId ?? '',
    unclean: () => [...open].flatMap(({ sale }) => sale.buyers.tally.unclean),
    askingSinceMs: () =>
      Math.min(Date.now(), ...[...open].map(({ sale }) => sale.buyers.askingSinceMs())),
    async sell() {
      const sold: SoldSale[] = [];
      let settling = Promise.resolve();
      for (let at = 0; at < sales; at += 1) {
        const finish = await sellOne(at);
        settling = settling.then(async () => {
          sold.push(await finish());
        });
        settling.catch(() => undefined);
      }
      await settling;
      return sold;
    },
  };
}

/** Resolves with all that is known of a sale, whatever became of it. */
async function settle(
  { sale, ending }: Prepared,
  problems: readonly string[],
  interrupted: AbortSignal,
): Promise<SoldSale> {
  const startedAtMs = performance.now();
  const found = await sale.settle().catch((error: unknown) => {
    interrupted.throwIfAborted();
    return { figures: {}, problems: [messageOf(error)] };
  });
  const { purchases, limited, unclean } = sale.buyers.tally;
  const unserved = purchases.filter(({ told }) => told.kind === 'unserved').length;
  const served = unserved === 0 ? [] : [`${unserved} buyers were not served in the end`];
  return {
    ...{ productId: sale.productId, ending, limited, figures: found.figures },
    ...{ purchases: purchases.length, unclean: unclean.length },
    settledAfterSeconds: Math.round((performance.now() - startedAtMs) / 1_000),
    problems: [...problems, ...served, ...found.problems],
  };
}

async function tryAgain<T>(work: () => Promise<T>, interrupted: AbortSignal): Promise<T> {
  for (let left = prepareTries - 1; ; left -= 1) {
    try {
      return await work();
    } catch (error) {
      interrupted.throwIfAborted();
      if (left === 0) throw error;
      await pause(betweenTriesMs, undefined, { signal: interrupted });
    }
  }
}
