import { expect, test } from 'vitest';
import type { PlacedNode } from './nodes.ts';
import { pairReplicas, separate, shareSlots, spreadMasters } from './plan.ts';

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

const third = (id: string, machine: string): PlacedNode => ({
  ...empty(id, machine),
  slots: [[0, 5460]],
});
const copy = (id: string, machine: string, masterId: string): PlacedNode => ({
  ...empty(id, machine),
  role: 'replica',
  masterId,
});
const placed = (...machines: readonly string[]) => {
  const [m1 = '', m2 = '', m3 = '', r1 = '', r2 = '', r3 = ''] = machines;
  return [
    ...[third('m1', m1), third('m2', m2), third('m3', m3)],
    ...[copy('r1', r1, 'm1'), copy('r2', r2, 'm2'), copy('r3', r3, 'm3')],
  ];
};

test('a replica that came to be beside its master changes places with another', () => {
  const pairs = separate(placed('a', 'b', 'c', 'a', 'c', 'b'));
  expect(pairs.map(({ replica, master }) => [replica.id, master.id])).toEqual([
    ['r1', 'm2'],
    ['r2', 'm1'],
  ]);
  expect(separate(placed('a', 'b', 'c', 'b', 'c', 'a'))).toEqual([]);
});

test('where nobody can be parted, everybody stays', () => {
  expect(separate(placed('a', 'a', 'a', 'a', 'a', 'a'))).toEqual([]);
});

test('of two masters on a machine, the one with a replica on a machine without one gives way', () => {
  expect(spreadMasters(placed('a', 'a', 'b', 'b', 'c', 'c')).map(({ id }) => id)).toEqual(['r2']);
  expect(spreadMasters(placed('a', 'b', 'c', 'b', 'c', 'a'))).toEqual([]);
});
