import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readOptions, usage } from './options.ts';
import { planOf, scenarioNames } from './plans.ts';

test('each scenario has its script, and help tells of it', () => {
  const scripts = readdirSync(join(import.meta.dirname, 'scenarios'));
  for (const name of scenarioNames) {
    expect(scripts).toContain(`${name}.ts`);
    expect(usage).toContain(`  ${name}`);
  }
});

test('on three nodes, a fifth is limited, a tenth too late, and 1000 a second are bought', () => {
  const { load, sales } = planOf('three-nodes');
  const [{ limit, stock } = { limit: { rate: 0, capacity: 0 }, stock: 0 }] = sales;
  const purchases = load.perSecond * load.seconds;
  const admitted = limit.capacity + limit.rate * load.seconds;
  expect({ limit, stock }).toEqual({ limit: { rate: 1_110, capacity: 1_000 }, stock: 30_030 });
  expect(stock / load.seconds).toBeGreaterThanOrEqual(1_000);
  expect(stock / purchases).toBeCloseTo(0.7, 3);
  expect(1 - admitted / purchases).toBeCloseTo(0.2, 2);
  expect((admitted - stock) / purchases).toBeCloseTo(0.1, 2);
});

test('another rate and another time keep these parts', () => {
  const { sales, expected } = planOf('three-nodes', { perSecond: 143, seconds: 10 });
  expect(sales).toMatchObject([{ stock: 1_001, limit: { rate: 111, capacity: 33 } }]);
  expect(expected).toContainEqual({ figure: 'rowsPerSecond', atLeast: 100, kind: 'machine' });
});

test('on one node, 3000 requests a second for 30 s are offered, and nobody comes twice', () => {
  const { load, buyers } = planOf('one-node');
  expect(load).toMatchObject({ virtualUsers: 1_000, perSecond: 3_000, seconds: 30 });
  expect(buyers).toBeGreaterThan(load.perSecond * (load.seconds + load.rampSeconds / 2));
});

test.each(scenarioNames)('%s: there are buyers for all that is offered', (name) => {
  const { load, buyers, expected } = planOf(name, { virtualUsers: 50 });
  const open = load.perSecond * (load.seconds + load.rampSeconds / 2);
  expect(buyers).toBeGreaterThanOrEqual(Math.max(open, load.virtualUsers * load.purchasesEach));
  expect(expected).toContainEqual({ figure: 'unserved', atMost: 0, kind: 'promise' });
});

describe('the command line', () => {
  test('a scenario and what is to be different', () => {
    const args = ['hot-user', '--rate', '20', '--seconds', '5', '-o', 'json', '--out', 'x'];
    expect(readOptions(args)).toEqual({
      ...{ scenario: 'hot-user', perSecond: 20, seconds: 5, virtualUsers: undefined },
      ...{ json: true, out: 'x' },
    });
  });

  test.each([[[]], [['--help']], [['one-node', '-h']]])('help: %j', (args) => {
    expect(readOptions(args)).toBeUndefined();
  });

  test.each([
    [['nonsense'], 'Name one scenario'],
    [['one-node', 'hot-user'], 'Name one scenario'],
    [['one-node', '--rate', '0'], '--rate'],
    [['one-node', '--seconds', '1.5'], '--seconds'],
    [['one-node', '-o', 'yaml'], '--output'],
    [['one-node', '--fast'], '--fast'],
  ])('refused: %j', (args, said) => {
    expect(() => readOptions(args)).toThrow(said);
  });
});
