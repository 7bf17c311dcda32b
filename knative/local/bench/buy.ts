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
import { cpuMsPerThousand, readCpuTimes } from './cpu.ts';
import { limitProduct, openSale, shippedLimit, verify } from './operate.ts';
import { assertOnly, readOutcomes } from './outcomes.ts';
import { type Rate, type Row, rateRow } from './row.ts';
import type { Running } from './system.ts';

const edgeCounter = 'seckill_requests_total';
const acceptances = ['accepted', 'replayed'];

export const accept: Measure = (bench) => acceptOf(bench, 'accept', ['accept']);

export const accept10Products: Measure = (bench) => acceptMany(bench, 10);
export const accept100Products: Measure = (bench) => acceptMany(bench, 100);

function acceptMany(bench: Bench, count: number) {
  const products = Array.from({ length: count }, (_, index) => `accept-${count}-${index}`);
  return acceptOf(bench, `accept-${count}-products`, products);
}

/** Only some are verified: it takes its time. */
const productsVerifiedMax = 5;

/** Acceptances of products that are bought in turn; reference: do-nothing. */
export async function acceptOf(
  bench: Bench,
  name: string,
  products: readonly string[],
): Promise<Row> {
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

/** Nothing is left: the edge knows for a moment at a time. */
export const soldOut: Measure = async (bench) => {
  const product = 'sold-out';
  await openSale(bench.system, product, 1);
  const { rates, references } = await compare(bench, () =>
    refuseThrough(bench, product, ['sold_out']),
  );
  return rateRow(product, rates, references);
};

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

/** Accepted purchases a second through an edge; throws where any came to something else. */
export async function buyThrough(
  bench: Bench,
  edge: Running,
  products: readonly string[],
): Promise<Rate> {
  const result = await loadOn(bench, edge, products, acceptances);
  if (result.refused > 0) throw new Error(`${result.refused} purchases were not accepted`);
  return { ...rateOf(result, result.requests), cpuMsPerThousand: result.cpuFor(result.requests) };
}

async function refuseThrough(
  bench: Bench,
  product: string,
  outcomes: readonly string[],
): Promise<Rate> {
  const result = await loadOn(bench, bench.system.edge, [product], outcomes);
  return { ...rateOf(result, result.refused), cpuMsPerThousand: result.cpuFor(result.refused) };
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
  const cpuBefore = readCpuTimes();
  const result = await buyers.buy(url, products, { connections, seconds });
  const cpuAfter = readCpuTimes();
  assertOnly(outcomes, before, await readOutcomes(metricsUrl, edgeCounter));
  assertAnswered(result);
  const cpuFor = (count: number) => cpuMsPerThousand(cpuBefore, cpuAfter, count);
  return { ...result, cpuFor };
}
