import { expect, test } from 'vitest';
import { createFetchBuffer } from './fetch-buffer.ts';
import type { FetchedRecord } from './record-to-request.ts';

function records(partition: number, offsets: readonly number[]): FetchedRecord[] {
  return offsets.map((offset) => ({
    ...{ topic: 't', partition, offset: BigInt(offset), timestampMs: 0, headers: [] },
    key: Buffer.from('k'),
    value: Buffer.from('value'),
  }));
}
const names = (taken: readonly FetchedRecord[]) =>
  taken.map(({ partition, offset }) => `${partition}:${offset}`);

test('a poll empties the oldest fetch first, and never takes more than its most', () => {
  const buffer = createFetchBuffer();
  buffer.add(records(0, [0, 1, 2]));
  buffer.add(records(1, [7]));
  buffer.add(records(0, [3]));
  expect(names(buffer.take(2))).toEqual(['0:0', '0:1']);
  expect(names(buffer.take(9))).toEqual(['0:2', '1:7', '0:3']);
  expect(buffer.take(9)).toEqual([]);
});

test('a skipped partition keeps its place', () => {
  const buffer = createFetchBuffer();
  buffer.add(records(0, [0]));
  buffer.add(records(1, [5]));
  expect(names(buffer.take(9, (partition) => partition === 't/0'))).toEqual(['1:5']);
  expect(names(buffer.take(9))).toEqual(['0:0']);
});

test('it knows how much of each partition it holds', () => {
  const buffer = createFetchBuffer();
  buffer.add(records(0, [0, 1]));
  buffer.add(records(1, [0]));
  expect(buffer.bytesOf({ topic: 't', partition: 0 })).toBe(12);
  expect(buffer.size()).toBe(3);
  buffer.take(2);
  expect(buffer.bytesOf({ topic: 't', partition: 0 })).toBe(0);
  expect(buffer.bytesOf({ topic: 't', partition: 1 })).toBe(6);
  expect(buffer.size()).toBe(1);
});
