import { describe, expect, test } from 'vitest';
import { problemsOf } from './rules.ts';
import { schemaProblems } from './schemas.ts';
import {
  base,
  container,
  dead,
  type Edit,
  edited,
  pod,
  purchase,
  scaling,
  source,
} from './test-kit.ts';

describe('the schemas', () => {
  // Each kind's is compiled here, which takes its time.
  test('have nothing against the manifests', { timeout: 60_000 }, () => {
    expect(schemaProblems(base)).toEqual([]);
  });

  const broken: readonly (readonly [said: string, ...edits: Edit[]])[] = [
    ['there is no field lifecycle', [purchase, [...container, 'lifecycle'], {}]],
    [
      'there is no field terminationGracePeriodSeconds',
      [purchase, [...pod, 'terminationGracePeriodSeconds'], 30],
    ],
    ['there is no field containerConcurency', [purchase, [...pod, 'containerConcurency'], 30]],
    [
      'spec.template.spec.timeoutSeconds: must be integer',
      [purchase, [...pod, 'timeoutSeconds'], '60'],
    ],
    ['annotations.autoscaling.knative.dev', [purchase, scaling('max-scale'), 6]],
    ['metadata: there is no field label', [purchase, ['metadata', 'label'], {}]],
    ['there is no field retries', [source, ['spec', 'delivery', 'retries'], 3]],
    ['there is no field contentmode', [dead, ['spec', 'contentmode'], 'binary']],
    ['there is no field backofLimit', ['Job migrate-0003', ['spec', 'backofLimit'], 3]],
    ['there is no field ingres', ['NetworkPolicy mysql', ['spec', 'ingres'], []]],
    ["must have required property 'verbs'", ['Role kn-seckill', ['rules', 0, 'verbs']]],
    ['there is no field status', [purchase, ['status'], {}]],
    [
      'has no schema here',
      ['added', [], { apiVersion: 'v2', kind: 'Service', metadata: { name: 'x' } }],
    ],
  ];

  test.each(broken.map(([said, ...edits]) => ({ said, edits })))(
    'refuse: $said',
    ({ said, edits }) => {
      expect(schemaProblems(edited(edits)).join('\n')).toContain(said);
      // Then the rules are not asked, which could not read it.
      expect(problemsOf(edited(edits))).toEqual(schemaProblems(edited(edits)));
    },
  );
});
