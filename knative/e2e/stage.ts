// What every scenario is given, and how it says what it found.

import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type Buyer, type Buyers, createBuyers, type Purchase } from './buyers.ts';
import type { Cluster } from './cluster.ts';
import type { Door } from './door.ts';
import { compare, problemsOf } from './judge.ts';
import type { Options } from './options.ts';
import type { Shop } from './shop.ts';

export interface Finding {
  readonly scenario: string;
  readonly ok: boolean;
  /** What was measured, to be printed as it is. */
  readonly figures: Readonly<Record<string, unknown>>;
  /** What is not as it should be; empty where all is well. */
  readonly problems: readonly string[];
}

export type Found = Pick<Finding, 'figures' | 'problems'>;
export type Scenario = (stage: Stage) => Promise<Found>;

export interface Stage {
  readonly options: Options;
  readonly cluster: Cluster;
  readonly shop: Shop;
  readonly door: Door;
  /** Aborted by Ctrl-C: whatever waits, stops waiting. */
  readonly interrupted: AbortSignal;
  readonly say: (text: string) => void;
  /** Puts a product on sale under a name of its own; it is closed when the run ends. */
  newSale(what: NewSale): Promise<Sale>;
  /** Done when the run ends, the last first, whatever became of it. */
  atTheEnd(what: string, undo: () => Promise<unknown>): void;
  /** Resolves with what `look` finds as soon as it finds something; undefined at the deadline. */
  until<T>(deadlineMs: number, look: () => Promise<T | undefined>): Promise<T | undefined>;
}

export interface NewSale {
  /** Part of the product's id. */
  readonly name: string;
  readonly stock: number;
  /** As `kn-seckill sale create --opens` takes it; without it, `sale open` opens it at once. */
  readonly opens?: string;
}

export interface Sale {
  readonly productId: string;
  readonly buyers: Buyers;
  /** So many people who have not come before. */
  people(count: number): Promise<IterableIterator<Buyer>>;
  /** Closes it, waits until it is settled, and holds what clients were told against the rows. */
  settle(): Promise<Found>;
}

/** How long a buyer keeps asking; longer than a node's pods take to be somewhere else. */
const patienceMs = 180_000;
const awakeWithinMs = 120_000;
const pollMs = 250;
const betweenTriesMs = 5_000;

export interface SaleDeps {
  readonly shop: Shop;
  readonly door: Door;
  readonly interrupted: AbortSignal;
  readonly atTheEnd: Stage['atTheEnd'];
  /** What tells the sales of this run from those of any other. */
  readonly run: string;
  /** Where the clients' own log goes. */
  readonly folder: string;
  /** Called for each purchase as soon as it is known. */
  readonly onTold?: (purchase: Purchase) => void;
  /** How often it is tried to settle while a store that is away lets nothing be told; 1. */
  readonly settleTries?: number;
}

export async function createSale(deps: SaleDeps, { name, stock, opens }: NewSale): Promise<Sale> {
  const { shop, door, interrupted, atTheEnd, run, folder, settleTries = 1 } = deps;
  const productId = `${run}-${name}`;
  // Everything may be asleep; what is measured begins later.
  const isAwake = async () => (await door.look('/api/products')) === 200 || undefined;
  if ((await untilFound(awakeWithinMs, isAwake, interrupted)) === undefined) {
    throw new Error('GET /api/products is not answered: `kn-seckill doctor` tells more');
  }
  const log = createWriteStream(join(folder, `${productId}.jsonl`));
  await shop.ask(
    ...['sale', 'create', productId, '--name', `e2e ${name}`, '--stock', String(stock)],
    ...['--price', '100', '--limit', '1', ...(opens === undefined ? [] : ['--opens', opens])],
  );
  let isSettled = false;
  // Once it is settled, asking again would only wake what has gone to sleep.
  atTheEnd(`close ${productId}`, async () => {
    if (!isSettled) await shop.tell('sale', 'close', productId, '--wait', '60s');
  });
  if (opens === undefined) await shop.ask('sale', 'open', productId);
  const onTold = (purchase: Purchase) => {
    log.write(`${JSON.stringify(purchase)}\n`);
    deps.onTold?.(purchase);
  };
  const buyers = createBuyers({ door, productId, patienceMs, interrupted, onTold });
  return {
    productId,
    buyers,
    people: (count) => shop.buyers(count),
    async settle() {
      log.end();
      for (let left = settleTries - 1; ; left -= 1) {
        try {
          const found = await settle(shop, productId, buyers);
          isSettled = true;
          if (found.isTold || left <= 0) return found;
        } catch (error) {
          if (left <= 0) throw error;
        }
        await pause(betweenTriesMs, undefined, { signal: interrupted });
      }
    },
  };
}

/** As `kn-seckill verify` exits where it could not tell. */
const untold = 2;

interface Settled extends Found {
  /** False where a store that was away may be all that is wrong. */
  readonly isTold: boolean;
}

/**
 * `verify` has the last word about the stores; the rows, about what clients were told. Rejects
 * where the rows cannot be had.
 */
async function settle(shop: Shop, productId: string, { tally }: Buyers): Promise<Settled> {
  const problems: string[] = [];
  const closed = await shop.tell('sale', 'close', productId, '--wait', '5m');
  if (closed.status !== 0)
    problems.push(`sale close exited ${closed.status}: ${lastLine(closed.stderr)}`);
  const verified = await shop.tell('verify', productId, '--wait', '60s', '-o', 'json');
  const verify = JSON.parse(verified.stdout || '{}') as Record<string, unknown>;
  if (verified.status !== 0)
    problems.push(`verify exited ${verified.status}: ${lastLine(verified.stderr)}`);
  const compared = compare(tally.purchases, await shop.rows(productId));
  problems.push(...problemsOf(compared));
  const { stock, sold, rows, units, oversold, lost, duplicated, ranked, ok } = verify;
  return {
    figures: {
      ...{ accepted: compared.accepted, rows: compared.rows, missing: compared.missing.length },
      verify: { stock, sold, rows, units, oversold, lost, duplicated, ranked, ok },
    },
    problems,
    isTold: closed.status === 0 && verified.status !== untold,
  };
}

/** What a command said in the end; what it waited for came before. */
export function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}

/** Looks every quarter of a second; rejects when interrupted. */
export async function untilFound<T>(
  deadlineMs: number,
  look: () => Promise<T | undefined>,
  interrupted: AbortSignal,
): Promise<T | undefined> {
  const deadline = performance.now() + deadlineMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > deadline) return undefined;
    await pause(pollMs, undefined, { signal: interrupted });
  }
}
