// Two hundred buyers, and what can befall the system meanwhile, one thing after the other: each
// has a sale of its own, which is judged when it is over.

import { afterAll, beforeAll, test } from 'vitest';
import { until } from '#lib/testing/runtime.ts';
import { uniqueProductId } from '#lib/testing/unique.ts';
import { sayOnStderr } from '../say.ts';
import { startTicks } from '../tick.ts';
import { type Crowd, more, recoveryDeadlineMs, startCrowd } from './crowd.ts';
import { type Fleet, startFleet } from './fleet.ts';
import { judge } from './judge.ts';
import { createOperator } from './operator.ts';
import { randomOf } from './random.ts';
import { randomKills, type StoreCase, storeCases } from './store-cases.ts';

const stock = 1_000_000;
const buyers = 200;
/** Some hundred purchases a second, which leaves the machine to the system. */
const thinkMs = 800;

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 32));
let fleet: Fleet;
let stopTicks: () => Promise<void>;
beforeAll(async () => {
  sayOnStderr('faults', `SEED=${seed}`);
  fleet = await startFleet();
  stopTicks = startTicks(fleet.gateway.url);
}, 120_000);
afterAll(async () => {
  await stopTicks();
  await fleet.stop();
});

test.each([randomKills(randomOf(seed)), ...storeCases])(
  '$name',
  { timeout: 300_000 },
  async (storeCase) => {
    const productId = uniqueProductId();
    const operator = createOperator(fleet);
    await operator.open(productId, stock);
    const crowd = startCrowd(fleet, { productId, buyers, thinkMs });
    crowd.allow(stock);
    let went = '';
    try {
      went = await befall(storeCase, productId, crowd);
    } finally {
      await crowd.finish();
    }
    await judge(fleet, operator, productId, crowd);
    sayOnStderr('faults', `${storeCase.name}: ${went}; ${crowd.accepted.size} in all, ok`);
  },
);

/** Resolves with what the buyers saw of it, in words. */
async function befall(
  { prepare, befall: strike }: StoreCase,
  productId: string,
  crowd: Crowd,
): Promise<string> {
  await more(crowd, 200);
  const prepared = await prepare?.(fleet, productId);
  await more(crowd, 400);
  const struckAtMs = performance.now();
  const before = { unknown: crowd.unknownAtMs.length, accepted: crowd.accepted.size };
  await strike(fleet, productId, prepared);
  const tookMs = performance.now() - struckAtMs;
  const meanwhile = crowd.accepted.size - before.accepted;
  await more(crowd, 400);
  // Nobody is left without an answer, or it is not over.
  await until('everybody to be answered', recoveryDeadlineMs, () =>
    Promise.resolve(performance.now() - (crowd.unknownAtMs.at(-1) ?? 0) > 1_000 || undefined),
  );
  const unknown = crowd.unknownAtMs.slice(before.unknown);
  return [
    `took ${seconds(tookMs)} with ${meanwhile} accepted meanwhile`,
    `503 or no answer ${unknown.length} times within ${seconds(span(unknown))}`,
    `nobody accepted for ${seconds(longestPause(crowd.acceptedAtMs, struckAtMs))}`,
    `the unluckiest knew after ${seconds(crowd.longestMs)}`,
  ].join('; ');
}

const span = (atMs: readonly number[]) => (atMs.at(-1) ?? 0) - (atMs[0] ?? 0);

function longestPause(acceptedAtMs: readonly number[], sinceMs: number): number {
  const later = acceptedAtMs.filter((at) => at > sinceMs);
  return Math.max(...later.map((at, index) => at - (later[index - 1] ?? sinceMs)));
}

const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;
