// The lock when processes are killed and frozen, and etcd is killed, frozen, replaced or meddled
// with.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { type EtcdClient, EtcdUnavailable } from '#lib/etcd/etcd.ts';
import type { Clock } from './lock.ts';
import { systemClock } from './system.ts';
import { type Bench, startBench, type TestManager, ttlMs, uniqueId } from './test-fixture.ts';

/** Other tests keep the machine busy at the same time. */
const soon = { timeout: 30_000, interval: 20 };
let bench: Bench;
let directory: string;
let product: string;

beforeAll(async () => {
  bench = await startBench();
}, 20_000);
beforeEach(() => {
  directory = uniqueId('directory');
  product = uniqueId('p');
});
afterEach(async () => {
  await bench.server.start('kept');
  await bench.clear();
});
afterAll(() => bench.remove());

async function started(options: Parameters<Bench['manager']>[1] = {}): Promise<TestManager> {
  const manager = bench.manager(uniqueId('instance'), options);
  await manager.start();
  return manager;
}

async function timed<T>(work: Promise<T>): Promise<[T, number]> {
  const sinceMs = performance.now();
  return [await work, performance.now() - sinceMs];
}

function lossesOf({ events }: TestManager): string[] {
  return events.flatMap((event) => (event.type === 'lease-lost' ? [event.reason] : []));
}

test('killed and started again, it takes up its lock at once; others go on waiting', async () => {
  const holder = await bench.holder(directory, product);
  const token = await holder.ask('acquire');
  const other = await started();
  const next = other.acquire(product);
  await vi.waitFor(async () => {
    expect(await bench.queue(product)).toHaveLength(2);
  }, soon);
  await holder.kill();

  const restarted = bench.manager(directory);
  expect(await restarted.start()).toEqual([product]);
  const lock = await restarted.acquire(product);
  expect(lock.token).toEqual({ ...token, incarnation: token.incarnation + 1 });
  expect(lock.othersWait()).toBe(true);
  expect(await lock.confirm()).toBe(true);
  expect(other.state().waiting).toBe(1);
  await lock.release();
  expect((await next).token.revision).toBeGreaterThan(token.revision);
});

test('a restart on its record has its lock again in less than half a second', async () => {
  const times: number[] = [];
  // The best of three: other tests may take the machine for themselves for a moment.
  while (times.length < 3 && !times.some((ms) => ms < 500)) {
    const [name, productId] = [uniqueId('directory'), uniqueId('p')];
    const holder = await bench.holder(name, productId);
    await holder.ask('acquire');
    await holder.kill();
    const restarted = bench.manager(name);
    times.push((await timed(restarted.start().then(() => restarted.acquire(productId))))[1]);
  }
  expect(Math.min(...times)).toBeLessThan(500);
});

test('killed while it waits and started again, it has its place in the queue', async () => {
  const [first, last] = await Promise.all([started(), started()]);
  const lock = await first.acquire(product);
  const holder = await bench.holder(directory, product);
  const unanswered = expect(holder.ask('acquire')).rejects.toThrow('ended');
  await vi.waitFor(async () => {
    expect(await bench.queue(product)).toHaveLength(2);
  }, soon);
  await holder.kill();
  await unanswered;
  const order: string[] = [];
  const behind = last.acquire(product).then((granted) => {
    order.push('last');
    return granted;
  });
  await vi.waitFor(async () => {
    expect(await bench.queue(product)).toHaveLength(3);
  }, soon);
  const restarted = bench.manager(directory);
  await restarted.start();
  const resumed = restarted.acquire(product).then((granted) => {
    order.push('resumed');
    return granted.release();
  });
  await lock.release();
  await Promise.all([resumed, behind]);
  expect(order).toEqual(['resumed', 'last']);
});

test('without its record, a restart waits until the lease has expired', async () => {
  const holder = await bench.holder(directory, product);
  const token = await holder.ask('acquire');
  await holder.kill();
  const [lock, waitedMs] = await timed((await started()).acquire(product));
  expect(waitedMs).toBeGreaterThan(ttlMs / 2);
  expect(lock.token.revision).toBeGreaterThan(token.revision);
});

