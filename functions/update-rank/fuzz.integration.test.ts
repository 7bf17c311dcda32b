import { afterAll, beforeAll, test } from 'vitest';
import { redis as redisStore } from '#knative/local/stores/redis.ts';
import { fuzzPlan } from '#lib/testing/fuzz/scene.ts';
import { once } from '#lib/testing/once.ts';
import { type OwnStore, startOwnStore } from '#lib/testing/own-store.ts';
import { fuzzUpdateRank } from './fuzz-fixture.ts';

let redis: OwnStore;
beforeAll(async () => {
  redis = await startOwnStore(redisStore);
});
afterAll(() => redis.remove());

const plan = fuzzPlan(10_000);

test(`${plan.count} requests that are no event: no board changes`, {
  ...once,
  timeout: 600_000,
}, async () => {
  console.info(await fuzzUpdateRank(redis.address, plan));
});
