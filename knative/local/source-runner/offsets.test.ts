import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createOffsetTracker } from './offsets.ts';

test('nothing is committed before the first record is done', () => {
  const tracker = createOffsetTracker(7n);
  const done = tracker.received(7n);
  expect(tracker.committable()).toBeUndefined();
  done();
  expect(tracker.committable()).toBe(8n);
});

test('one that is not done holds back all after it', () => {
  const tracker = createOffsetTracker(0n);
  const [first, second, third] = [0n, 1n, 2n].map((offset) => tracker.received(offset));
  third?.();
  second?.();
  expect(tracker.committable()).toBeUndefined();
  first?.();
  expect(tracker.committable()).toBe(3n);
});

test('an offset is committed once', () => {
  const tracker = createOffsetTracker(0n);
  tracker.received(0n)();
  tracker.committed(1n);
  expect(tracker.committable()).toBeUndefined();
  tracker.received(1n)();
  expect(tracker.committable()).toBe(2n);
});

test('gaps in the topic, as transactions and compaction leave them, are not waited for', () => {
  const tracker = createOffsetTracker(10n);
  const done = tracker.received(10n);
  const later = tracker.received(15n);
  done();
  expect(tracker.committable()).toBe(15n);
  later();
  expect(tracker.committable()).toBe(16n);
});

test('whatever the order of finishing, the commit is the oldest that is not done', () => {
  const orders = fc
    .integer({ min: 1, max: 3_000 })
    .chain((count) =>
      fc
        .shuffledSubarray([...Array(count).keys()], { minLength: 0 })
        .map((finished) => ({ count, finished })),
    );
  fc.assert(
    fc.property(orders, ({ count, finished }) => {
      const tracker = createOffsetTracker(0n);
      const done = [...Array(count).keys()].map((offset) => tracker.received(BigInt(offset)));
      for (const offset of finished) done[offset]?.();
      const isFinished = new Set(finished);
      const oldest = done.findIndex((_, offset) => !isFinished.has(offset));
      expect(tracker.position()).toBe(BigInt(oldest === -1 ? count : oldest));
    }),
    { numRuns: 50 },
  );
});
