import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { functionNames } from '#knative/local/build.ts';
import { parseExposition } from '#knative/plugin/status/exposition.ts';
import { closedLabels } from './closed-labels.ts';
import { listMetrics, registryOf } from './metric-list.ts';
import { readUses } from './metric-uses.ts';
import { documentFile, metricsDocument } from './metrics-document.ts';
import { strayLabels } from './stray-labels.ts';

const metrics = listMetrics();

test('metrics.md says what the code registers', () => {
  const advice = 'run: npx node grafana/metrics-document.ts';
  expect(readFileSync(documentFile, 'utf8'), advice).toBe(metricsDocument());
});

test('every metric has somebody who reads it', () => {
  const ofPrograms = /^(process|nodejs)_/;
  const read = Object.keys(readUses()).filter((name) => !ofPrograms.test(name));
  expect(read.sort()).toEqual(metrics.map(({ name }) => name));
});

test('every label has a closed list, and no list is left over', () => {
  const labels = metrics
    .map(({ name, labels: all }) => [name, all.filter((label) => label !== 'le').sort()] as const)
    .filter(([, own]) => own.length > 0);
  const listed = Object.entries(closedLabels).map(([name, own]) => [name, Object.keys(own).sort()]);
  expect(listed.sort()).toEqual(labels.sort());
});

test.each(functionNames)('what %s says when nothing has happened is on the lists', async (name) => {
  const series = parseExposition(await registryOf(name).metrics());
  expect(series.length).toBeGreaterThan(50);
  expect(strayLabels(series)).toEqual([]);
});

test('what a counter counts is there at 0 before it happens, so that the first is an increase', async () => {
  const told = await Promise.all(
    functionNames.map(async (name) => parseExposition(await registryOf(name).metrics())),
  );
  const counters = metrics.filter(({ type }) => type === 'counter');
  const wanted = counters.flatMap(({ name }) =>
    Object.entries(closedLabels[name] ?? {}).flatMap(([label, values]) =>
      values.map((value) => `${name}{${label}="${value}"} 0`),
    ),
  );
  const there = told
    .flat()
    .flatMap(({ name, labels, value: count }) =>
      Object.entries(labels).map(([label, value]) => `${name}{${label}="${value}"} ${count}`),
    );
  expect(wanted.length).toBeGreaterThan(100);
  expect(wanted.filter((one) => !there.includes(one))).toEqual([]);
});

test('a label that a request could fill is seen', () => {
  const labels = { function: 'purchase', outcome: 'accepted' };
  const name = 'seckill_purchases_total';
  expect(strayLabels([{ name, labels, value: 1 }])).toEqual([]);
  expect(strayLabels([{ name, labels: { ...labels, outcome: 'x"; drop' }, value: 1 }])).toEqual([
    'seckill_purchases_total{outcome="x"; drop"}',
  ]);
  expect(strayLabels([{ name, labels: { ...labels, product: 'phone' }, value: 1 }])).toEqual([
    'seckill_purchases_total{product="phone"}',
  ]);
  expect(strayLabels([{ name: 'seckill_new_total', labels, value: 1 }])).toEqual([
    'seckill_new_total{outcome="accepted"}',
  ]);
});