test('what an earlier process held and nobody takes up is given up', async () => {
  const holder = await bench.holder(directory, product);
  await holder.ask('acquire');
  await holder.kill();
  const restarted = bench.manager(directory);
  expect(await restarted.start()).toEqual([product]);
  const lock = await (await started()).acquire(product);
  expect(lock.isHeld()).toBe(true);
  expect(lossesOf(restarted)).toEqual([]);
});

test('it is given up at once where nobody is going to take it up', async () => {
  const holder = await bench.holder(directory, product);
  await holder.ask('acquire');
  await holder.kill();
  const claimMs = 30_000;
  const restarted = bench.manager(directory, { ttlMs: 3 * claimMs });
  await restarted.start();
  restarted.giveUpUnclaimed();
  const [lock, waitedMs] = await timed((await started()).acquire(product));
  expect(lock.isHeld()).toBe(true);
  expect(waitedMs).toBeLessThan(claimMs / 2);
  expect(lossesOf(restarted)).toEqual([]);
});

test('what an earlier process held stays for a third of the TTL, to be taken up', async () => {
  const holder = await bench.holder(directory, product);
  const { revision } = await holder.ask('acquire');
  await holder.kill();
  const restarted = bench.manager(directory, { ttlMs: 30_000 });
  await restarted.start();
  await vi.waitFor(() => {
    expect(restarted.state().renewals.ok).toBeGreaterThanOrEqual(2);
  }, soon);
  expect((await restarted.acquire(product)).token.revision).toBe(revision);
});

test('started again after the TTL, it is granted a new lease and told of its products', async () => {
  const holder = await bench.holder(directory, product);
  await holder.ask('acquire');
  await holder.kill();
  await vi.waitFor(async () => {
    expect(await bench.queue(product)).toHaveLength(0);
  }, soon);
  const restarted = bench.manager(directory);
  expect(await restarted.start()).toEqual([product]);
  expect(restarted.events.at(-1)).toEqual({ type: 'lease-granted' });
  expect((await restarted.acquire(product)).token.incarnation).toBe(1);
});

test('a resumed lease is relied on for no longer than it was granted for', async () => {
  const holder = await bench.holder(directory, product);
  await holder.kill();
  const restarted = bench.manager(directory, { ttlMs: 60_000 });
  await restarted.start();
  expect(restarted.events).toEqual([{ type: 'lease-resumed' }]);
  const lock = await restarted.acquire(product);
  expect(lock.deadlineMs() - systemClock.now()).toBeLessThan(ttlMs);
});

test('with a torn record it starts afresh', async () => {
  const holder = await bench.holder(directory, product);
  await holder.kill();
  await writeFile(join(bench.directory(directory), 'lock.record'), 'seckill-lock-rec');
  const restarted = bench.manager(directory);
  expect(await restarted.start()).toEqual([]);
  expect(restarted.events).toMatchObject([
    { type: 'record-set-aside', found: { reason: 'torn' } },
    { type: 'lease-granted' },
  ]);
});

test('frozen past its TTL, a holder knows when it wakes and cannot harm its successor', async () => {
  const holder = await bench.holder(directory, product);
  const token = await holder.ask('acquire');
  expect(await holder.ask('isHeld')).toBe(true);
  const successor = await started();
  process.kill(holder.pid, 'SIGSTOP');
  const lock = await successor.acquire(product);
  expect(lock.token.revision).toBeGreaterThan(token.revision);

  const answer = holder.ask('isHeld');
  process.kill(holder.pid, 'SIGCONT');
  expect(await answer).toBe(false);
  expect(await holder.ask('confirm')).toBe(false);
  await holder.ask('release');
  expect(await lock.confirm()).toBe(true);
  expect(await holder.ask('losses')).toEqual(['unanswered']);

  const again = holder.ask('acquire');
  await vi.waitFor(() => {
    expect(lock.othersWait()).toBe(true);
  }, soon);
  await lock.release();
  expect((await again).revision).toBeGreaterThan(lock.token.revision);
});

test('the deadline counts, not whether anybody has noticed', async () => {
  let skippedMs = 0;
  const clock: Clock = { ...systemClock, now: () => systemClock.now() + skippedMs };
  const manager = await started({ clock, ttlMs: 10_000 });
  const lock = await manager.acquire(product);
  skippedMs = lock.deadlineMs() - clock.now() - 50;
  expect(lock.isHeld()).toBe(true);
  skippedMs += 50;
  expect(lock.isHeld()).toBe(false);
  expect(lock.lost.aborted).toBe(true);
  skippedMs = 0;
  expect(lock.isHeld()).toBe(false);
  // The lost lease is revoked, or the product would be blocked by our own former place.
  const [again, waitedMs] = await timed(manager.acquire(product));
  expect(again.token.revision).toBeGreaterThan(lock.token.revision);
  expect(waitedMs).toBeLessThan(4_000);
});

