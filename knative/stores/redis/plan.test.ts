import { expect, test } from 'vitest';
import type { PlacedNode } from './nodes.ts';
import { pairReplicas, shareSlots } from './plan.ts';

const empty = (id: string, machine: string): PlacedNode => ({
  id,
  machine,
  role: 'master',
  masterId: undefined,
  slots: [],
});
const six = ['a', 'b', 'c'].flatMap((machine) => [
  empty(`${machine}1`, machine),
  empty(`${machine}2`, machine),
]);

test('each of three machines gets one master and a third of the slots', () => {
  expect(shareSlots(six, 3).map(({ node, slots }) => [node.id, slots])).toEqual([
    ['a1', [[0, 5460]]],
    ['b1', [[5461, 10_921]]],
    ['c1', [[10_922, 16_383]]],
  ]);
});

test('a share that was broken off is completed, and what has an owner stays where it is', () => {
  const [first, ...others] = six;
  const begun = [
    {
      ...(first as PlacedNode),
      slots: [
        [0, 5460],
        [16_000, 16_383],
      ] as const,
    },
    ...others,
  ];
  expect(shareSlots(begun, 3).map(({ node, slots }) => [node.id, slots])).toEqual([
    ['b1', [[5461, 10_921]]],
    ['c1', [[10_922, 15_999]]],
  ]);
});

test('where every slot has its owner, nothing is shared out', () => {
  const all = [{ ...empty('a1', 'a'), slots: [[0, 16_383]] as const }, empty('b1', 'b')];
  expect(shareSlots(all, 2)).toEqual([]);
});

test('two masters cannot be made of one node', () => {
  expect(() => shareSlots([empty('a1', 'a')], 2)).toThrow('2 masters need as many nodes');
});

test('no replica is beside its master', () => {
  const plan = shareSlots(six, 3);
  const shared = six.map((node) => ({
    ...node,
    slots: plan.find((share) => share.node === node)?.slots ?? [],
  }));
  const pairs = pairReplicas(shared);
  expect(new Set(pairs.map(({ master }) => master.id))).toEqual(new Set(['a1', 'b1', 'c1']));
  expect(new Set(pairs.map(({ replica }) => replica.id))).toEqual(new Set(['a2', 'b2', 'c2']));
  for (const { replica, master } of pairs) expect(replica.machine).not.toBe(master.machine);
});

test('an empty node in place of a lost one goes to the master that has no replica', () => {
  const nodes: PlacedNode[] = [
    { ...empty('m1', 'a'), slots: [[0, 8191]] },
    { ...empty('m2', 'b'), slots: [[8192, 16_383]] },
    { ...empty('r1', 'b'), role: 'replica', masterId: 'm1' },
    empty('new', 'a'),
  ];
  expect(pairReplicas(nodes).map(({ replica, master }) => [replica.id, master.id])).toEqual([
    ['new', 'm2'],
  ]);
});
