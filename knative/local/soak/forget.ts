// What Redis keeps of settled sales leaves by itself after a week. Here the week is made short, when
// everything else is done: nothing of any sale may stay.

import { setTimeout as pause } from 'node:timers/promises';
import { Cluster } from 'ioredis';
import { boardKeysOf } from '#lib/board/restore.ts';
import { saleKeys } from '#lib/names.ts';
import { connectRedis, type RedisClient } from '#lib/redis/connect.ts';
import { createLog } from '#lib/telemetry/log.ts';
import type { TestRuntime } from '#lib/testing/runtime.ts';
import { readStores, type StoreFigures } from './store-figures.ts';

export interface Forgotten {
  /** Before the first sale, with all of them, and after their week. */
  readonly before: StoreFigures['redis'];
  readonly full: StoreFigures['redis'];
  readonly after: StoreFigures['redis'];
  readonly problems: readonly string[];
}

const goneMs = 3_000;
const scanCount = 1_000;
/** What Redis itself keeps of memory that it once needed: buffers, tables. */
const keptMbMax = 10;

/** Lets a week pass for these sales; says which keys of theirs have no end. */
export async function forgetAll(
  system: TestRuntime,
  products: readonly string[],
  before: StoreFigures['redis'],
): Promise<Forgotten> {
  const { redis: full } = await readStores(system);
  const urls = String(system.env.SECKILL_REDIS_URL).split(',');
  const redis = connectRedis({ urls }, createLog('soak', 'silent'));
  try {
    await new Promise<void>((resolve) => redis.once('ready', resolve));
    const keys = products.flatMap((id) => [...Object.values(saleKeys(id)), ...boardKeysOf(id)]);
    for (const key of keys) {
      if ((await redis.pttl(key)) > 0) await redis.pexpire(key, 1);
    }
    await pause(goneMs);
    const endless = await endlessKeys(redis, products);
    const { redis: after } = await readStores(system);
    const problems = [
      ...(endless.length > 0 ? [`${endless.length} keys never leave, as ${endless[0] ?? ''}`] : []),
      ...memoryKept(before, after),
    ];
    return { before, full, after, problems };
  } finally {
    redis.disconnect();
  }
}

/** All keys that name one of these products and stay. */
async function endlessKeys(redis: RedisClient, products: readonly string[]): Promise<string[]> {
  const masters = redis instanceof Cluster ? redis.nodes('master') : [redis];
  const found: string[] = [];
  for (const master of masters) {
    let cursor = '0';
    do {
      const [next, keys] = await master.scan(cursor, 'COUNT', scanCount);
      for (const key of keys) {
        const isOurs = products.some((id) => key.split(/[:{}]/).includes(id));
        if (isOurs && (await master.pttl(key)) === -1) found.push(key);
      }
      cursor = next;
    } while (cursor !== '0');
  }
  return found;
}

function memoryKept(before: StoreFigures['redis'], after: StoreFigures['redis']): string[] {
  if (before === null || after === null) return ['Redis did not say what it holds'];
  const keptMb = after.usedMb - before.usedMb;
  if (keptMb <= keptMbMax) return [];
  return [`Redis holds ${keptMb.toFixed(1)} MB more than before, of sales whose week is over`];
}
