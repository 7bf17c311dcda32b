// A hundred thousand requests that are no event to each sink, other ones every time. SEED=… and
// FUZZ_REQUESTS=… repeat a run.

import { afterAll, beforeAll, test } from 'vitest';
import { fuzzPersistOrder } from '#functions/persist-order/fuzz-fixture.ts';
import { fuzzUpdateRank } from '#functions/update-rank/fuzz-fixture.ts';
import { mysql as mysqlStore } from '#knative/local/stores/mysql.ts';
import { redis as redisStore } from '#knative/local/stores/redis.ts';
import { fuzzPlan } from '#lib/testing/fuzz/scene.ts';
import { type OwnStore, startOwnStore } from '#lib/testing/own-store.ts';

let [redis, mysql]: OwnStore[] = [];
beforeAll(async () => {
  redis = await startOwnStore(redisStore);
  mysql = await startOwnStore(mysqlStore);
});
afterAll(async () => {
  await redis?.remove();
  await mysql?.remove();
});

const plan = fuzzPlan(100_000);
const timeout = 1_800_000;

test(`${plan.count} requests to update-rank, SEED=${plan.seed}`, { timeout }, async () => {
  console.info(await fuzzUpdateRank(redis?.address ?? '', plan));
});

test(`${plan.count} requests to persist-order, SEED=${plan.seed}`, { timeout }, async () => {
  console.info(await fuzzPersistOrder(mysql?.address ?? '', redis?.address ?? '', plan));
});
