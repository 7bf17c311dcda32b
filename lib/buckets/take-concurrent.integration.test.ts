// Several clients at once, on one Redis and on a Redis Cluster, while limits change, tokens are
// given back and clocks step: some order of the calls explains all answers to the micro-token, and
// no bucket gives more than its capacity + rate × time.

import fc from 'fast-check';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { redis as redisStore } from '#knative/local/stores/redis.ts';
import { connectRedis, type RedisClient } from '#lib/redis/connect.ts';
import { createLog } from '#lib/telemetry/log.ts';
import { once } from '#lib/testing/once.ts';
import { startOwnCluster } from '#lib/testing/own-cluster.ts';
import { startOwnStore } from '#lib/testing/own-store.ts';
import { uniqueName } from '#lib/testing/unique.ts';
import { type Bucket, bucketKey, giveBackTokens, type Limit, takeTokens } from './take.ts';
import { createModel, type Monitor, recorded, stepClock, watch } from './test-replay.ts';

interface Server {
  readonly urls: readonly string[];
  remove(): Promise<void>;
}

const startOne = async (): Promise<Server> => {
  const store = await startOwnStore(redisStore);
  return { urls: [store.address], remove: () => store.remove() };
};

const bucketsCount = 3;
const clientsCount = 3;
/** A bucket that was full two seconds ago may be forgotten, whatever its limit is by now. */
const runMsMax = 1_800;

const limitOf = fc.record({
  rate: fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 1_000_000 })),
  capacity: fc.oneof(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 1_000_000 })),
});
const places = fc.shuffledSubarray([0, 1, 2], { minLength: 1 });
/** Limits change in the middle: each call is made by one of two. */
const variant = fc.nat({ max: 1 });
const callOf = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ take: fc.array(places, { minLength: 1, maxLength: 9 }), variant }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      give: fc.array(fc.nat({ max: 2 }), { minLength: 1, maxLength: 5 }),
      variant,
    }),
  },
  { weight: 1, arbitrary: fc.record({ step: fc.integer({ min: -3_000_000, max: 3_000_000 }) }) },
);
const planOf = fc.record({
  limits: fc.tuple(...Array.from({ length: bucketsCount }, () => fc.tuple(limitOf, limitOf))),
  /** How many buckets a request takes from. */
  tiers: fc.integer({ min: 1, max: 2 }),
  calls: fc.tuple(
    ...Array.from({ length: clientsCount }, () => fc.array(callOf, { maxLength: 6 })),
  ),
});
type Plan = typeof planOf extends fc.Arbitrary<infer P> ? P : never;
type PlannedCall = Plan['calls'][number][number];

describe.each([
  ['one Redis', startOne],
  ['a Redis Cluster', startOwnCluster],
])('%s', (_name, start: () => Promise<Server>) => {
  let server: Server;
  let nodes: Redis[] = [];
  let clients: RedisClient[] = [];
  let monitors: Monitor[] = [];

  beforeAll(async () => {
    server = await start();
    nodes = server.urls.map((url) => new Redis(url));
    const log = createLog('test', 'silent');
    clients = Array.from({ length: clientsCount }, () => connectRedis({ urls: server.urls }, log));
    await Promise.all(
      clients.map((client) => new Promise<void>((resolve) => client.once('ready', resolve))),
    );
    // So that every node knows the script, and every client every node.
    const everywhere = Array.from({ length: 300 }, (_, index) => [bucketOf(`${index}`, one)]);
    for (const client of clients) await takeTokens(client, everywhere);
    monitors = await Promise.all(nodes.map(watch));
  });

  afterAll(async () => {
    for (const monitor of monitors) monitor.stop();
    for (const client of [...nodes, ...clients]) client.disconnect();
    await server.remove();
  });

  test(
    'what several clients are told at once is what the model tells one after the other',
    once,
    async () => {
      let compared = 0;
      await fc.assert(
        fc.asyncProperty(planOf, async (plan) => {
          const startedAtMs = performance.now();
          const subjects = Array.from({ length: bucketsCount }, () => uniqueName('b'));
          const recordings = clients.map(recorded);
          await Promise.all(
            recordings.map(({ client }, index) =>
              Promise.all(
                (plan.calls[index] ?? []).map((call) => carryOut(client, plan, subjects, call)),
              ),
            ),
          );
          const seen = await Promise.all(monitors.map((monitor) => monitor.taken()));
          fc.pre(performance.now() - startedAtMs < runMsMax);
          const model = createModel();
          const expected = new Map(seen.flatMap((commands) => [...model.replay(commands)]));
          const ran = Map.groupBy(
            recordings.flatMap(({ ran }) => ran),
            ({ text }) => text,
          );
          expect(ran.size).toBe(expected.size);
          for (const [text, runs] of ran) {
            // Who of those that asked for the very same was first, they cannot tell themselves.
            const replies = runs.map(({ reply }) => JSON.stringify(reply)).sort();
            const modelled = expected
              .get(text)
              ?.map((reply) => JSON.stringify(reply))
              .sort();
            expect(replies).toEqual(modelled);
            compared += runs.length;
          }
          for (const { given, earned, capacity } of model.buckets.values()) {
            expect(given).toBeLessThanOrEqual(capacity + earned);
          }
        }),
        { numRuns: 100 },
      );
      expect(compared).toBeGreaterThan(200);
    },
  );
});

const one: Limit = { rate: 1, capacity: 1 };
const bucketOf = (subject: string, limit: Limit): Bucket => ({
  key: bucketKey('test', subject),
  limit,
});

async function carryOut(
  redis: RedisClient,
  { limits, tiers }: Plan,
  subjects: readonly string[],
  call: PlannedCall,
): Promise<void> {
  if ('step' in call) {
    // Redis' clock is that of all buckets.
    await Promise.all(
      subjects.map((subject) => stepClock(redis, bucketKey('test', subject), call.step)),
    );
    return;
  }
  const buckets = subjects.map((subject, place) =>
    bucketOf(subject, limits[place]?.[call.variant] ?? one),
  );
  const at = (place: number) => buckets[place] ?? bucketOf('none', one);
  if ('give' in call) {
    await giveBackTokens(redis, call.give.map(at));
    return;
  }
  // On a cluster the buckets of a request may lie in different slots.
  const each = redis.isCluster ? 1 : tiers;
  const requests = call.take.map((order) => [...order, 0, 1, 2].slice(0, each));
  const distinct = requests
    .map((order) => [...new Set(order)])
    .filter((order) => order.length === each);
  await takeTokens(
    redis,
    distinct.map((order) => order.map(at)),
  );
}
