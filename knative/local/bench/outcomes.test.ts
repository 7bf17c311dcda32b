import { expect, test } from 'vitest';
import { assertOnly, parseOutcomes } from './outcomes.ts';

const metrics = `# TYPE seckill_requests_total counter
seckill_requests_total{outcome="accepted",result="succeeded",function="ratelimit-edge"} 120
seckill_requests_total{outcome="sold_out",result="refused",function="ratelimit-edge"} 3
seckill_rate_limited_total{tier="user",function="ratelimit-edge"} 9
`;

test('a counter is read by outcome, and others are not', () => {
  const outcomes = parseOutcomes(metrics, 'seckill_requests_total');
  expect([...outcomes]).toEqual([
    ['accepted', 120],
    ['sold_out', 3],
  ]);
});

test('only what was counted during the run must be expected', () => {
  const after = parseOutcomes(metrics, 'seckill_requests_total');
  const before = new Map([['sold_out', 3]]);
  expect(() => {
    assertOnly(['accepted'], before, after);
  }).not.toThrow();
  expect(() => {
    assertOnly(['accepted'], new Map(), after);
  }).toThrow('3 × sold_out');
});
