import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { readRules, runbooksUrl } from './dashboards/alerts.ts';
import { listMetrics } from './metric-list.ts';
import { metricsIn } from './metric-uses.ts';

interface Case {
  readonly alert_rule_test: readonly { alertname: string; exp_alerts: readonly unknown[] }[];
}

const read = (file: string) => readFileSync(join(import.meta.dirname, file), 'utf8');
const rules = readRules();
const alerts = rules.filter(({ alert }) => alert !== undefined);
const { tests } = parse(read('alerts/rules.test.yml')) as { tests: Case[] };
const runbooks = read('runbooks.md');

describe.each(alerts.map((rule) => [rule.alert ?? '', rule] as const))('%s', (name, rule) => {
  test('has a case that fires, and one in which it stays silent all the time', () => {
    const cases = tests.map(({ alert_rule_test: checks }) =>
      checks.filter(({ alertname }) => alertname === name),
    );
    const fires = (checks: Case['alert_rule_test']) =>
      checks.some(({ exp_alerts: expected }) => expected.length > 0);
    expect(cases.some(fires)).toBe(true);
    expect(cases.some((checks) => checks.length > 0 && !fires(checks))).toBe(true);
  });

  test('says how bad it is, and has a paragraph on what to do', () => {
    expect(['warning', 'critical']).toContain(rule.labels?.severity);
    expect(rule.annotations?.runbook_url).toBe(`${runbooksUrl()}#${name.toLowerCase()}`);
    const paragraph = runbooks.split(/^## /m).find((one) => one.startsWith(`${name}\n`)) ?? '';
    for (const part of ['**Means**', '**Look at**', '**Do**']) expect(paragraph).toContain(part);
  });
});

test('no runbook is left over', () => {
  const headings = [...runbooks.matchAll(/^## (\w+)$/gm)].map(([, name]) => name);
  expect(headings.sort()).toEqual(alerts.map(({ alert }) => alert).sort());
});

test('where the runbooks are is said by the rules alone, and by what is made from them', () => {
  const folder = import.meta.dirname;
  const naming = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.(ts|ya?ml|json)$/.test(file) && read(file).includes(runbooksUrl()))
    .filter((file) => !file.startsWith('dashboards/generated/'));
  expect(naming.sort()).toEqual(['alerts/rules.test.yml', 'alerts/rules.yml']);
  expect(read('README.md')).toContain(runbooksUrl().replace('/grafana/runbooks.md', ','));
});

test('rules read metrics that there are', () => {
  const known = new Set([...listMetrics().map(({ name }) => name), 'process_cpu_seconds_total']);
  for (const rule of alerts) {
    const names = metricsIn(rule, rules);
    expect(names.length).toBeGreaterThan(0);
    for (const name of names) expect(known).toContain(name);
  }
});
