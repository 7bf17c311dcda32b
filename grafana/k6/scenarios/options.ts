// The options that all scenarios share.

import type { Options, Scenario as ScenarioClass } from 'k6/options';
import { thresholds } from './purchase.ts';

/** As k6 takes it: a plain object, where its types have a class. */
export type Scenario = PlainOf<ScenarioClass>;
type PlainOf<T> = T extends unknown ? { [Name in keyof T]: T[Name] } : never;

export function optionsOf(
  scenarios: Readonly<Record<string, Scenario>>,
  more: Options['thresholds'] = {},
): Options {
  return {
    scenarios: { ...scenarios },
    thresholds: { ...thresholds, ...more },
    // Each tag costs for each request; these are all that a threshold asks for.
    systemTags: ['scenario', 'name', 'status'],
    summaryTrendStats: ['avg', 'med', 'p(90)', 'p(99)', 'max', 'count'],
    // The answers to what is under way are waited for: an order without its answer is no proof.
    setupTimeout: '120s',
  };
}

/** Longer than any answer takes. */
export const gracefulStop = '15s';
