// Who reads a metric: the panels of the dashboards and the alerts, taken from themselves.

import { type Rule, readRules } from './dashboards/alerts.ts';
import { boards } from './dashboards/main.ts';
import { allQueries } from './dashboards/panel.ts';

/** By metric: dashboards with their panels, then alerts, as metrics.md shows them. */
export function readUses(): Readonly<Record<string, string>> {
  const readers = new Map<string, Set<string>>();
  const note = (metrics: readonly string[], reader: string) => {
    for (const metric of metrics) {
      readers.set(metric, (readers.get(metric) ?? new Set()).add(reader));
    }
  };
  for (const { title, sections } of boards) {
    for (const panel of sections.flatMap(({ panels }) => panels)) {
      const metrics = allQueries(panel).flatMap(({ expr }) => metricsOf(expr));
      note(metrics, `*${title}*: ${panel.title}`);
    }
  }
  const rules = readRules();
  for (const rule of rules) {
    if (rule.alert !== undefined) note(metricsIn(rule, rules), rule.alert);
  }
  return Object.fromEntries([...readers].map(([metric, by]) => [metric, [...by].join('; ')]));
}

/** What a rule reads, with what the rules that it goes by read. */
export function metricsIn({ expr, record }: Rule, rules: readonly Rule[]): readonly string[] {
  const recorded = (expr.match(/\bseckill:\w+/g) ?? []).filter((name) => name !== record);
  const from = rules.filter((rule) => rule.record !== undefined && recorded.includes(rule.record));
  return [...metricsOf(expr), ...from.flatMap((rule) => metricsIn(rule, rules))];
}

/** The metrics of an expression; of a histogram's parts the histogram. */
export function metricsOf(expr: string): readonly string[] {
  const names = expr.match(/\b(?:seckill|process|nodejs)_\w+/g) ?? [];
  return names.map((name) => name.replace(/_(bucket|sum|count)$/, ''));
}