test.each([
  ['confirm', false],
  ['release', null],
] as const)(
  'a frozen twin on the same directory is fenced; it wakes to %s',
  async (request, answer) => {
    const twin = await bench.holder(directory, product);
    const token = await twin.ask('acquire');
    process.kill(twin.pid, 'SIGSTOP');
    const resumed = bench.manager(directory);
    await resumed.start();
    const lock = await resumed.acquire(product);
    expect(lock.token).toEqual({ ...token, incarnation: token.incarnation + 1 });

    const answered = twin.ask(request);
    process.kill(twin.pid, 'SIGCONT');
    expect(await answered).toBe(answer);
    expect(await lock.confirm()).toBe(true);
    await vi.waitFor(async () => {
      expect(await twin.ask('losses')).toEqual(['superseded']);
    }, soon);
    // From here on it is an instance like any other.
    const next = twin.ask('acquire');
    await vi.waitFor(() => {
      expect(lock.othersWait()).toBe(true);
    }, soon);
    expect(await lock.confirm()).toBe(true);
    await lock.release();
    expect((await next).revision).toBeGreaterThan(lock.token.revision);
    await twin.ask('stop');
    expect(lossesOf(resumed)).toEqual([]);
  },
);

test('a twin that has noticed nothing cannot take a place on the lease it shared', async () => {
  const deaf: EtcdClient = { ...bench.etcd, watch: () => () => undefined };
  const twin = bench.manager(directory, { etcd: deaf, ttlMs: 60_000 });
  await twin.start();
  const other = await twin.acquire(uniqueId('p'));
  const resumed = bench.manager(directory);
  await resumed.start();
  const lock = await twin.acquire(product);
  expect(lossesOf(twin)).toEqual(['superseded']);
  expect(other.lost.aborted).toBe(true);
  // Its former lease is alive, in better hands.
  await twin.stop();
  expect((await resumed.acquire(product)).token.revision).toBeGreaterThan(lock.token.revision);
  expect(lossesOf(resumed)).toEqual([]);
});

test('a lease revoked from outside is noticed at once, and the next lock is newer', async () => {
  const manager = await started({ ttlMs: 10_000 });
  const lock = await manager.acquire(product);
  const [place] = await bench.queue(product);
  const sinceMs = performance.now();
  await bench.etcd.revokeLease(place?.leaseId ?? '');
  await vi.waitFor(() => {
    expect(lock.lost.aborted).toBe(true);
  }, soon);
  expect(performance.now() - sinceMs).toBeLessThan(2_000);
  expect(lock.isHeld()).toBe(false);
  expect((await manager.acquire(product)).token.revision).toBeGreaterThan(lock.token.revision);
  expect(lossesOf(manager)).toEqual(['expired']);
  expect(manager.state().leasesLost).toBe(1);
});

test('a waiter whose lease is revoked queues anew', async () => {
  const [first, second] = await Promise.all([started(), started()]);
  const lock = await first.acquire(product);
  const next = second.acquire(product);
  await vi.waitFor(async () => {
    expect(await bench.queue(product)).toHaveLength(2);
  }, soon);
  const place = (await bench.queue(product))[1];
  await bench.etcd.revokeLease(place?.leaseId ?? '');
  await vi.waitFor(async () => {
    const again = (await bench.queue(product))[1];
    expect(again?.createRevision).toBeGreaterThan(place?.createRevision ?? 0);
  }, soon);
  await lock.release();
  expect((await next).isHeld()).toBe(true);
});

test('a lock whose place somebody deletes is lost by the next renewal', async () => {
  const manager = await started();
  const lock = await manager.acquire(product);
  const [place] = await bench.queue(product);
  await bench.etcd.transact({ when: [], then: [{ delete: place?.key ?? '' }] });
  expect(await (await started()).acquire(product).then((other) => other.confirm())).toBe(true);
  await vi.waitFor(() => {
    expect(lock.lost.aborted).toBe(true);
  }, soon);
  expect(lossesOf(manager)).toEqual([]);
});

