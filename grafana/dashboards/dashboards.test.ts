import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { listMetrics } from '../metric-list.ts';
import { metricsOf } from '../metric-uses.ts';
import { limitOf, runbookOf } from './alerts.ts';
import { dashboardOf } from './dashboard.ts';
import { boards, folder, generated } from './main.ts';
import { allQueries, datasource } from './panel.ts';
import { sale } from './sale.ts';

const known = new Set(listMetrics().map(({ name }) => name));
const panels = boards.flatMap(({ title, sections }) =>
  sections.flatMap((section) => section.panels.map((panel) => [`${title}: ${panel.title}`, panel])),
) as [string, (typeof sale.sections)[number]['panels'][number]][];

test('the files are what the code makes', () => {
  const advice = 'run: npx node grafana/dashboards/main.ts';
  const there = readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')]);
  expect(Object.fromEntries(there), advice).toEqual(generated());
});

test('Sale has the six panels that an operator expects', () => {
  const [, six] = sale.sections;
  expect(six?.panels.map(({ title }) => title)).toEqual([
    'Requests and answers',
    'Rate-limited and failed',
    'Consume rate and delay',
    'Cache hit rate and stock',
    'Lock renewal',
    'CPU and memory',
  ]);
});

describe.each(panels)('%s', (_title, panel) => {
  test('says what it shows, and asks for metrics that there are', () => {
    expect(panel.description).toMatch(/^[A-Z0-9].{20,}\.$/s);
    expect(panel.unit).not.toBe('');
    for (const { expr, legend } of allQueries(panel)) {
      expect(legend).not.toBe('');
      const names = metricsOf(expr);
      expect(names.length).toBeGreaterThan(0);
      expect(names.filter((name) => name.startsWith('seckill_') && !known.has(name))).toEqual([]);
    }
  });

  test('a label in a legend is one that the query keeps', () => {
    for (const { expr, legend } of allQueries(panel)) {
      const kept = [...expr.matchAll(/ by \(([^)]+)\)/g)].flatMap(([, list = '']) =>
        list.split(', '),
      );
      const shown = [...legend.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = '']) => label);
      expect(kept.filter((label) => label !== 'le' && !shown.includes(label))).toEqual([]);
      expect(shown.filter((label) => !kept.includes(label))).toEqual([]);
    }
  });
});

test('thresholds are the limits of alerts, and lead to what to do', () => {
  const [built] = boards.map((board) => JSON.stringify(dashboardOf(board)));
  expect(limitOf('SeckillRateLimited')).toEqual({ limit: 0.3, firesBelow: false });
  expect(limitOf('SeckillStockHitRate')).toEqual({ limit: 0.8, firesBelow: true });
  const red = (value: number | null) => JSON.stringify({ value, color: 'red' });
  for (const limit of [0.3, 1, null, 0.8]) expect(built).toContain(red(limit));
  expect(built).toContain(runbookOf('SeckillCpu'));
  expect(() => limitOf('SeckillNobody')).toThrow('no alert SeckillNobody');
});

test('panels neither overlap nor share an id', () => {
  for (const board of boards) {
    const built = (dashboardOf(board).panels ?? []) as {
      id: number;
      gridPos: { x: number; y: number; w: number; h: number };
    }[];
    expect(new Set(built.map(({ id }) => id)).size).toBe(built.length);
    const cells = built.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)},${y + Math.floor(cell / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
  }
});

test('Grafana finds the files, and asks what is there', () => {
  const read = (file: string) =>
    parse(readFileSync(join(import.meta.dirname, '../provisioning', file), 'utf8')) as never;
  const { datasources } = read('datasources/seckill.yaml') as {
    datasources: { type: string; isDefault?: boolean; jsonData?: { timeInterval?: string } }[];
  };
  const [standard] = datasources.filter(({ isDefault }) => isDefault === true);
  expect(standard?.type).toBe(datasource.type);
  const prometheus = parse(
    readFileSync(join(import.meta.dirname, '../prometheus/prometheus.yml'), 'utf8'),
  ) as { global: { scrape_interval: string } };
  expect(standard?.jsonData?.timeInterval).toBe(prometheus.global.scrape_interval);
  const { providers } = read('dashboards/seckill.yaml') as { providers: { type: string }[] };
  expect(providers.map(({ type }) => type)).toEqual(['file']);
});
