import { expect, test } from 'vitest';
import type { Progress } from '#lib/kafka/read-progress.ts';
import { consumerGroups } from '#lib/names.ts';
import { awaitDelivery, sharedReading } from './reconcile-delivery.ts';

/** Both groups have committed so much of a topic with two partitions that end at 5 and 0. */
function progress(persist: number, rank: number, end = 5): Progress {
  const offsets = (committed: number) =>
    new Map([
      [0, committed],
      [1, -1],
    ]);
  return {
    committed: new Map([
      [consumerGroups['persist-order'], offsets(persist)],
      [consumerGroups['update-rank'], offsets(rank)],
    ]),
    ends: new Map([
      [0, end],
      [1, 0],
    ]),
    complete: true,
  };
}

const inTurn = (...answers: Progress[]) => {
  let last = progress(0, 0);
  return () => Promise.resolve((last = answers.shift() ?? last));
};

test('what lies before the ends that were taken first is delivered once it is committed', async () => {
  // More comes in meanwhile, which nobody waits for.
  const readProgress = inTurn(progress(3, 5), progress(5, 7, 9));
  const delivery = await awaitDelivery({ readProgress, deliveryWaitMs: 5_000 });
  expect(delivery).toMatchObject({ 'persist-order': true, 'update-rank': true });
});

test('a group that is behind is told apart from one that is not', async () => {
  const delivery = await awaitDelivery({
    readProgress: inTurn(progress(-1, 5)),
    deliveryWaitMs: 0,
  });
  expect(delivery).toEqual({
    'persist-order': false,
    'update-rank': true,
    lag: { 'persist-order': 5, 'update-rank': 0 },
  });
});

test('readings are shared, and never begun before they were asked for', async () => {
  let begun = 0;
  const ends: (() => void)[] = [];
  const read = sharedReading(async () => {
    begun += 1;
    const which = begun;
    await new Promise<void>((resolve) => ends.push(resolve));
    return which;
  });
  const first = read();
  await Promise.resolve();
  await Promise.resolve();
  const others = [read(), read(), read()];
  ends[0]?.();
  expect(await first).toBe(1);
  await expect.poll(() => ends.length).toBe(2);
  ends[1]?.();
  expect(await Promise.all(others)).toEqual([2, 2, 2]);
  expect(begun).toBe(2);
});

test('a reading that failed does not fail the next', async () => {
  let isAway = true;
  const read = sharedReading(() =>
    isAway ? Promise.reject(new Error('Kafka is away')) : Promise.resolve('read'),
  );
  await expect(read()).rejects.toThrow('Kafka is away');
  isAway = false;
  expect(await read()).toBe('read');
});
