import { afterAll, beforeAll, test } from 'vitest';
import { redis as redisStore } from '#knative/local/stores/redis.ts';
import { fuzzPlan } from '#lib/testing/fuzz/scene.ts';
import { once } from '#lib/testing/once.ts';
import { type OwnStore, startOwnStore } from '#lib/testing/own-store.ts';
import { uniqueDatabase } from '#lib/testing/unique.ts';
import { fuzzPersistOrder } from './fuzz-fixture.ts';

let redis: OwnStore;
beforeAll(async () => {
  redis = await startOwnStore(redisStore);
});
afterAll(() => redis.remove());

const plan = fuzzPlan(10_000);

test(`${plan.count} requests that are no event: nothing is written`, {
  ...once,
  timeout: 600_000,
}, async () => {
  console.info(await fuzzPersistOrder(await uniqueDatabase(), redis.address, plan));
});
