import { expect, test } from 'vitest';
import type { Line } from './log.ts';
import { tableOf } from './table.ts';

const plannedKill = {
  kind: 'kill',
  target: { kind: 'purchase', index: 2 },
  ...{ atMs: 500, forMs: 0, amount: 0 },
} as const;
const done = { fault: 'kill purchase-2', process: 'purchase-2' };

function line(seed: number, more: Partial<Line>): Line {
  return {
    plan: { seed, perSecond: 20, loadMs: 6_000, stock: 100, faults: [plannedKill] },
    ...{ seed, nodes: 3, productId: 'f', faults: [done], healthyAfterMs: 1_000 },
    ...{ accepted: 10, refused: 0, unserved: 0, unclean: {}, nobodyToldMs: 300, worstMs: 900 },
    ...{
      oversold: 0,
      lost: 0,
      problems: [],
      tookMs: 60_000,
      command: `--seed ${seed}`,
      commit: '',
      at: '',
    },
    ...more,
  };
}

test('runs of the same fault are one row, which has the worst of them', () => {
  const table = tableOf([
    line(1, { unclean: { '503 unavailable': 2 } }),
    line(2, { nobodyToldMs: 1_234, unclean: { '503 unavailable': 1, '0 ECONNRESET': 4 } }),
  ]);
  expect(table).toContain(
    '| `kill` purchase | 2 | 1.2 s | 0.9 s | 1.0 s | 3 × 503 unavailable, 4 × 0 ECONNRESET | 0, 0 |',
  );
  expect(table).toContain('2 runs of 2 plans in 2 minutes; 0 broke a promise.');
});

test('two faults at a time are a row of their own, unless one of them was not done', () => {
  const leader = { ...plannedKill, target: { role: 'etcd leader' } } as const;
  const plan = { ...line(1, {}).plan, faults: [leader, plannedKill] };
  const away = { fault: 'kill etcd leader', process: '', notDone: 'there is none' };
  expect(tableOf([line(1, { plan, faults: [done, done] })])).toContain('| two of them at a time |');
  expect(tableOf([line(1, { plan, faults: [away, done] })])).toContain('| `kill` purchase |');
  expect(tableOf([line(1, { plan, faults: [done, away] })])).toContain('| `kill` etcd leader |');
});

test('what is broken, or not known, is not passed over', () => {
  const table = tableOf([
    line(1, { lost: 2, problems: ['2 orders are lost'] }),
    line(2, {}),
    line(3, { oversold: null, problems: ['it does not settle'] }),
  ]);
  expect(table).toContain('| NaN, 2 |');
  expect(table).toContain('2 broke a promise: 1 (nodes 3) 3 (nodes 3).');
});
