// One sink as a process of its own, fuzzed; afterwards it must be the same process, its stores
// must hold what they held, and the next event must be consumed.

import type { Redis } from 'ioredis';
import { expect } from 'vitest';
import { delivery } from '#lib/http/delivery.ts';
import { orderIdOf } from '#lib/order-id.ts';
import { type FunctionProcess, startFunction } from '#lib/testing/function-process.ts';
import {
  anEvent,
  type EventRequest,
  type OrderSpec,
  requestOf,
} from '#lib/testing/order-events.ts';
import { fuzzSink } from './fuzz-sink.ts';

export interface FuzzScene {
  readonly name: 'persist-order' | 'update-rank';
  readonly env: Readonly<Record<string, string>>;
  /** All that the stores hold, comparable. */
  readonly held: () => Promise<unknown>;
}

const keys = ['a-key-of-at-least-32-characters-for-tests'];

/** The product of all events. */
export const fuzzedProductId = 'p';

/** Always the same, so that a seed is all that is needed: two units and one for each buyer. */
function eventOf(batchNumber: number): EventRequest {
  const orders = [0, 1].map((index): OrderSpec => {
    const [first, userId] = [4 * batchNumber + 2 * index, `user-${batchNumber}-${index}`];
    const orderId = orderIdOf(fuzzedProductId, userId, 'fuzz-key');
    return { orderId, userId, units: [[first, first + index]] };
  });
  return requestOf(anEvent(fuzzedProductId, orders), keys, batchNumber);
}

/** How many requests, and how many different ones: `FUZZ_REQUESTS` and `SEED` say otherwise. */
export function fuzzPlan(count: number): { count: number; seed: number } {
  const { FUZZ_REQUESTS = count, SEED = Date.now() % 2 ** 31 } = process.env;
  return { count: Number(FUZZ_REQUESTS), seed: Number(SEED) };
}

/** Fails where a promise to hostile clients is broken; resolves with how often each status came. */
export async function playFuzz(
  { name, env, held }: FuzzScene,
  { count, seed }: { count: number; seed: number },
): Promise<string> {
  const sink = await startFunction(name, { ...env, SECKILL_SIGNING_KEYS: keys.join() });
  const [known, next] = [eventOf(1), eventOf(2)];
  try {
    await expect.poll(() => sink.status('/readyz'), { timeout: 60_000 }).toBe(200);
    expect((await fetch(sink.url, known)).status).toBe(delivery.done);
    const before = await held();
    const { statuses, faults } = await fuzzSink({ url: sink.url, count, seed, known, keys });
    expect(faults.slice(0, 5), `${faults.length} faults, SEED=${seed}`).toEqual([]);
    expect(await held(), `SEED=${seed}`).toEqual(before);
    await expectUnharmed(sink, seed);
    expect((await fetch(sink.url, next)).status).toBe(delivery.done);
    expect(await held()).not.toEqual(before);
    return [...statuses].map(([status, times]) => `${times} × ${status}`).join(', ');
  } finally {
    await sink.stop();
  }
}

/** It never ended, nor met anything that it did not expect, and nothing hangs in it. */
async function expectUnharmed(sink: FunctionProcess, seed: number): Promise<void> {
  process.kill(sink.pid, 0);
  expect(await sink.status('/readyz')).toBe(200);
  const errors = sink.log().match(/^.*"level":(50|60).*$/gm);
  expect(errors, `SEED=${seed}`).toBeNull();
  const metrics = async () => (await fetch(sink.metricsUrl)).text();
  expect(await metrics()).toMatch(/^seckill_events_total\{result="retry",.*\} 0$/m);
  await expect.poll(metrics, { timeout: 30_000 }).toMatch(/^seckill_events_in_flight\{.*\} 0$/m);
}

/** Every key with its content, as Redis would move it to another server. */
export async function dumpOf(redis: Redis): Promise<Readonly<Record<string, string | undefined>>> {
  const keys = (await redis.keys('*')).sort();
  const dumps = await Promise.all(keys.map((key) => redis.dumpBuffer(key)));
  return Object.fromEntries(keys.map((key, index) => [key, dumps[index]?.toString('hex')]));
}
