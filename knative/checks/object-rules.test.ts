import { objectRules } from './object-rules.ts';
import { base, configMap, container, purchase, seenToFail } from './test-kit.ts';

seenToFail(objectRules, {
  'everything is in the namespace, and the namespace asks for the strictest security': [
    ['is not in namespace', [purchase, ['metadata', 'namespace'], 'default']],
    [
      'does not enforce',
      [
        'Namespace seckill',
        ['metadata', 'labels', 'pod-security.kubernetes.io/enforce'],
        'baseline',
      ],
    ],
  ],
  'everything says what it is a part of and what it is, pods too': [
    [
      'no label app.kubernetes.io/name',
      [purchase, ['metadata', 'labels', 'app.kubernetes.io/name']],
    ],
    [
      'its pods',
      [purchase, ['spec', 'template', 'metadata', 'labels', 'app.kubernetes.io/part-of']],
    ],
  ],
  'what pods refer to is there': [
    [
      'no ConfigMap seckill',
      [purchase, [...container, 'envFrom', 0, 'configMapRef', 'name'], 'seckill'],
    ],
    ['no Secret purchas', [purchase, [...container, 'envFrom', 1, 'secretRef', 'name'], 'purchas']],
    ['no ServiceAccount purchase', ['ServiceAccount purchase', []]],
  ],
  'who is given a role is there, and so is the role': [
    ['no Role make-secrets', ['Role make-secrets', []]],
    ['no ServiceAccount kn-seckill', ['ServiceAccount kn-seckill', []]],
  ],
  'no secret is in Git': [
    [
      'Secret purchase',
      [
        'added',
        [],
        { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'purchase' }, stringData: {} },
      ],
    ],
    ['SECKILL_JWT_KEY belongs', [configMap, ['data', 'SECKILL_JWT_KEY'], 'abc']],
    [
      'SECKILL_REDIS_URL belongs',
      [configMap, ['data', 'SECKILL_REDIS_URL'], 'redis://user:pw@redis'],
    ],
    [
      'SECKILL_SIGNING_KEYS belongs',
      [purchase, [...container, 'env', '-'], { name: 'SECKILL_SIGNING_KEYS', value: 'abc' }],
    ],
  ],
  'no right is wider than its use': [
    ['every Secret', ['Role make-secrets', ['rules', 1, 'resourceNames']]],
    ['has a *', ['Role seckill-operator', ['rules', 1, 'verbs'], ['*']]],
    ['make itself more', ['Role seckill-operator', ['rules', 1, 'verbs'], ['impersonate']]],
  ],
  'nothing is there twice': [
    ['is there twice', ['added', [], base.find(({ kind }) => kind === 'Namespace')]],
  ],
  'a disruption budget lets a node be drained': [
    ['must be 1', ['PodDisruptionBudget purchase', ['spec', 'maxUnavailable'], 0]],
  ],
});
