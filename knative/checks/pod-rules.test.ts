import { podRules } from './pod-rules.ts';
import { annotation, container, pod, purchase, seenToFail } from './test-kit.ts';

seenToFail(podRules, {
  'every container is as restricted as the namespace asks': [
    ...[
      'runAsNonRoot',
      'runAsUser',
      'readOnlyRootFilesystem',
      'allowPrivilegeEscalation',
      'capabilities',
      'seccompProfile',
    ].map(
      (field) =>
        [
          `lacks ${field}`.replace('capabilities', 'capabilities.drop'),
          [purchase, [...container, 'securityContext', field]],
        ] as const,
    ),
    [
      'lacks no capabilities.add',
      [purchase, [...container, 'securityContext', 'capabilities', 'add'], ['NET_BIND_SERVICE']],
    ],
    [
      'lacks no privileged',
      ['Job migrate-0003', [...container, 'securityContext', 'privileged'], true],
    ],
    [
      'Job migrate-0003: container migrate: securityContext lacks runAsNonRoot',
      ['Job migrate-0003', [...pod, 'securityContext', 'runAsNonRoot']],
    ],
  ],
  'every container says what it needs, and has a limit of memory': [
    ['requests.cpu', [purchase, [...container, 'resources', 'requests', 'cpu']]],
    ['limits.memory', [purchase, [...container, 'resources', 'limits']]],
  ],
  'every image has a version, and ours the version of the package': [
    ['has no version', [purchase, [...container, 'image'], 'ghcr.io/seckill/purchase:latest']],
    ['has no version', [purchase, [...container, 'image'], 'localhost:5000/purchase']],
    ['is not of version', [purchase, [...container, 'image'], 'ghcr.io/seckill/purchase:0.0.9']],
  ],
  'only who speaks to the API server has a token for it': [
    ['must be false', [purchase, [...pod, 'automountServiceAccountToken']]],
    ['must be true', ['Job make-secrets', [...pod, 'automountServiceAccountToken'], false]],
  ],
  'no pod is given a variable for every Service of the namespace': [
    ['enableServiceLinks', ['Job migrate-0003', [...pod, 'enableServiceLinks']]],
  ],
  'a Job makes way for the next release’s, and is tried again': [
    ['ttlSecondsAfterFinished', ['Job migrate-0003', ['spec', 'ttlSecondsAfterFinished']]],
    ['restartPolicy', ['Job migrate-0003', [...pod, 'restartPolicy'], 'Never']],
  ],
  'metrics are found where the function serves them': [
    ["prometheus.io/port must be '9464'", [purchase, annotation('prometheus.io/port'), '8080']],
  ],
});
