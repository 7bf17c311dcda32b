// The alerts as the rules have them: a panel shows the limit at which somebody is called, and leads
// to what to do then. Neither is written down twice.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

const file = join(import.meta.dirname, '../alerts/rules.yml');

export interface Rule {
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** All rules, in the order of the file. */
export function readRules(): readonly Rule[] {
  const { groups } = parse(readFileSync(file, 'utf8')) as { groups: { rules: Rule[] }[] };
  return groups.flatMap(({ rules }) => rules);
}

/** Where it is said what to do; throws where there is no such alert. */
export function runbookOf(name: string): string {
  const url = ruleOf(name).annotations?.runbook_url;
  if (url === undefined) throw new Error(`alerts/rules.yml: ${name} has no runbook`);
  return url;
}

/** Where all runbooks are; throws where the rules do not agree. */
export function runbooksUrl(): string {
  const alerts = readRules().flatMap(({ alert }) => alert ?? []);
  const pages = new Set(alerts.map((name) => runbookOf(name).replace(/#.*$/, '')));
  const [page, ...others] = pages;
  if (page === undefined || others.length > 0) throw new Error('alerts/rules.yml: two runbooks');
  return page;
}

/** The value beyond which it fires: the first that it compares with. */
export function limitOf(name: string): { readonly limit: number; readonly firesBelow: boolean } {
  const [, sign, limit] = /([<>])\s*(\d+(?:\.\d+)?)/.exec(ruleOf(name).expr) ?? [];
  if (limit === undefined) throw new Error(`alerts/rules.yml: ${name} has no limit`);
  return { limit: Number(limit), firesBelow: sign === '<' };
}

function ruleOf(name: string): Rule {
  const rule = readRules().find(({ alert }) => alert === name);
  if (rule === undefined) throw new Error(`alerts/rules.yml has no alert ${name}`);
  return rule;
}
