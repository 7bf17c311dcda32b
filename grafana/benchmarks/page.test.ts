import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Row } from '#knative/local/bench/row.ts';
import { type Figures, type Measured, readFigures } from './figures.ts';
import { numberOf } from './numbers.ts';
import { benchmarksPage } from './page.ts';

const page = join(import.meta.dirname, '../BENCHMARKS.md');

function measured<T>(figures: T, command = 'npm run bench'): Measured<T> {
  const machine = { cpus: 2, model: 'CPU', memoryGb: 8, system: 'Linux 6', node: 'v24.0.0' };
  return { command, at: '2026-01-02T03:04:05.678Z', machine, status: 0, figures };
}

const row = (name: string, perSecond: number | null): Row => ({
  ...{ name, perSecond, reference: 20_000, ratio: 0.5, p50Ms: 12.34, p99Ms: 99 },
});

const headings = (text: string) => [...text.matchAll(/^## (.*)$/gm)].map(([, title]) => title);

test('the page is what the figures say: run `npm run benchmarks` where it is not', () => {
  expect(readFileSync(page, 'utf8')).toBe(benchmarksPage(readFigures()));
});

test('what was not measured has no section, and no number', () => {
  expect(headings(benchmarksPage({}))).toEqual([]);
  const bench = measured([row('accept', 10_000)]);
  expect(headings(benchmarksPage({ bench }))).toEqual(['Accepted and durable', 'Beside others']);
  const refusing = measured([row('sold-out', 15_000)]);
  expect(headings(benchmarksPage({ bench: refusing }))).toEqual(['Refused', 'Beside others']);
});

test('what is durable is never in one table with what is refused', () => {
  const bench = measured([row('accept', 10_000), row('sold-out', 15_000)]);
  const [, durable = '', refused = ''] = benchmarksPage({ bench }).split(/^## /m);
  expect(durable).toContain('| `accept` | 10,000 | 20,000 | 0.5 | 12.3 | 99 |');
  expect(durable).not.toContain('sold-out');
  expect(refused).toContain('| `sold-out` | 15,000 |');
  expect(refused).not.toContain('`accept`');
});

test('each sweep has a table of its own, by its amount', () => {
  const growth = measured([
    ...[row('growth-products-1', 9_000), row('growth-rate-500', 500)],
    { ...row('growth-products-1000', 8_000), cpuMsPerThousand: { all: 250.4, kafka: 20 } },
  ]);
  const text = benchmarksPage({ growth });
  expect(headings(text)).toEqual(['How the cost of an acceptance grows']);
  expect(text).toContain('| 1 | 9,000 | 20,000 | 0.5 | 12.3 | 99 | – |');
  expect(text).toContain('| 1,000 | 8,000 | 20,000 | 0.5 | 12.3 | 99 | 250 |');
  expect(text.indexOf('**rate**')).toBeLessThan(text.indexOf('**products**'));
});

test('what limits a part is where its CPU time goes', () => {
  const cpu = { all: 200, kafka: 20, wrk: 10, 'ratelimit-edge': 130, redis: 30, etcd: 2 };
  const bench = measured([{ ...row('accept', 10_000), cpuMsPerThousand: cpu }]);
  const text = benchmarksPage({ bench });
  expect(headings(text)).toContain('What limits each part');
  expect(text).toContain('| 200 | ratelimit-edge 65 %, redis 15 %, kafka 10 %, wrk 5 % |');
});

test('with each section stands the command that gave it, and whether it was content', () => {
  const bench: Figures['bench'] = { ...measured([row('accept', 1)], 'npm run x'), status: 1 };
  const text = benchmarksPage({ bench });
  expect(text).toContain('`npm run x`, 2026-01-02 03:04 UTC; **not all was in order** (exit 1).');
  expect(text).toContain('Machine: 2 × CPU, 8 GB, Linux 6, Node v24.0.0.');
});

test('numbers are as people read them', () => {
  expect([12_345.6, 99.96, 12.34, 0.5301, null, undefined, Number.NaN].map(numberOf)).toEqual([
    ...['12,346', '100', '12.3', '0.53', '–', '–', '–'],
  ]);
});
