// What an operator does around a run, by `kn-seckill`: the sales are made, limited and opened
// before the load; closed, waited for and verified after it.

import { writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { Shop } from '#knative/e2e/shop.ts';
import { lastLine } from '#knative/e2e/stage.ts';
import type { OrderRow } from './figures.ts';
import type { Verified } from './judge.ts';
import type { Plan } from './plans.ts';

export interface Sales {
  readonly products: readonly string[];
  /** ISO 8601, of a plan whose sale opens while the load is there. */
  readonly opensAt: string | undefined;
  /** Closes them and waits until every accepted order is a row; rejects where that takes too long. */
  settle(): Promise<void>;
  verify(): Promise<Verified[]>;
  rows(): Promise<ReadonlyMap<string, readonly OrderRow[]>>;
}

export interface SalesDeps {
  readonly shop: Shop;
  /** Part of the names of products and users: no other run has it. */
  readonly run: string;
  readonly say: (text: string) => void;
  /** Called with what is to be done at the end, however it comes. */
  readonly atTheEnd: (tidyUp: () => Promise<void>) => void;
}

const settleWithinMs = 300_000;
const verifyWait = '60s';
/** So many at once: each is a process of its own. */
const atOnce = 2;

/**
 * Puts the plan's products on sale. `atTheEnd` gets what leaves sales closed and without limits of
 * their own, before there is anything to tidy up.
 */
export async function openSales(
  { shop, run, say, atTheEnd }: SalesDeps,
  plan: Plan,
): Promise<Sales> {
  const products = plan.sales.map(({ name }) => `${run}-${name}`);
  let isSettled = false;
  atTheEnd(() => tidyUp({ shop, say }, products, isSettled));
  const opensAt =
    plan.opensInSeconds === undefined
      ? undefined
      : new Date(Date.now() + plan.opensInSeconds * 1_000).toISOString();
  await ofEach(plan.sales, async ({ name, stock, unitsPerUser, limit }) => {
    const product = `${run}-${name}`;
    await shop.ask(
      ...['sale', 'create', product, '--name', name, '--price', '100', '--stock', String(stock)],
      ...['--limit', String(unitsPerUser), ...(opensAt === undefined ? [] : ['--opens', opensAt])],
    );
    const { rate, capacity } = limit;
    await shop.ask(
      ...['limits', 'set', 'product', '--product', product],
      ...['--rate', String(rate), '--capacity', String(capacity)],
    );
    await shop.ask('sale', opensAt === undefined ? 'open' : 'warm', product);
  });
  return {
    products,
    opensAt,
    async settle() {
      await ofEach(products, (product) => settle(shop, product, say));
      isSettled = true;
    },
    verify: () => ofEach(products, (product) => verify(shop, product)),
    async rows() {
      const found = await ofEach(products, (product) =>
        shop.ask<OrderRow[]>('orders', 'list', product, '--limit', '1000000'),
      );
      return new Map(products.map((product, index) => [product, found[index] ?? []]));
    },
  };
}

async function tidyUp(
  { shop, say }: Pick<SalesDeps, 'shop' | 'say'>,
  products: readonly string[],
  isSettled: boolean,
): Promise<void> {
  const tell = async (...args: readonly string[]) => {
    const { status, stderr } = await shop.tell(...args);
    if (status !== 0) say(`${args.join(' ')}: ${lastLine(stderr)}`);
  };
  await ofEach(products, async (product) => {
    if (!isSettled) await tell('sale', 'close', product, '--wait', '30s');
    await tell('limits', 'reset', 'product', '--product', product);
  });
}

/** Tokens of so many buyers, a line each: user id, space, token. Resolves with the first user. */
export async function signBuyers(shop: Shop, count: number, file: string): Promise<string> {
  const buyers = [...(await shop.buyers(count))];
  const lines = buyers.map(({ userId, token }) => `${userId} ${token}\n`);
  writeFileSync(file, lines.join(''), { mode: 0o600 });
  return buyers[0]?.userId ?? '';
}

/** Asked again and again, so that what it waits for can be told. */
async function settle(shop: Shop, product: string, say: (text: string) => void): Promise<void> {
  const deadline = performance.now() + settleWithinMs;
  for (;;) {
    const { status, stderr } = await shop.tell('sale', 'close', product, '--wait', '2s');
    if (status === 0) return;
    const said = lastLine(stderr);
    if (performance.now() > deadline) throw new Error(`${product} is not settled: ${said}`);
    say(said);
    await pause(500);
  }
}

async function verify(shop: Shop, productId: string): Promise<Verified> {
  const { status, stderr } = await shop.tell('verify', productId, '--wait', verifyWait);
  return { productId, status, said: lastLine(stderr) };
}

/** A few at a time, in order. */
async function ofEach<In, Out>(
  list: readonly In[],
  work: (one: In) => Promise<Out>,
): Promise<Out[]> {
  const results: Out[] = [];
  for (let first = 0; first < list.length; first += atOnce) {
    results.push(...(await Promise.all(list.slice(first, first + atOnce).map(work))));
  }
  return results;
}
