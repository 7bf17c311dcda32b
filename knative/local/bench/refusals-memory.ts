// Minutes of refusals by a million users from a million addresses: the memory of the edge and of
// Redis comes to a level and stays there.

import { join } from 'node:path';
import { Redis } from 'ioredis';
import { assertAnswered, type Bench, type Measure, rateOf } from './bench.ts';
import { writeTokens } from './buyers.ts';
import { trendOf } from './flat.ts';
import { type Memory, readMemory, sampleWhile } from './memory.ts';
import { limitProduct, limitTier, openSale, raiseLimits } from './operate.ts';
import { assertOnly, readOutcomes } from './outcomes.ts';
import { type Rate, type Row, rateRow } from './row.ts';
import type { Running } from './system.ts';
import { runWrk } from './wrk.ts';

const name = 'refusals-memory';
const counter = 'seckill_requests_total';
const users = 1_000_000;
const [soldOut, limited, nearly] = [`${name}-sold-out`, `${name}-limited`, `${name}-nearly`];
const outcomes = ['sold_out', 'rate_limited', 'unauthenticated', 'accepted'];
/** Nobody comes so often; it makes a bucket per user and per address. */
const perSubject = { rate: 1, capacity: 10 };
/** As little as a limit can be: what it lets through are sales, which are to be remembered. */
const onePerSecond = { rate: 1, capacity: 1 };

export const refusalsMemory: Measure = async (bench) => {
  const { system } = bench;
  const tokens = join(system.folder, `${name}-tokens`);
  await writeTokens(system, tokens, users);
  await openSale(system, soldOut, 1);
  await openSale(system, limited);
  await openSale(system, nearly, 1);
  await limitProduct(system, limited, onePerSecond);
  await limitTier(system, 'user', perSubject);
  await limitTier(system, 'ip', perSubject);
  const edge = await system.addInstance('ratelimit-edge', { SECKILL_TRUSTED_PROXIES: 'private' });
  const before = await readOutcomes(edge.metricsUrl, counter);
  const { result, samples } = await refuseLong(bench, edge, tokens);
  assertOnly(outcomes, before, await readOutcomes(edge.metricsUrl, counter));
  assertAnswered(result);
  await edge.stop();
  await limitTier(system, 'ip', null);
  await raiseLimits(system);
  for (const line of curveOf(samples)) bench.say(name, line);
  return { ...rowOf(rateOf(result, result.refused)), memory: figuresOf(samples) };
};

interface Sample extends Memory {
  readonly seconds: number;
  readonly redisMb: number;
  readonly redisKeys: number;
}

async function refuseLong({ system, options }: Bench, edge: Running, tokens: string) {
  const redis = new Redis(system.env.SECKILL_REDIS_URL ?? '');
  const load = runWrk(system.folder, {
    url: edge.url,
    script: 'refusals.lua',
    args: [tokens, String(users), soldOut, limited, nearly],
    connections: options.connections,
    seconds: options.longSeconds,
  });
  try {
    return await sampleWhile(load, async () => ({
      ...(await readMemory(edge.metricsUrl)),
      redisMb: Number(/^used_memory:(\d+)/m.exec(await redis.info('memory'))?.[1]) / 1e6,
      redisKeys: await redis.dbsize(),
    }));
  } finally {
    redis.disconnect();
  }
}

/** Throws where the memory has not come to a level. */
function figuresOf(samples: readonly Sample[]): NonNullable<Row['memory']> {
  const resident = samples.map(({ residentMb }) => residentMb);
  const of = (figure: 'residentMb' | 'heapUsedMb' | 'redisMb' | 'redisKeys') =>
    trendOf(samples.map((sample) => ({ seconds: sample.seconds, value: sample[figure] })));
  const trend = of('residentMb');
  for (const [what, { mean, perMinute, isFlat }] of [
    ['the edge', trend],
    ['Redis', of('redisMb')],
  ] as const) {
    if (isFlat) continue;
    const rise = `${perMinute.toFixed(1)} MB a minute at ${mean.toFixed(0)} MB`;
    throw new Error(`the memory of ${what} is not flat: ${rise}`);
  }
  return {
    residentBefore: Math.round(resident[0] ?? Number.NaN),
    residentMax: Math.round(Math.max(...resident)),
    residentAfter: Math.round(resident.at(-1) ?? Number.NaN),
    residentPerMinute: Number(trend.perMinute.toFixed(2)),
    heapUsedPerMinute: Number(of('heapUsedMb').perMinute.toFixed(2)),
    redisPerMinute: Number(of('redisMb').perMinute.toFixed(2)),
    redisKeysMax: Math.max(...samples.map(({ redisKeys }) => redisKeys)),
  };
}

/** A line for each twentieth of the time. */
function curveOf(samples: readonly Sample[]): string[] {
  const step = Math.ceil(samples.length / 20);
  return samples
    .filter((_, at) => at % step === 0 || at === samples.length - 1)
    .map(
      ({ seconds, residentMb, heapUsedMb, redisMb, redisKeys }) =>
        `${seconds.toFixed(0)} s: resident ${residentMb.toFixed(0)} MB, ` +
        `heap ${heapUsedMb.toFixed(0)} MB, Redis ${redisMb.toFixed(1)} MB, ${redisKeys} keys`,
    );
}

function rowOf(rate: Rate): Row {
  return { ...rateRow(name, [rate], []), reference: null, ratio: null };
}
