import { expect, test } from 'vitest';
import type { ProcessEntry } from '../state.ts';
import type { Kind } from '../topology.ts';
import { faultsOf, inRandomOrder } from './faults.ts';

const take = <T>(from: Iterator<T>, count: number) =>
  Array.from({ length: count }, () => from.next().value as T);

test('the same seed draws the same, another one something else; each comes before any again', () => {
  const all = Array.from({ length: 20 }, (_, at) => at);
  const drawn = take(inRandomOrder(all, 7), 40);
  expect(take(inRandomOrder(all, 7), 40)).toEqual(drawn);
  expect(take(inRandomOrder(all, 8), 40)).not.toEqual(drawn);
  expect(drawn.slice(0, 20).toSorted((a, b) => a - b)).toEqual(all);
  expect(drawn.slice(20).toSorted((a, b) => a - b)).toEqual(all);
});

test('of one node every process is killed and frozen', async () => {
  const kinds: Kind[] = [
    ...(['redis', 'etcd', 'kafka', 'mysql', 'ratelimit-edge', 'purchase'] as const),
    ...(['persist-order', 'update-rank', 'source-runner'] as const),
  ];
  const processes = kinds.map((kind): ProcessEntry => {
    return { ...{ name: kind, kind, index: 1, folder: '/nowhere', port: 1 } };
  });
  const faults = faultsOf(processes, () => 'phone');
  const named = await Promise.all(
    faults.map(async ({ who, how }) => `${(await who()).name} ${how}`),
  );
  expect(named.toSorted()).toEqual(
    kinds.flatMap((kind) => [`${kind} frozen`, `${kind} killed`]).toSorted(),
  );
});
