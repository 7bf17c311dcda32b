import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createFetchBuffer } from './fetch-buffer.ts';
import { type Polling, type PollingDeps, pollOrdered, pollUnordered } from './polling.ts';
import type { FetchedRecord } from './record-to-request.ts';

function records(partition: number, from: number, count: number): FetchedRecord[] {
  return Array.from({ length: count }, (_, index) => ({
    ...{ topic: 't', partition, offset: BigInt(from + index), timestampMs: 0, headers: [] },
    ...{ key: null, value: null },
  }));
}

/** A poller over a buffer, whose records stay under way until `finish` says otherwise. */
function setUp(poll: (deps: PollingDeps) => Polling) {
  const buffer = createFetchBuffer();
  const underWay = new Map<string, () => void>();
  const started: string[] = [];
  const polling = poll({
    take: (max, isSkipped) => buffer.take(max, isSkipped),
    dispatch({ partition, offset }) {
      const name = `${partition}:${offset}`;
      started.push(name);
      return new Promise((resolve) => {
        underWay.set(name, resolve);
      });
    },
  });
  return {
    polling,
    started,
    fetch: (fetched: readonly FetchedRecord[]) => {
      for (const one of fetched) buffer.add([one]);
      polling.arrived();
    },
    finish: async (name: string) => {
      underWay.get(name)?.();
      underWay.delete(name);
      await Promise.resolve();
    },
    finishAll: async () => {
      for (const resolve of underWay.values()) resolve();
      underWay.clear();
      await Promise.resolve();
    },
  };
}

describe('unordered', () => {
  test('delivers what comes at once, several of a partition side by side', () => {
    const { started, fetch } = setUp(pollUnordered);
    fetch(records(0, 0, 3));
    expect(started).toEqual(['0:0', '0:1', '0:2']);
  });

  test('polls again while fewer than 50 are in flight, so up to 99 are', async () => {
    const { polling, started, fetch, finish } = setUp(pollUnordered);
    fetch(records(0, 0, 49));
    fetch(records(1, 0, 200));
    expect(polling.inFlight()).toBe(99);
    for (let offset = 0; offset < 49; offset += 1) await finish(`0:${offset}`);
    expect(polling.inFlight()).toBe(50);
    expect(started).toHaveLength(99);
    await finish('1:0');
    expect(polling.inFlight()).toBe(99);
  });

  test('takes nothing more once it is stopped', async () => {
    const { polling, started, fetch, finishAll } = setUp(pollUnordered);
    fetch(records(0, 0, 60));
    polling.stop();
    await finishAll();
    expect(started).toHaveLength(50);
    expect(polling.inFlight()).toBe(0);
  });
});

describe('ordered', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test('has one in flight per partition, in order', async () => {
    const { started, fetch, finish } = setUp(pollOrdered);
    fetch([...records(0, 0, 3), ...records(1, 0, 1)]);
    vi.advanceTimersByTime(200);
    expect(started).toEqual(['0:0', '1:0']);
    await finish('0:0');
    await finish('0:1');
    expect(started).toEqual(['0:0', '1:0', '0:1', '0:2']);
  });

  test('takes 50 records every 200 ms and no more: 250 a second', async () => {
    const { started, fetch, finishAll } = setUp(pollOrdered);
    for (let partition = 0; partition < 100; partition += 1) fetch(records(partition, 0, 10));
    for (let tick = 1; tick <= 5; tick += 1) {
      vi.advanceTimersByTime(200);
      // As soon as a partition's queue is done it would take more, if it were asked.
      while (started.length < tick * 50) await finishAll();
      await finishAll();
      expect(started).toHaveLength(tick * 50);
    }
  });

  test('a partition that waits does not hold up those that were polled before', async () => {
    const { started, fetch, finish } = setUp(pollOrdered);
    fetch([...records(0, 0, 1), ...records(1, 0, 1)]);
    vi.advanceTimersByTime(200);
    await finish('1:0');
    fetch(records(0, 1, 50));
    vi.advanceTimersByTime(200);
    fetch(records(0, 51, 50));
    fetch(records(1, 1, 1));
    vi.advanceTimersByTime(200);
    expect(started).toEqual(['0:0', '1:0', '1:1']);
  });

  test('but it does hold up those that never were, as in the dispatcher', () => {
    const { started, fetch } = setUp(pollOrdered);
    fetch(records(0, 0, 50));
    vi.advanceTimersByTime(200);
    fetch(records(1, 0, 1));
    vi.advanceTimersByTime(2_000);
    expect(started).toEqual(['0:0']);
  });

  test('while it is idle, a record is delivered as soon as it comes', () => {
    const { started, fetch } = setUp(pollOrdered);
    vi.advanceTimersByTime(450);
    fetch(records(0, 0, 1));
    expect(started).toEqual(['0:0']);
    fetch(records(1, 0, 1));
    expect(started).toEqual(['0:0']);
    vi.advanceTimersByTime(200);
    expect(started).toEqual(['0:0', '1:0']);
  });

  test('what is queued is dropped with its partitions, what is under way goes on', async () => {
    const { polling, started, fetch, finishAll } = setUp(pollOrdered);
    fetch(records(0, 0, 5));
    vi.advanceTimersByTime(200);
    polling.revoked();
    expect(polling.inFlight()).toBe(1);
    await finishAll();
    vi.advanceTimersByTime(1_000);
    expect(started).toEqual(['0:0']);
    expect(polling.inFlight()).toBe(0);
    polling.stop();
  });
});
