// For tests: admission on one Redis or a Redis Cluster, compared with a model that counts whole
// tokens. Limits refill so slowly that nothing does while it looks.

import fc from 'fast-check';
import { expect } from 'vitest';
import { defaultLimits, type Limits, type Tier } from '#lib/buckets/limits.ts';
import { bucketKey, type Limit } from '#lib/buckets/take.ts';
import type { RedisClient } from '#lib/redis/connect.ts';
import { uniqueName } from '#lib/testing/unique.ts';
import { createAdmit } from '../admit.ts';

interface Asked {
  readonly userId: string;
  readonly productId: string;
  readonly ip: string;
}

/** The slowest there is: a bucket gains no token within the time that a run may take. */
const rate = 1;
const runMsMax = 950;
const settleMsMax = 900;

const limitOf = (capacityMax: number) =>
  fc.integer({ min: 1, max: capacityMax }).map((capacity): Limit => ({ rate, capacity }));
const limitsOf = fc.record({
  user: limitOf(6),
  ip: fc.option(limitOf(6)),
  product: limitOf(6),
  firstProduct: limitOf(6),
  global: limitOf(20),
});
const askedOf = fc.tuple(fc.nat({ max: 3 }), fc.nat({ max: 2 }), fc.nat({ max: 1 }));
const groupsOf = fc.array(fc.array(askedOf, { minLength: 1, maxLength: 12 }), {
  minLength: 1,
  maxLength: 3,
});

/** Throws where a request or a bucket does not come to what the model says. */
export async function compareWithModel(redis: RedisClient): Promise<void> {
  await fc.assert(
    fc.asyncProperty(limitsOf, groupsOf, async ({ firstProduct, ...given }, groups) => {
      const name = uniqueName('m');
      const products = new Map([[`${name}-p0`, firstProduct]]);
      const limits: Limits = { ...defaultLimits, ...given, products };
      await redis.del(bucketKey('global', ''));
      const startedAtMs = performance.now();
      const passedMs = () => performance.now() - startedAtMs;
      const admit = createAdmit({ redis, limitsNow: () => Promise.resolve(limits) });
      const model = createModel(limits, redis.isCluster);
      for (const group of groups) {
        const requests = group.map(([user, product, address]) => ({
          userId: `${name}-u${user}`,
          productId: `${name}-p${product}`,
          ip: `${name}-a${address}`,
        }));
        const admitted = await Promise.all(
          requests.map(({ ip, ...request }) => admit({ ...request, address: () => ip })),
        );
        const answers = admitted.map((one) =>
          one.outcome === 'rate_limited' ? one.tier : one.outcome,
        );
        const expected = model.admit(requests);
        // On a cluster, what a later tier has refused may be given back after the answers.
        let inRedis = await tokensIn(redis, model.buckets());
        while (inRedis.join() !== model.tokens().join() && passedMs() < settleMsMax) {
          inRedis = await tokensIn(redis, model.buckets());
        }
        // On a machine that stood still for a second, buckets have refilled.
        fc.pre(passedMs() < runMsMax);
        expect(answers).toEqual(expected);
        expect(inRedis).toEqual(model.tokens());
      }
    }),
    { numRuns: 80 },
  );
}

interface ModelBucket {
  readonly key: string;
  readonly capacity: number;
  tokens: number;
}

function createModel(limits: Limits, isCluster: boolean) {
  const buckets = new Map<string, ModelBucket>();
  const { user, ip, product, products, global } = limits;
  const bucketOf = (tier: Tier, { userId, productId, ip: address }: Asked): ModelBucket => {
    const subject = { user: userId, ip: address, product: productId, global: '' }[tier];
    const limit = { user, ip, product: products.get(productId) ?? product, global }[tier];
    const key = bucketKey(tier, subject);
    const capacity = limit?.capacity ?? 0;
    const bucket = buckets.get(key) ?? { key, capacity, tokens: capacity };
    buckets.set(key, bucket);
    return bucket;
  };
  const tiers: Tier[] =
    ip === null ? ['user', 'product', 'global'] : ['user', 'ip', 'product', 'global'];
  const steps = isCluster ? tiers.map((tier) => [tier]) : [tiers];
  return {
    buckets: () => [...buckets.values()],
    tokens: () => [...buckets.values()].map(({ tokens }) => tokens),
    /** What each comes to: the tier that refuses it, or 'admitted'. */
    admit(requests: readonly Asked[]): string[] {
      const refusedBy = requests.map((): Tier | undefined => undefined);
      const unused: ModelBucket[] = [];
      steps.forEach((step, at) => {
        requests.forEach((request, index) => {
          if (refusedBy[index] !== undefined) return;
          const asked = step.map((tier) => ({ tier, bucket: bucketOf(tier, request) }));
          const refusing = asked.find(({ bucket }) => bucket.tokens === 0);
          if (refusing === undefined) {
            for (const { bucket } of asked) bucket.tokens -= 1;
            return;
          }
          refusedBy[index] = refusing.tier;
          const earlier = steps.slice(0, at).flat();
          unused.push(...earlier.map((tier) => bucketOf(tier, request)));
        });
      });
      for (const bucket of unused) bucket.tokens += 1;
      return refusedBy.map((tier) => tier ?? 'admitted');
    },
  };
}

/** Whole tokens; a bucket that is not stored is full. */
function tokensIn(redis: RedisClient, buckets: readonly ModelBucket[]): Promise<number[]> {
  return Promise.all(
    buckets.map(async ({ key, capacity }) => {
      const stored = await redis.get(key);
      if (stored === null) return capacity;
      return Math.floor(Number(stored.split(' ')[0]) / 1_000_000);
    }),
  );
}
