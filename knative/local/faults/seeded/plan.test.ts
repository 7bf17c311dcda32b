import { expect, test } from 'vitest';
import { allKinds, factsOf } from './kinds.ts';
import { nameOf, planOf } from './plan.ts';

const options = { nodes: 3, kinds: allKinds, seconds: 6 } as const;
const seeds = Array.from({ length: 300 }, (_, at) => at + 1);

test('a plan is the same whenever its seed and options are', () => {
  for (const seed of seeds) expect(planOf(seed, options)).toEqual(planOf(seed, { ...options }));
});

test('other seeds, nodes, kinds or seconds are other plans', () => {
  const faultsOf = (seed: number, more: object) =>
    JSON.stringify(planOf(seed, { ...options, ...more }).faults);
  expect(new Set(seeds.map((seed) => faultsOf(seed, {}))).size).toBe(seeds.length);
  expect(faultsOf(1, { nodes: 1 })).not.toBe(faultsOf(1, {}));
  expect(faultsOf(1, { seconds: 7 })).not.toBe(faultsOf(1, {}));
  expect(faultsOf(1, { kinds: ['freeze'] })).toContain('freeze');
});

test('every kind is done to everybody it may be done to, within its time', () => {
  const seen = new Set<string>();
  for (let seed = 1; seed <= 20_000; seed += 1) {
    for (const fault of planOf(seed, options).faults) {
      const { forMs, targets } = factsOf(fault.kind);
      expect(forMs.some(([least, most]) => least <= fault.forMs && fault.forMs <= most)).toBe(true);
      expect(targets(3)).toContainEqual(fault.target);
      seen.add(`${fault.kind} ${JSON.stringify(fault.target)}`);
    }
  }
  const all = allKinds.flatMap((kind) =>
    factsOf(kind)
      .targets(3)
      .map((target) => `${kind} ${JSON.stringify(target)}`),
  );
  expect([...seen].sort()).toEqual(all.sort());
});

test('some plans have two faults at a time, and some sell fewer than are asked for', () => {
  const plans = seeds.map((seed) => planOf(seed, options));
  const pairs = plans.filter(({ faults }) => faults.length === 2);
  expect(pairs.length).toBeGreaterThan(60);
  for (const { faults } of pairs) {
    const [first, second] = faults;
    if (first === undefined || second === undefined) throw new Error('there are two');
    expect(second.atMs).toBeGreaterThanOrEqual(first.atMs);
    expect(second.atMs).toBeLessThanOrEqual(first.atMs + Math.max(first.forMs, 1_000));
  }
  const scarce = plans.filter(
    ({ stock, perSecond, loadMs }) => stock <= (perSecond * loadMs) / 1e3,
  );
  expect(scarce.length).toBeGreaterThan(60);
});

test('a fault is called by what is done to whom, and for how long', () => {
  const leader = { role: 'etcd leader' } as const;
  expect(nameOf({ kind: 'freeze', target: leader, forMs: 4_200, amount: 0 })).toBe(
    'freeze etcd leader for 4.2 s',
  );
  const second = { kind: 'purchase', index: 2 } as const;
  expect(nameOf({ kind: 'kill', target: second, forMs: 0, amount: 0 })).toBe('kill purchase-2');
  expect(nameOf({ kind: 'clock-back', target: second, forMs: 500, amount: 61_000 })).toBe(
    'clock-back by 61 s: purchase-2 for 0.5 s',
  );
});
