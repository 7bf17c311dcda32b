// All hostile clients at once against a real edge, a process of its own: ordinary buyers are served
// meanwhile, whoever hangs is cut, and memory and connections stay within their bounds.

import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { passing } from '#knative/local/bench/hostile/behaviours.ts';
import { type Crowd, gather } from '#knative/local/bench/hostile/crowd.ts';
import { readMemory } from '#knative/local/bench/memory.ts';
import { redis as redisStore } from '#knative/local/stores/redis.ts';
import { type FunctionProcess, startFunction } from '#lib/testing/function-process.ts';
import { type OwnStore, startOwnStore } from '#lib/testing/own-store.ts';
import {
  environmentFor,
  type FakePurchase,
  startFakePurchase,
  tokenFor,
} from './testing/edge-fixture.ts';

vi.setConfig({ testTimeout: 120_000 });

let store: OwnStore;
let purchase: FakePurchase;
let edge: FunctionProcess;
let crowd: Crowd | undefined;

beforeAll(async () => {
  store = await startOwnStore(redisStore);
  purchase = await startFakePurchase();
  edge = await startFunction('ratelimit-edge', environmentFor(store.address, purchase.url));
  await vi.waitFor(
    async () => {
      expect(await edge.status('/readyz')).toBe(200);
    },
    { timeout: 30_000, interval: 50 },
  );
});

afterAll(async () => {
  crowd?.leave();
  await edge.stop();
  await purchase.close();
  await store.remove();
});

const size = { idle: 1_000, staying: 20, passingPerSecond: 10 };

test('hostile clients are answered or cut, and buyers are served in between', async () => {
  const token = await tokenFor('an-ordinary-buyer');
  const before = await residentMb();
  crowd = gather(Number(new URL(edge.url).port), size);
  await crowd.gathered;
  const { seen } = crowd;
  // As long as it takes until those that hang have been cut: ten seconds.
  let bought = 0;
  await vi.waitFor(
    async () => {
      bought += 1;
      const answer = await buy(token, `key-of-buyer-${bought}`);
      expect(answer).toBe(202);
      for (const kind of hanging) expect(seen()[kind]?.closed, kind).toBeGreaterThan(0);
      for (const kind of passing) {
        const { opened = 0, closed = 0 } = seen()[kind] ?? {};
        expect(opened, kind).toBeGreaterThan(10);
        expect(closed, kind).toBeGreaterThan(10);
      }
    },
    { timeout: 60_000, interval: 100 },
  );
  expect(bought).toBeGreaterThan(10);
  expect(purchase.seen.every(({ path }) => path === '/products/p1/purchases')).toBe(true);
  expect(statusesOf('header-bomb')).toEqual(['413']);
  expect(statusesOf('many-headers')).toEqual(['413']);
  expect(statusesOf('pipelined-flood')).toEqual(['200', '503']);
  for (const kind of ['invalid-utf-8', 'no-http', 'slow-headers'] as const) {
    expect(statusesOf(kind), kind).toEqual(['400']);
  }
  // Some 30 KB a connection, and what the heap takes before it is collected.
  expect((await residentMb()) - before).toBeLessThan(300);
  crowd.leave();
  expect(await buy(token, 'key-of-the-last')).toBe(202);
});

/** Cut by the server alone, and by nothing but a time-out. */
const hanging = ['silent', 'slow-headers'];

function statusesOf(kind: (typeof passing)[number] | 'slow-headers'): string[] {
  return Object.keys(crowd?.seen()[kind]?.answers ?? {}).sort();
}

async function buy(token: string, key: string): Promise<number> {
  const response = await fetch(`${edge.url}/api/products/p1/purchase`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'idempotency-key': key,
      'content-type': 'application/json',
    },
    body: '{"quantity":1}',
  });
  await response.body?.cancel();
  return response.status;
}

async function residentMb(): Promise<number> {
  return (await readMemory(edge.metricsUrl)).residentMb;
}
