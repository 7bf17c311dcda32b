// How the cost of an acceptance grows: with the connections and the rate, with the products on sale
// together, with the stock of a sale, and with the instances that contend for one product.

import { Pool } from 'undici';
import type { Bench, Measure } from './bench.ts';
import { acceptOf } from './buy.ts';
import {
  connectionCounts,
  type GrowthName,
  instanceCounts,
  productCounts,
  rates,
  stocks,
} from './growth-names.ts';
import { acceptInstances } from './instances.ts';
import { openSale, tokenOf, verify } from './operate.ts';
import { type Row, timesRow } from './row.ts';
import { buyOne, steadily } from './steady.ts';
import { unitsOf } from './units.ts';

export const growthMeasures = Object.fromEntries([
  ...connectionCounts.map((count) => measureOf(`growth-connections-${count}`, withConnections)),
  ...rates.map((rate) => measureOf(`growth-rate-${rate}`, atRate)),
  ...productCounts.map((count) => measureOf(`growth-products-${count}`, withProducts)),
  ...stocks.map((stock) => measureOf(`growth-stock-${stock}`, unitsOf)),
  ...instanceCounts.map((count) => measureOf(`growth-instances-${count}`, acceptInstances)),
]) as Record<GrowthName, Measure>;

type Growth = (bench: Bench, name: string, amount: number) => Promise<Row>;

function measureOf(name: GrowthName, growth: Growth): [GrowthName, Measure] {
  const amount = Number(name.split('-').at(-1));
  return [name, (bench) => growth(bench, name, amount)];
}

function withConnections(bench: Bench, name: string, connections: number): Promise<Row> {
  return acceptOf({ ...bench, options: { ...bench.options, connections } }, name, [name]);
}

function withProducts(bench: Bench, name: string, count: number): Promise<Row> {
  const products = Array.from({ length: count }, (_, at) => `${name}-${at}`);
  return acceptOf(bench, name, products);
}

const openConnections = 256;
const warmUpSeconds = 5;

/** An open load, while rows and boards are written on the same cores: what a buyer waits. */
async function atRate({ system, options }: Bench, name: string, wanted: number): Promise<Row> {
  await openSale(system, name);
  const pool = new Pool(system.edge.url, { connections: openConnections });
  const buy = async (part: string, seconds: number) => {
    const count = wanted * seconds;
    const tokens = Array.from({ length: count }, (_, n) => tokenOf(system, `${name}-${part}-${n}`));
    const timesMs: number[] = [];
    const perSecond = await steadily({ perSecond: wanted, count }, async (n) => {
      const startedAtMs = performance.now();
      await buyOne(pool, name, tokens[n] ?? '');
      timesMs.push(performance.now() - startedAtMs);
    });
    return { perSecond, timesMs };
  };
  try {
    return await system.withSinks(async () => {
      await buy('warm-up', warmUpSeconds);
      const { perSecond, timesMs } = await buy('measured', options.seconds);
      await verify(system, name);
      return timesRow(name, timesMs, { perSecond });
    });
  } finally {
    await pool.close();
  }
}
