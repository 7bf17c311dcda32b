// Instances of `purchase` that contend for one product: what they sell together, how evenly, and
// how long each waits for the lock.

import { Pool } from 'undici';
import { startFront } from '../front.ts';
import { choosePort } from '../ports.ts';
import { type Bench, compare, type Measure, warmUpSeconds } from './bench.ts';
import { buyThrough } from './buy.ts';
import { type Buckets, bucketsBetween, quantileOf, readBuckets } from './histogram.ts';
import { openSale, tokenOf, verify } from './operate.ts';
import { readOutcomes } from './outcomes.ts';
import { leastShareOf, type Row, rateRow } from './row.ts';
import { buyOne, steadily } from './steady.ts';
import type { Running, System } from './system.ts';

const purchaseCounter = 'seckill_purchases_total';
const lockWaits = 'seckill_lock_wait_seconds';

export const accept2Instances: Measure = (bench) => acceptInstances(bench, 'accept-2-instances', 2);
export const accept3Instances: Measure = (bench) => acceptInstances(bench, 'accept-3-instances', 3);

/** So many instances of `purchase` contend for the product of this name; reference: do-nothing. */
export async function acceptInstances(bench: Bench, product: string, count: number): Promise<Row> {
  return contending(bench, product, count, async (edge) => {
    const { rates, references } = await compare(bench, () => buyThrough(bench, edge, [product]));
    return rateRow(product, rates, references);
  });
}

/** How long three instances wait for the lock at half of what they can sell. */
export const lockWait: Measure = async (bench) => {
  const { system, options, say } = bench;
  const name = 'lock-wait';
  return contending(bench, name, 3, async (edge, instances) => {
    const { perSecond: most } = await buyThrough(bench, edge, [name]);
    const half = { system, edge, product: name, perSecond: most / 2 };
    await buySteadily(half, 'warm-up', warmUpSeconds);
    const before = await waitsOf(instances);
    const perSecond = await buySteadily(half, 'measured', options.seconds);
    const waits = bucketsBetween(before, await waitsOf(instances));
    const count = waits.at(-1)?.count ?? 0;
    say(name, `${count} turns of the lock at ${Math.round(perSecond)} purchases a second`);
    const [p50Ms, p99Ms] = [0.5, 0.99].map((q) => 1_000 * quantileOf(waits, q));
    return {
      ...rateRow(name, [{ perSecond, p50Ms: p50Ms ?? null, p99Ms: p99Ms ?? null }], [most]),
    };
  });
};

/** An instance that sells less of its even share than this is starved of the lock. */
const leastShareMin = 0.8;

/**
 * Runs `work` with an edge whose purchases go to so many instances in turn; verifies the sale.
 * Throws where an instance sells much less than the others.
 */
async function contending(
  { system, say }: Bench,
  product: string,
  count: number,
  work: (edge: Running, instances: readonly Running[]) => Promise<Row>,
): Promise<Row> {
  await openSale(system, product);
  const instances = [system.purchase];
  while (instances.length < count) instances.push(await system.addInstance('purchase'));
  const front = await startFront(
    await choosePort(),
    instances.map(({ url }) => url),
  );
  await front.untilAllReady();
  const edge = await system.addInstance('ratelimit-edge', {
    SECKILL_PURCHASE_URL: front.url,
  });
  const before = await decidedBy(instances);
  const row = await work(edge, instances);
  const decided = (await decidedBy(instances)).map((sum, at) => sum - (before[at] ?? 0));
  say(product, `decided by each instance: ${decided.join(', ')}`);
  await edge.stop();
  await front.stop();
  for (const instance of instances.slice(1)) await instance.stop();
  await system.withSinks(() => verify(system, product));
  const leastShare = leastShareOf(decided);
  // Also where nothing was decided.
  if (!(leastShare >= leastShareMin)) {
    throw new Error(`${product}: an instance has decided ${leastShare} of its even share`);
  }
  return { ...row, leastShare };
}

interface Steady {
  readonly system: System;
  readonly edge: Running;
  readonly product: string;
  readonly perSecond: number;
}

async function buySteadily(
  { system, edge, product, perSecond }: Steady,
  part: string,
  seconds: number,
): Promise<number> {
  const count = Math.round(seconds * perSecond);
  const tokens = Array.from({ length: count }, (_, n) =>
    tokenOf(system, `${product}-${part}-${n}`),
  );
  const pool = new Pool(edge.url, { connections: 256 });
  const reached = await steadily({ perSecond, count }, (n) =>
    buyOne(pool, product, tokens[n] ?? ''),
  );
  await pool.close();
  return reached;
}

function decidedBy(instances: readonly Running[]): Promise<number[]> {
  return Promise.all(
    instances.map(async ({ metricsUrl }) => {
      const outcomes = await readOutcomes(metricsUrl, purchaseCounter);
      return [...outcomes.values()].reduce((sum, count) => sum + count, 0);
    }),
  );
}

/** Of all instances together. */
async function waitsOf(instances: readonly Running[]): Promise<Buckets> {
  const [first = [], ...others] = await Promise.all(
    instances.map(({ metricsUrl }) => readBuckets(metricsUrl, lockWaits)),
  );
  return first.map(({ upTo, count }, at) => ({
    upTo,
    count: others.reduce((sum, buckets) => sum + (buckets[at]?.count ?? 0), count),
  }));
}
