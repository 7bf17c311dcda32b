import { Counter, Histogram, Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { parseExposition } from './exposition.ts';

test('what prom-client writes is read back', async () => {
  const registers = [new Registry()];
  registers[0]?.setDefaultLabels({ function: 'purchase' });
  const strange = 'a "quoted" one, with\na \\n and {braces} 1';
  const counter = new Counter({
    name: 'a_total',
    help: 'Of #, {}\n',
    labelNames: ['x'],
    registers,
  });
  counter.inc({ x: strange }, 12.5);
  counter.inc({ x: '' }, 1e21);
  new Histogram({ name: 'b', help: 'b', buckets: [0.1], registers }).observe(3);
  const series = parseExposition((await registers[0]?.metrics()) ?? '');
  const labels = { function: 'purchase' };
  expect(series).toEqual([
    { name: 'a_total', labels: { ...labels, x: strange }, value: 12.5 },
    { name: 'a_total', labels: { ...labels, x: '' }, value: 1e21 },
    { name: 'b_bucket', labels: { ...labels, le: '0.1' }, value: 0 },
    { name: 'b_bucket', labels: { ...labels, le: '+Inf' }, value: 1 },
    { name: 'b_sum', labels, value: 3 },
    { name: 'b_count', labels, value: 1 },
  ]);
});

test('times, infinities and blank lines are taken, as the format has them', () => {
  const text = 'a 1 1700000000000\n\n  \nb{x="y",} -Inf\nc{} NaN\r\n'.replace('\r', '');
  expect(parseExposition(text).map(({ value }) => value)).toEqual([1, -Infinity, Number.NaN]);
});

test.each([
  '<html>502 Bad Gateway</html>',
  'a',
  'a{x="y} 1',
  'a{x=y} 1',
  'a{x="y" z="1"} 1',
  'a 1 2 3',
  'a one',
  '{"kind":"Status"}',
])('%s is no answer of an instance', (line) => {
  expect(() => parseExposition(`b 1\n${line}\n`)).toThrow(/no series of Prometheus/);
});
