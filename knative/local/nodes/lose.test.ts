import { expect, test } from 'vitest';
import { longestGap } from './lose.ts';
import { tableOf } from './table.ts';

const at = (...times: readonly number[]) => times.map((toldAtMs) => ({ toldAtMs }));

test('the longest gap counts from the loss on, whatever order they are in', () => {
  expect(longestGap(at(1_900, 1_100, 1_200), 1_000)).toBe(700);
  expect(longestGap(at(4_000, 4_100), 1_000)).toBe(3_000);
  expect(longestGap([], 1_000)).toBe(0);
});

test('a loss is a line of Markdown, with what buyers were answered', () => {
  const lost = {
    ...{ what: 'etcd: the leader', name: 'etcd-2', interruptedMs: 1_234, worstMs: 2_000 },
    ...{ backAfterMs: 900, unclean: { '503 unavailable': 2, '0 ECONNRESET': 1 } },
  };
  const [header, between, line] = tableOf([lost]).split('\n');
  expect(header).toMatch(
    /^\| lost +\| process \| nobody bought for \| worst buyer \| back after \| answers +\|$/,
  );
  expect(between).toMatch(/^(\| -+ ){6}\|$/);
  expect(line).toMatch(
    /^\| etcd: the leader \| etcd-2 +\| 1\.2 s +\| 2\.0 s +\| 0\.9 s +\| 2 × 503 unavailable, 1 × 0 ECONNRESET \|$/,
  );
});