test('etcd is away for a moment: acquiring fails soon, what is held stays held', async () => {
  const manager = await started({ ttlMs: 6_000 });
  const lock = await manager.acquire(product);
  await bench.server.kill();
  for (const name of ['q', 'r']) {
    const [error, waitedMs] = await timed(manager.acquire(name).catch((reason: unknown) => reason));
    expect(error).toBeInstanceOf(EtcdUnavailable);
    expect(waitedMs).toBeLessThan(3_000);
  }
  await bench.server.start('kept');
  const [again, waitedMs] = await timed(vi.waitFor(() => manager.acquire('q'), soon));
  expect(waitedMs).toBeLessThan(2_000);
  expect(again.isHeld()).toBe(true);
  expect(lock.isHeld()).toBe(true);
  expect(await lock.confirm()).toBe(true);
  // Its watch broke; that somebody waits is learnt all the same.
  const next = (await started()).acquire(product);
  await vi.waitFor(() => {
    expect(lock.othersWait()).toBe(true);
  }, soon);
  await lock.release();
  expect((await next).isHeld()).toBe(true);
  expect(manager.state().renewals.failed).toBeGreaterThan(0);
});

test('etcd is away for longer than the TTL: everything is lost, and soon had again', async () => {
  const [first, second] = await Promise.all([started(), started()]);
  const lock = await first.acquire(product);
  const waiting = second.acquire(product).catch((reason: unknown) => reason);
  await vi.waitFor(() => {
    expect(lock.othersWait()).toBe(true);
  }, soon);
  await bench.server.kill();
  expect(await waiting).toBeInstanceOf(EtcdUnavailable);
  await vi.waitFor(() => {
    expect(lock.lost.aborted).toBe(true);
  }, soon);
  expect(lossesOf(first)).toEqual(['unanswered']);
  await expect(first.acquire(product)).rejects.toThrow(EtcdUnavailable);
  await bench.server.start('kept');
  // etcd grants every lease a whole TTL more when it comes back: ours are ended by ourselves.
  const [again, waitedMs] = await timed(vi.waitFor(() => second.acquire(product), soon));
  expect(waitedMs).toBeLessThan(ttlMs * 0.75);
  expect(again.token.revision).toBeGreaterThan(lock.token.revision);
});

test('frozen etcd: bounded waiting, the lock is lost in time, and all goes on', async () => {
  const manager = await started();
  const lock = await manager.acquire(product);
  process.kill(bench.server.pid(), 'SIGSTOP');
  try {
    const [error, waitedMs] = await timed(manager.acquire('q').catch((reason: unknown) => reason));
    expect(error).toBeInstanceOf(EtcdUnavailable);
    expect(waitedMs).toBeLessThan(5_000);
    await vi.waitFor(() => {
      expect(lock.lost.aborted).toBe(true);
    }, soon);
    expect(systemClock.now()).toBeGreaterThanOrEqual(lock.deadlineMs());
  } finally {
    process.kill(bench.server.pid(), 'SIGCONT');
  }
  const again = await vi.waitFor(() => manager.acquire(product), soon);
  expect(again.isHeld()).toBe(true);
});

test('an etcd that comes back empty: the lock is lost, and to be had from the new one', async () => {
  const manager = await started({ ttlMs: 6_000 });
  const other = await started({ ttlMs: 6_000 });
  const lock = await manager.acquire(product);
  await bench.server.kill();
  await bench.server.start('empty');
  await vi.waitFor(() => {
    expect(lock.lost.aborted).toBe(true);
  }, soon);
  expect(lossesOf(manager)).toEqual(['expired']);
  const again = await vi.waitFor(() => other.acquire(product), soon);
  expect(again.token.revision).toBeLessThan(lock.token.revision);
  expect(await again.confirm()).toBe(true);
});

test('started while etcd is away, it fails and may be started again', async () => {
  await bench.server.kill();
  const manager = bench.manager(directory);
  await expect(manager.start()).rejects.toThrow(EtcdUnavailable);
  await bench.server.start('kept');
  await vi.waitFor(() => manager.start(), soon);
  expect((await manager.acquire(product)).isHeld()).toBe(true);
});
