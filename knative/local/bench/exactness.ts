// A product's limit is exact: three edges share it while three times as many want to buy. Counted
// against what the bucket may give by Redis' own clock, from the first purchase to the last.

import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';
import { Pool } from 'undici';
import { bucketKey } from '#lib/buckets/take.ts';
import { connectRedis, type RedisClient } from '#lib/redis/connect.ts';
import { createLog } from '#lib/telemetry/log.ts';
import { choosePort } from '../ports.ts';
import { type Measure, warmUpSeconds } from './bench.ts';
import { limitProduct, shippedLimit, tokenOf } from './operate.ts';
import { quantile, rateRow } from './row.ts';
import { sendPurchase, steadily } from './steady.ts';
import type { Running, System } from './system.ts';

const name = 'limit-exactness';
const edgesCount = 3;
const wantedPerSecond = 3_000;
/** Of another product meanwhile, which its own limit lets through. */
const othersPerSecond = 300;
/** Not less than this part of what may be admitted. */
const ratioMin = 0.98;

export const limitExactness: Measure = async ({ system, options, say }) => {
  const [other, warmUp] = [`${name}-other`, `${name}-warm-up`];
  for (const product of [name, other, warmUp]) await limitProduct(system, product, shippedLimit);
  // What is admitted is accepted at once: only the limits are looked at, and only they cost.
  const purchase = await startAcceptingPurchase();
  const edges: Running[] = [];
  while (edges.length < edgesCount) {
    edges.push(await system.addInstance('ratelimit-edge', { SECKILL_PURCHASE_URL: purchase.url }));
  }
  const pools = edges.map(({ url }) => new Pool(url, { connections: 64 }));
  const redis = await connect(system);

  const load = (product: string, perSecond: number, seconds = options.seconds) =>
    prepare(system, pools, { product, perSecond, count: perSecond * seconds });
  await load(warmUp, wantedPerSecond, warmUpSeconds)();
  const [crowdBuys, othersBuy] = [load(name, wantedPerSecond), load(other, othersPerSecond)];
  const startedAtUs = await timeOf(redis);
  const [crowd, others] = await Promise.all([crowdBuys(), othersBuy()]);
  const [, lastAtUs] = ((await redis.get(bucketKey('product', name))) ?? '').split(' ');

  redis.disconnect();
  for (const pool of pools) await pool.close();
  for (const edge of edges) await edge.stop();
  await purchase.stop();
  const seconds = (Number(lastAtUs) - startedAtUs) / 1_000_000;
  const mayBe = shippedLimit.capacity + shippedLimit.rate * seconds;
  say(name, `admitted ${crowd.admitted} of at most ${mayBe.toFixed(1)} in ${seconds.toFixed(3)} s`);
  if (others.refused > 0) throw new Error(`${other}: ${others.refused} were refused`);
  if (!(crowd.admitted <= mayBe)) throw new Error('more were admitted than may be');
  if (crowd.admitted < ratioMin * mayBe) throw new Error('fewer were admitted than may be');
  const [p50Ms, p99Ms] = [0.5, 0.99].map((q) => Number(quantile(crowd.timesMs, q).toFixed(2)));
  const rate = { perSecond: crowd.admitted / seconds, p50Ms: p50Ms ?? null, p99Ms: p99Ms ?? null };
  return rateRow(name, [rate], [mayBe / seconds]);
};

/** Answers batches of the edges as `purchase` would that has enough for everybody. */
async function startAcceptingPurchase(): Promise<{ url: string; stop(): Promise<void> }> {
  const server = createServer((incoming, outgoing) => {
    void json(incoming).then((batch) => {
      const { purchases } = batch as { purchases: { quantity: number }[] };
      const answers = purchases.map(({ quantity }) => ({ outcome: 'accepted', quantity }));
      outgoing.end(JSON.stringify({ answers }));
    });
  });
  const port = await choosePort();
  await new Promise<void>((done, fail) => {
    server.once('error', fail);
    server.listen(port, '127.0.0.1', done);
  });
  return {
    url: `http://127.0.0.1:${port}`,
    async stop() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

interface Load {
  readonly product: string;
  readonly perSecond: number;
  readonly count: number;
}

interface Bought {
  readonly admitted: number;
  readonly refused: number;
  readonly timesMs: readonly number[];
}

/**
 * What buys steadily from all edges in turn, everybody once, and rejects where that fails. Signing
 * the tokens takes its time beforehand.
 */
function prepare(
  system: System,
  pools: readonly Pool[],
  { product, perSecond, count }: Load,
): () => Promise<Bought> {
  const tokens = Array.from({ length: count }, (_, n) => tokenOf(system, `${product}-${n}`));
  return async () => {
    const statuses = new Map<number, number>();
    const timesMs: number[] = [];
    await steadily({ perSecond, count }, async (n) => {
      const startedAtMs = performance.now();
      const { status } = await sendPurchase(
        pools[n % pools.length] as Pool,
        product,
        tokens[n] ?? '',
      );
      timesMs.push(performance.now() - startedAtMs);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    });
    const [admitted, refused] = [statuses.get(202) ?? 0, statuses.get(429) ?? 0];
    if (admitted + refused < count) {
      throw new Error(`${product}: answered ${JSON.stringify([...statuses])}`);
    }
    return { admitted, refused, timesMs };
  };
}

async function connect({ env }: System): Promise<RedisClient> {
  const redis = connectRedis({ urls: [env.SECKILL_REDIS_URL ?? ''] }, createLog('bench', 'silent'));
  await new Promise<void>((resolve) => redis.once('ready', resolve));
  return redis;
}

/** Redis' clock, epoch microseconds. */
async function timeOf(redis: RedisClient): Promise<number> {
  // They come as texts, whatever their type says.
  const [seconds = 0, microseconds = 0] = (await redis.time()).map(Number);
  return seconds * 1_000_000 + microseconds;
}
