// Whether what follows an acceptance keeps up: as many purchases as can be accepted while rows and
// leaderboards are written on the same cores, and then how long it takes until nothing is left.

import { setTimeout } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import { kafkaAccessIn } from '#lib/kafka/access.ts';
import { lagOf, readProgress } from '#lib/kafka/read-progress.ts';
import { consumerGroups, ordersTopic, saleKeys } from '#lib/names.ts';
import type { Bench, Measure } from './bench.ts';
import { buyThrough } from './buy.ts';
import { openSale, stockOfSales, verify } from './operate.ts';
import { median, type Row, round } from './row.ts';
import type { Running, System } from './system.ts';

const name = 'backlog';
/** Of the time that the load lasted: above it the line is a failure. */
const ratioMax = 1;
const pollMs = 20;
const drainDeadlineMs = 300_000;

interface Drained {
  readonly loadSeconds: number;
  readonly drainSeconds: number;
  readonly orders: number;
}

export const backlog: Measure = async (bench) => {
  const rounds: Drained[] = [];
  for (let at = 1; at <= bench.options.rounds; at += 1) rounds.push(await drainOnce(bench, at));
  const perSecond = rounds.map((one) => one.orders / (one.loadSeconds + one.drainSeconds));
  const reference = rounds.map((one) => one.orders / one.loadSeconds);
  const row: Row = {
    name,
    perSecond: Math.round(median(perSecond)),
    reference: Math.round(median(reference)),
    ratio: round(median(rounds.map((one) => one.drainSeconds / one.loadSeconds)), 3),
    p50Ms: null,
    p99Ms: null,
  };
  bench.say(name, rounds.map(describe).join('; '));
  if (!(Number(row.ratio) <= ratioMax)) throw new Error(`draining took ${row.ratio} of the load`);
  return row;
};

function describe({ loadSeconds, drainSeconds, orders }: Drained): string {
  return `${orders} orders in ${loadSeconds.toFixed(1)} s, gone ${drainSeconds.toFixed(2)} s later`;
}

async function drainOnce(bench: Bench, at: number): Promise<Drained> {
  const { system } = bench;
  const product = `${name}-${at}`;
  await openSale(system, product);
  const looks = await openLooks(system, product);
  try {
    return await system.withSinks(async (runner) => {
      const startedAtMs = performance.now();
      await buyThrough(bench, system.edge, [product]);
      const loadedAtMs = performance.now();
      while (!(await looks.isDrained(runner))) {
        if (performance.now() - loadedAtMs > drainDeadlineMs) throw new Error('it never ends');
        await setTimeout(pollMs);
      }
      const drainedAtMs = performance.now();
      await verify(system, product);
      return {
        loadSeconds: (loadedAtMs - startedAtMs) / 1_000,
        drainSeconds: (drainedAtMs - loadedAtMs) / 1_000,
        orders: await looks.sold(),
      };
    });
  } finally {
    await looks.close();
  }
}

/** Whatever is asked of the stores while it drains. Begins before the source runner does. */
async function openLooks(system: System, product: string) {
  const mysql = await createConnection(String(system.env.SECKILL_MYSQL_URL));
  const redis = new Redis(String(system.env.SECKILL_REDIS_URL));
  const groups = Object.values(consumerGroups);
  const progress = () => readProgress(kafkaAccessIn(system.env), ordersTopic, groups);
  const before = await progress();

  const sold = async () => Number(await redis.hget(saleKeys(product).sale, 'sold'));
  const written = async () => {
    const sql = 'select unsold from products where product_id = ?';
    const [rows] = await mysql.query<RowDataPacket[]>(sql, [product]);
    return stockOfSales - Number(rows[0]?.unsold);
  };
  /** How many events each group had to be given since. */
  const events = async () => {
    const { ends } = await progress();
    return groups.map((group) => ({ group, events: lagOf(group, before, ends) }));
  };
  return {
    sold,
    /** Every order has its row, and both functions have taken every event. */
    async isDrained({ url }: Running): Promise<boolean> {
      if ((await sold()) !== (await written())) return false;
      const answer = await fetch(`${url}/sources`, { signal: AbortSignal.timeout(10_000) });
      const sources = (await answer.json()) as { consumerGroup: string; delivered: number }[];
      return (await events()).every(({ group, events: wanted }) =>
        sources.some((one) => one.consumerGroup === group && one.delivered >= wanted),
      );
    },
    async close() {
      await mysql.end();
      redis.disconnect();
    },
  };
}
