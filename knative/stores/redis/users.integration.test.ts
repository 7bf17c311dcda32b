import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { redis as redisStore } from '#knative/local/stores/redis.ts';
import { marksKey } from '#lib/board/restore.ts';
import { boardKey, saleKeys } from '#lib/names.ts';
import { type OwnStore, startOwnStore } from '#lib/testing/own-store.ts';

let store: OwnStore;
let redis: Redis;

beforeAll(async () => {
  store = await startOwnStore(redisStore);
  redis = new Redis(store.address);
  const lines = readFileSync(join(import.meta.dirname, 'users.acl'), 'utf8')
    .trim()
    .split('\n');
  for (const line of lines) {
    const [, user = '', ...rules] = line.split(' ');
    if (user !== 'default') await redis.call('ACL', 'SETUSER', user, ...rules);
  }
});

afterAll(async () => {
  redis.disconnect();
  await store.remove();
});

const { sale, orders, buyers } = saleKeys('shoe');
const board = boardKey('shoe', 'speed');

test.each([
  ['ratelimit-edge', `EVALSHA x 1 seckill:bucket:{user:1}:u`],
  ['ratelimit-edge', `ZRANGE ${board} 0 9`],
  ['ratelimit-edge', 'HGETALL seckill:limits'],
  ['ratelimit-edge', 'CLUSTER SLOTS'],
  ['purchase', `EVALSHA x 2 ${sale} ${orders}`],
  ['purchase', 'SCRIPT LOAD x'],
  ['purchase', 'INFO'],
  ['purchase', `ZREM ${board} u`],
  ['purchase', 'HSET seckill:limits a b'],
  ['persist-order', `EVALSHA x 2 ${sale} ${orders}`],
  ['ratelimit-edge', `EVALSHA x 2 ${sale} ${orders}`],
  ['ratelimit-edge', `EXISTS ${sale}`],
  ['purchase', `EVALSHA x 2 ${board} ${marksKey(board)}`],
  ['update-rank', `EVALSHA x 2 ${board} ${marksKey(board)}`],
  ['update-rank', `EXPIRE ${board} 1`],
  // How the sale stands, and what its buyers have: lib/board/cancelled.ts.
  ['update-rank', `HMGET ${sale} generation cancels state`],
  ['update-rank', `HMGET ${buyers} u`],
])('%s may %s', async (user, command) => {
  expect(await redis.call('ACL', 'DRYRUN', user, ...command.split(' '))).toBe('OK');
});

test.each([
  ['ratelimit-edge', `HSET ${sale} left 1000`],
  ['ratelimit-edge', `UNLINK ${orders}`],
  ['ratelimit-edge', `ZADD ${board} 1 u`],
  ['persist-order', `ZADD ${board} 1 u`],
  ['update-rank', `HSET ${sale} left 1000`],
  ['purchase', 'SET elsewhere 1'],
  ...['ratelimit-edge', 'purchase', 'persist-order', 'update-rank'].flatMap((user) =>
    [
      'FLUSHALL',
      'CONFIG SET maxmemory-policy allkeys-lru',
      'KEYS *',
      'SHUTDOWN',
      'DEBUG SLEEP 1',
    ].map((command) => [user, command]),
  ),
] as [string, string][])('%s may not %s', async (user, command) => {
  expect(await redis.call('ACL', 'DRYRUN', user, ...command.split(' '))).toMatch(/permission/);
});

test('what the edge runs on a sale as a script can only read it', async () => {
  const edge = redis.duplicate();
  try {
    await redis.call('ACL', 'SETUSER', 'ratelimit-edge', '>of-the-edge');
    await edge.call('AUTH', 'ratelimit-edge', 'of-the-edge');
    expect(await edge.eval("return redis.call('HGET', KEYS[1], 'left')", 1, sale)).toBeNull();
    const write = edge.eval("return redis.call('HSET', KEYS[1], 'left', 9)", 1, sale);
    await expect(write).rejects.toThrow(/NOPERM|can't access|permission/i);
  } finally {
    edge.disconnect();
  }
});
