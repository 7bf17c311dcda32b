// All rules of the manifests.

import { autoscalingRules } from './autoscaling-rules.ts';
import { budgetRules } from './budget.ts';
import { environmentRules } from './environment-rules.ts';
import type { Manifest } from './manifest.ts';
import { networkRules } from './network-rules.ts';
import { objectRules } from './object-rules.ts';
import { podRules } from './pod-rules.ts';
import type { Rule } from './rule.ts';
import { schemaProblems } from './schemas.ts';
import { serviceRules } from './service-rules.ts';
import { sourceRules } from './source-rules.ts';

export const rules: readonly Rule[] = [
  ...serviceRules,
  ...autoscalingRules,
  ...sourceRules,
  ...podRules,
  ...objectRules,
  ...networkRules,
  ...environmentRules,
  ...budgetRules,
];

/**
 * What is wrong with the manifests, one line each. The schemas come first: rules are only asked
 * about what is of the right shape.
 */
export function problemsOf(manifests: readonly Manifest[]): readonly string[] {
  const unreadable = schemaProblems(manifests);
  if (unreadable.length > 0) return unreadable;
  return rules.flatMap(({ name, check }) =>
    check(manifests).map((problem) => `${problem} (${name})`),
  );
}
