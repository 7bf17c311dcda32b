// persist-order under fuzz, with a MySQL and a Redis that nobody else writes to.

import { Redis } from 'ioredis';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import { dumpOf, fuzzedProductId, playFuzz } from '#lib/testing/fuzz/scene.ts';
import { migrate } from './migrate.ts';
import { startSink } from './persist-fixture.ts';

/** Fuzzes it on an empty database and this Redis; see `playFuzz`. */
export async function fuzzPersistOrder(
  mysqlUrl: string,
  redisUrl: string,
  plan: { count: number; seed: number },
): Promise<string> {
  await migrate({ url: mysqlUrl });
  const env = { SECKILL_MYSQL_URL: mysqlUrl, SECKILL_REDIS_URL: redisUrl };
  const sink = startSink({ ...env, SECKILL_REDIS_URL: [redisUrl], SECKILL_SIGNING_KEYS: [] });
  const mysql = await createConnection(mysqlUrl);
  const redis = new Redis(redisUrl);
  const checksums = async () => {
    const [tables] = await mysql.query<RowDataPacket[]>('show tables');
    const names = tables.flatMap((row) => Object.values(row) as string[]);
    const [sums] = await mysql.query<RowDataPacket[]>('checksum table ??', [names]);
    return sums;
  };
  try {
    await sink.putOnSale(fuzzedProductId, 100);
    return await playFuzz(
      {
        name: 'persist-order',
        env,
        held: async () => [await checksums(), await dumpOf(redis)],
      },
      plan,
    );
  } finally {
    redis.disconnect();
    await mysql.end();
    await sink.stop();
  }
}
