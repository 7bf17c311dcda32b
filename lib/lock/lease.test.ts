// The lease by a clock and an etcd that do exactly what the test says.

import { beforeEach, expect, test } from 'vitest';
import type { EtcdClient } from '#lib/etcd/etcd.ts';
import { grantLease, type Lease } from './lease.ts';
import type { Clock, LockEvent } from './lock.ts';

const ttlMs = 10_000;
let nowMs: number;
let timers: { readonly atMs: number; readonly run: () => void }[];
let events: LockEvent[];
let answers: ((ttlSeconds: number) => void)[];

beforeEach(() => {
  nowMs = 50_000;
  timers = [];
  events = [];
  answers = [];
});

/** Its timers may be early, as real ones are. */
function clockThatIsEarlyBy(earlyMs: number): Clock {
  return {
    now: () => nowMs,
    after(delayMs, run) {
      const timer = { atMs: nowMs + delayMs - earlyMs, run };
      timers.push(timer);
      return () => {
        timers = timers.filter((other) => other !== timer);
      };
    },
  };
}

async function advance(ms: number): Promise<void> {
  const untilMs = nowMs + ms;
  for (;;) {
    const due = timers.filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
    if (due === undefined) break;
    timers = timers.filter((timer) => timer !== due);
    nowMs = Math.max(nowMs, due.atMs);
    due.run();
    await settle();
  }
  nowMs = untilMs;
}

/** Lets what was answered be taken note of. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}

async function grant(clock = clockThatIsEarlyBy(0)): Promise<Lease> {
  let instance = '';
  const etcd: EtcdClient = {
    transact: ({ then }) => {
      for (const operation of then) if ('put' in operation) instance = operation.value;
      const found = { key: '', value: instance, createRevision: 1, leaseId: '1' };
      return Promise.resolve({ succeeded: true, revision: 1, reads: [[found]] });
    },
    grantLease: () => Promise.resolve(),
    keepLeaseAlive: () => new Promise((resolve) => answers.push(resolve)),
    revokeLease: () => Promise.resolve(),
    leaseKeys: () => Promise.resolve([]),
    watch: () => () => undefined,
    close: () => undefined,
  };
  const options = { etcd, clock, ttlMs, afterRenewal: () => Promise.resolve() };
  return await grantLease(
    { ...options, onEvent: (event) => events.push(event) },
    { uuid: 'u', leaseId: '1' },
  );
}

test('the deadline counts from when the answered keep-alive was sent', async () => {
  const lease = await grant();
  expect(lease.deadlineMs()).toBe(nowMs + 9_000);
  await advance(ttlMs / 3);
  expect(answers).toHaveLength(1);
  const sentMs = nowMs;
  await advance(3_000);
  expect(lease.deadlineMs()).toBe(50_000 + 9_000);
  answers[0]?.(10);
  await settle();
  expect(lease.deadlineMs()).toBe(sentMs + 9_000);
  expect(events).toEqual([{ type: 'renewed' }]);
});

test.each([0, 0.4])('unanswered, it is lost at its deadline, timers early by %s ms', async (by) => {
  const lease = await grant(clockThatIsEarlyBy(by));
  let lostMs = 0;
  lease.onLost(() => {
    lostMs = nowMs;
  });
  await advance(8_999);
  expect(lease.isAlive()).toBe(true);
  await advance(5);
  expect(lostMs).toBeGreaterThanOrEqual(lease.deadlineMs());
  expect(events).toEqual([{ type: 'lease-lost', reason: 'unanswered' }]);
  // An answer that comes too late changes nothing.
  answers[0]?.(10);
  await settle();
  expect(lease.isAlive()).toBe(false);
  expect(timers).toEqual([]);
});
