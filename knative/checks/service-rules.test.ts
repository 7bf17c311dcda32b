import { serviceRules } from './service-rules.ts';
import { container, edge, persist, pod, purchase, seenToFail } from './test-kit.ts';

seenToFail(serviceRules, {
  'only the edge has a public route': [
    [
      'purchase: has a public route',
      [purchase, ['metadata', 'labels', 'networking.knative.dev/visibility']],
    ],
    [
      'counts as a label only',
      [
        purchase,
        ['metadata', 'annotations'],
        { 'networking.knative.dev/visibility': 'cluster-local' },
      ],
    ],
    [
      'ratelimit-edge: has no public route',
      [edge, ['metadata', 'labels', 'networking.knative.dev/visibility'], 'cluster-local'],
    ],
  ],
  'a Service uses no field that needs a feature of Knative': [
    ['initContainers is refused', [purchase, [...pod, 'initContainers'], []]],
    ['securityContext is refused', [purchase, [...pod, 'securityContext'], { runAsNonRoot: true }]],
    ['affinity is refused', [purchase, [...pod, 'affinity'], {}]],
    ['topologySpreadConstraints is refused', [purchase, [...pod, 'topologySpreadConstraints'], []]],
    ['nodeSelector is refused', [purchase, [...pod, 'nodeSelector'], {}]],
    [
      'fieldRef is refused',
      [
        purchase,
        [...container, 'env', '-'],
        { name: 'SECKILL_HOST', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
      ],
    ],
  ],
  'a Service declares one port, and none of Knative’s own': [
    [
      'more than one containerPort',
      [purchase, [...container, 'ports', '-'], { containerPort: 9_464 }],
    ],
    ['port 9090 is Knative’s own', [purchase, [...container, 'ports', 0, 'containerPort'], 9_090]],
    ['a port named metrics', [purchase, [...container, 'ports', 0, 'name'], 'metrics']],
  ],
  'readiness is asked by the queue-proxy, and liveness never alone': [
    ['readinessProbe is not', [purchase, [...container, 'readinessProbe']]],
    ['a cold start takes', [purchase, [...container, 'readinessProbe', 'periodSeconds'], 1]],
    [
      'are refused without a period',
      [purchase, [...container, 'readinessProbe', 'failureThreshold'], 3],
    ],
    ['busy event loop', [purchase, [...container, 'livenessProbe', 'timeoutSeconds'], 1]],
    [
      'livenessProbe is not',
      [purchase, [...container, 'livenessProbe', 'httpGet', 'path'], '/readyz'],
    ],
  ],
  'a Service has time to end, and Knative waits longer than the function': [
    ['also its grace period', [persist, [...pod, 'timeoutSeconds'], 30]],
    ['above 600', [persist, [...pod, 'timeoutSeconds'], 900]],
    ['must be below timeoutSeconds', [persist, [...pod, 'responseStartTimeoutSeconds'], 60]],
    ['cuts answers off (12.5 s)', [persist, [...pod, 'responseStartTimeoutSeconds'], 12]],
  ],
  'a sink takes at most one dispatcher’s events at once': [
    ['containerConcurrency', [persist, [...pod, 'containerConcurrency'], 0]],
    ['containerConcurrency', [persist, [...pod, 'containerConcurrency'], 10]],
  ],
  'what Knative sets is not set': [
    [
      'PORT is set by Knative',
      [purchase, [...container, 'env', '-'], { name: 'PORT', value: '8080' }],
    ],
  ],
  'what is mounted is read only, unless it is an emptyDir': [
    [
      'volume tls needs readOnly',
      [purchase, [...container, 'volumeMounts', '-'], { name: 'tls', mountPath: '/tls' }],
      [purchase, [...pod, 'volumes', '-'], { name: 'tls', secret: { secretName: 'redis-tls' } }],
    ],
  ],
});
