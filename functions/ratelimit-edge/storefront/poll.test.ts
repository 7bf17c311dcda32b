import { describe, expect, test } from 'vitest';
import { ReadError } from './api.ts';
import { createManualTimers } from './manual-timers.ts';
import { startPoll } from './poll.ts';

function setUp(task: () => Promise<void>, intervalMs: () => number | undefined = () => 2_000) {
  let chance = 0.5;
  const timers = createManualTimers(() => chance);
  const page = { isVisible: true, show: (): void => undefined };
  let asked = 0;
  const poll = startPoll({
    timers,
    async task() {
      asked += 1;
      await task();
    },
    intervalMs,
    isVisible: () => page.isVisible,
    onVisible(run) {
      page.show = run;
      return () => undefined;
    },
  });
  return {
    timers,
    poll,
    page,
    asked: () => asked,
    setChance: (value: number) => {
      chance = value;
    },
  };
}

const ok = () => Promise.resolve();

describe('a poll', () => {
  test('asks at once, then in intervals that chance spreads by a fifth', async () => {
    const { timers, asked, setChance } = setUp(ok);
    setChance(0);
    await timers.advance(1_599);
    expect(asked()).toBe(1);
    setChance(0.999);
    await timers.advance(1);
    expect(asked()).toBe(2);
    await timers.advance(2_390);
    expect(asked()).toBe(2);
    await timers.advance(10);
    expect(asked()).toBe(3);
  });

  test('rests while the page is hidden and asks when it is shown', async () => {
    const { timers, asked, page } = setUp(ok);
    await timers.advance(0);
    page.isVisible = false;
    await timers.advance(60_000);
    expect(asked()).toBe(1);
    page.isVisible = true;
    page.show();
    await timers.advance(0);
    expect(asked()).toBe(2);
    await timers.advance(2_000);
    expect(asked()).toBe(3);
  });

  test('asks less and less often while it fails, and as told by Retry-After', async () => {
    const askedAtMs: number[] = [];
    const { timers } = setUp(async () => {
      await Promise.resolve();
      askedAtMs.push(timers.nowMs());
      throw new ReadError(503, askedAtMs.length === 6 ? 20_000 : 0);
    });
    await timers.advance(120_000);
    const gaps = askedAtMs.slice(1).map((atMs, index) => atMs - (askedAtMs[index] ?? 0));
    const first = gaps.slice(0, 5);
    expect(first).toEqual(first.toSorted((a, b) => a - b));
    expect(first[0]).toBeLessThan(first[4] ?? 0);
    expect(gaps[5]).toBeGreaterThanOrEqual(20_000);
  });

  test('asks once more when it was told to while an answer was under way', async () => {
    let answer: () => void = () => undefined;
    const { timers, poll, asked } = setUp(
      () =>
        new Promise((resolve) => {
          answer = resolve;
        }),
    );
    poll.refresh();
    poll.refresh();
    expect(asked()).toBe(1);
    answer();
    await timers.advance(0);
    expect(asked()).toBe(2);
  });

  test('without an interval waits for refresh; stopped, it never asks again', async () => {
    const { timers, poll, asked, page } = setUp(ok, () => undefined);
    await timers.advance(60_000);
    expect(asked()).toBe(1);
    poll.refresh();
    await timers.advance(0);
    expect(asked()).toBe(2);
    poll.stop();
    poll.refresh();
    page.show();
    await timers.advance(60_000);
    expect(asked()).toBe(2);
  });
});
