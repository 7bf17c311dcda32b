import { expect, test, vi } from 'vitest';
import type { MysqlClient } from '#lib/mysql/connect.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import { createStanding } from './standing.ts';

const progress = {
  committed: new Map([['seckill-persist-order', new Map([[0, 3]])]]),
  ends: new Map([[0, 5]]),
  complete: true,
};

function aStanding(overrides: Partial<Parameters<typeof createStanding>[0]> = {}) {
  const redis = { ping: () => Promise.resolve('PONG') } as unknown as RedisClient;
  const mysql = {
    pool: { query: () => Promise.reject(new Error('connect ECONNREFUSED 127.0.0.1:1\nmore')) },
    db: undefined,
  } as unknown as MysqlClient;
  return createStanding({
    ...{ redis, mysql },
    askEtcd: () => Promise.resolve(),
    readProgress: () => Promise.resolve(progress),
    countOpenLetters: () => Promise.resolve({ 'persist-order': 1, 'update-rank': 0 }),
    ...overrides,
  });
}

test('a store that is away is named with the reason, and the rest is told', async () => {
  expect(await aStanding()()).toEqual({
    at: expect.stringMatching(/Z$/) as string,
    sales: null,
    stores: { Redis: true, MySQL: 'connect ECONNREFUSED 127.0.0.1:1', etcd: true, Kafka: true },
    lagEvents: { 'persist-order': 2, 'update-rank': 5 },
    deadLetters: { 'persist-order': 1, 'update-rank': 0 },
  });
});

test('a store that hangs holds nobody up, and of a failure its cause is told', async () => {
  vi.useFakeTimers();
  try {
    const hanging = new Promise<never>(() => undefined);
    const cause = new Error('Connection timeout');
    const standing = aStanding({
      askEtcd: () => hanging,
      readProgress: () => Promise.reject(new Error('the progress could not be read', { cause })),
    })();
    await vi.advanceTimersByTimeAsync(2_500);
    const { stores, lagEvents } = await standing;
    expect(stores).toMatchObject({ etcd: 'no answer in 2.5 s', Kafka: 'Connection timeout' });
    expect(lagEvents).toBeNull();
  } finally {
    vi.useRealTimers();
  }
});

test('those who look at the same time share one reading of Kafka, and a failed one is not kept', async () => {
  const readProgress = vi.fn(() => Promise.resolve(progress));
  readProgress.mockRejectedValueOnce(new Error('away'));
  const standing = aStanding({ readProgress });
  const [first, second] = await Promise.all([standing(), standing()]);
  expect([first.stores.Kafka, second.stores.Kafka]).toEqual(['away', 'away']);
  expect((await standing()).stores.Kafka).toBe(true);
  expect((await standing()).stores.Kafka).toBe(true);
  expect(readProgress).toHaveBeenCalledTimes(2);
});
