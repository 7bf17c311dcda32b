import { expect, test } from 'vitest';
import { cpuMsPerThousand, readCpuTimes } from './cpu.ts';

test('what was spent in between, for a thousand, the dearest first', () => {
  const before = new Map(Object.entries({ redis: 100, kafka: 5_000, mysql: 70 }));
  const after = new Map(Object.entries({ redis: 200, kafka: 5_400, mysql: 70, wrk: 50 }));
  const each = cpuMsPerThousand(before, after, 2_000);
  expect(each).toEqual({ all: 275, kafka: 200, redis: 50, wrk: 25 });
  expect(Object.keys(each)).toEqual(['all', 'kafka', 'redis', 'wrk']);
});

test('this process is among them, and its time passes', () => {
  const spentBy = () => readCpuTimes().get('bench') ?? Number.NaN;
  const before = spentBy();
  const deadlineMs = performance.now() + 10_000;
  while (spentBy() <= before && performance.now() < deadlineMs);
  expect(spentBy()).toBeGreaterThan(before);
});
