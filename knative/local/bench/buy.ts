// Purchases through the front door: accepted ones, with one instance or three, for one product or
// a hundred, and those that are refused.

import {
  assertAnswered,
  type Bench,
  compare,
  type Measure,
  rateOf,
  warmUpSeconds,
} from './bench.ts';
import { limitProduct, openSale, verify } from './operate.ts';
import { assertOnly, readOutcomes } from './outcomes.ts';
import { startRoundRobin } from './round-robin.ts';
import { type Rate, rateRow } from './row.ts';
import type { Running } from './system.ts';

const edgeCounter = 'seckill_requests_total';
const purchaseCounter = 'seckill_purchases_total';
const acceptances = ['accepted', 'replayed'];

export const accept: Measure = (bench) => acceptOf(bench, 'accept', ['accept']);

/** Only some are verified: each look reads the whole topic. */
export const accept100Products: Measure = (bench) => {
  const products = Array.from({ length: 100 }, (_, index) => `accept-100-${index}`);
  return acceptOf(bench, 'accept-100-products', products);
};

const productsVerifiedMax = 5;

async function acceptOf(bench: Bench, name: string, products: readonly string[]) {
  for (const product of products) await openSale(bench.system, product);
  const { edge } = bench.system;
  const { rates, references } = await compare(bench, () => buyThrough(bench, edge, products));
  await bench.system.withSinks(async () => {
    for (const product of products.slice(0, productsVerifiedMax)) {
      await verify(bench.system, product);
    }
  });
  return rateRow(name, rates, references);
}

/** The same while rows and leaderboards are written on the same cores. */
export const acceptWithSinks: Measure = async (bench) => {
  const product = 'accept-with-sinks';
  const { system } = bench;
  await openSale(system, product);
  const { rates, references } = await compare(bench, () =>
    system.withSinks(async () => {
      const rate = await buyThrough(bench, system.edge, [product]);
      await verify(system, product);
      return rate;
    }),
  );
  return rateRow(product, rates, references);
};

/** Three instances of `purchase` that want the same product's lock. */
export const accept3Instances: Measure = async (bench) => {
  const name = 'accept-3-instances';
  const { system } = bench;
  await openSale(system, name);
  const instances = [
    system.purchase,
    await system.addInstance('purchase'),
    await system.addInstance('purchase'),
  ];
  const roundRobin = await startRoundRobin(instances.map(({ url }) => url));
  const edge = await system.addInstance('ratelimit-edge', {
    SECKILL_PURCHASE_URL: roundRobin.url,
  });
  const decidedBefore = await decidedBy(instances);
  const { rates, references } = await compare(bench, () => buyThrough(bench, edge, [name]));
  const decided = (await decidedBy(instances)).map((count, at) => count - (decidedBefore[at] ?? 0));
  bench.say(name, `decided by each instance: ${decided.join(', ')}`);
  await edge.stop();
  await roundRobin.stop();
  for (const instance of instances.slice(1)) await instance.stop();
  await system.withSinks(() => verify(system, name));
  return rateRow(name, rates, references);
};

function decidedBy(instances: readonly Running[]): Promise<number[]> {
  return Promise.all(
    instances.map(async ({ metricsUrl }) => {
      const outcomes = await readOutcomes(metricsUrl, purchaseCounter);
      return [...outcomes.values()].reduce((sum, count) => sum + count, 0);
    }),
  );
}

/** Nothing is left: the edge knows for a moment at a time. */
export const soldOut: Measure = async (bench) => {
  const product = 'sold-out';
  await openSale(bench.system, product, 1);
  const { rates, references } = await compare(bench, () =>
    refuseThrough(bench, product, ['sold_out']),
  );
  return rateRow(product, rates, references);
};

/** The limit that a product has unless an operator says otherwise. */
const shippedLimit = { rate: 1_000, capacity: 1_000 };

/** Far more want it than may ask: what is counted is the refusals. */
export const rateLimited: Measure = async (bench) => {
  const product = 'rate-limited';
  await openSale(bench.system, product);
  await limitProduct(bench.system, product, shippedLimit);
  const { rates, references } = await compare(bench, () =>
    refuseThrough(bench, product, ['rate_limited', 'accepted']),
  );
  await bench.system.withSinks(() => verify(bench.system, product));
  return rateRow(product, rates, references);
};

async function buyThrough(bench: Bench, edge: Running, products: readonly string[]): Promise<Rate> {
  const result = await loadOn(bench, edge, products, acceptances);
  if (result.refused > 0) throw new Error(`${result.refused} purchases were not accepted`);
  return rateOf(result, result.requests);
}

async function refuseThrough(
  bench: Bench,
  product: string,
  outcomes: readonly string[],
): Promise<Rate> {
  const result = await loadOn(bench, bench.system.edge, [product], outcomes);
  return rateOf(result, result.refused);
}

async function loadOn(
  { buyers, options }: Bench,
  { url, metricsUrl }: Running,
  products: readonly string[],
  outcomes: readonly string[],
) {
  const { connections, seconds } = options;
  await buyers.buy(url, products, { connections, seconds: warmUpSeconds });
  const before = await readOutcomes(metricsUrl, edgeCounter);
  const result = await buyers.buy(url, products, { connections, seconds });
  assertOnly(outcomes, before, await readOutcomes(metricsUrl, edgeCounter));
  assertAnswered(result);
  return result;
}
