// Whether the clocks agree: Redis' decides when a sale opens, this function's is on its events, and
// MySQL's is in whatever operators ask there.

import type { Redis } from 'ioredis';
import { Cluster } from 'ioredis';
import type { RowDataPacket } from 'mysql2/promise';
import { type Check, checksOf } from '#lib/diagnosis.ts';
import type { MysqlClient } from '#lib/mysql/connect.ts';
import type { RedisClient } from '#lib/redis/connect.ts';

/** How far a clock is ahead of ours; it may be off by half of the time that asking took. */
export interface Skew {
  readonly whose: string;
  readonly aheadMs: number;
  readonly uncertainMs: number;
}

const say = checksOf('clocks');
/** More is seen in countdowns, and as a delay of consumers that is none. */
const skewMaxMs = 500;
const samples = 3;

/** Throws where the store does not answer. */
export async function redisSkews(redis: RedisClient, now: () => number): Promise<Skew[]> {
  const nodes = redis instanceof Cluster ? redis.nodes('master') : [redis];
  return Promise.all(
    nodes.map((node) => {
      const { host = '', port = 0 } = node.options;
      return skewOf(`Redis ${host}:${port}`, () => redisTimeMs(node), now);
    }),
  );
}

async function redisTimeMs(node: Redis): Promise<number> {
  const [seconds = 0, microseconds = 0] = (await node.time()).map(Number);
  return seconds * 1_000 + microseconds / 1_000;
}

/** Throws where MySQL does not answer. */
export function mysqlSkew({ pool }: MysqlClient, now: () => number): Promise<Skew> {
  const timeMs = async () => {
    const [rows] = await pool.query<RowDataPacket[]>(
      'select unix_timestamp(now(6)) * 1000 as timeMs',
    );
    return Number(rows[0]?.['timeMs']);
  };
  return skewOf('MySQL', timeMs, now);
}

const whySkew =
  'sales open and close by Redis’ clock, pages count down by another, and the delay of ' +
  'consumers is measured between clocks';

/** The best of a few: what was answered fastest is known best. */
async function skewOf(
  whose: string,
  timeMs: () => Promise<number>,
  now: () => number,
): Promise<Skew> {
  let best: Skew | undefined;
  for (let sample = 0; sample < samples; sample += 1) {
    const before = now();
    const theirs = await timeMs();
    const after = now();
    const uncertainMs = (after - before) / 2;
    if (best !== undefined && best.uncertainMs <= uncertainMs) continue;
    best = { whose, aheadMs: theirs - (before + after) / 2, uncertainMs };
  }
  if (best === undefined) throw new Error('no sample was taken');
  return best;
}

/** Which clocks are apart for sure, whatever the way there has cost. */
export function judgeClocks(skews: readonly Skew[]): Check {
  if (skews.length === 0) {
    return say.unknown('skew', {
      found: 'no store has told what time it is',
      why: whySkew,
      todo: 'bring Redis and MySQL back, and ask again',
    });
  }
  const apart = skews.filter(
    ({ aheadMs, uncertainMs }) => Math.abs(aheadMs) - uncertainMs > skewMaxMs,
  );
  if (apart.length === 0) {
    const most = Math.max(0, ...skews.map(({ aheadMs }) => Math.abs(aheadMs)));
    return say.ok('skew', `at most ${Math.round(most)} ms apart`);
  }
  const told = apart.map(
    ({ whose, aheadMs }) =>
      `${whose} is ${(Math.abs(aheadMs) / 1_000).toFixed(1)} s ${aheadMs > 0 ? 'ahead of' : 'behind'} purchase`,
  );
  return say.wrong('skew', {
    found: told.join('; '),
    why: whySkew,
    todo: 'keep the clocks of all nodes and stores by NTP (chrony): see `chronyc tracking` there',
  });
}
