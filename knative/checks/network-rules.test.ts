import { networkRules } from './network-rules.ts';
import { configMap, seenToFail } from './test-kit.ts';

seenToFail(networkRules, {
  'functions are reached by Knative and its gateway, through the queue-proxy': [
    [
      'a pod of default reaches purchase at 8012',
      ['NetworkPolicy functions', ['spec', 'ingress', 0, 'from']],
    ],
    [
      'a pod of kourier-system reaches purchase at 8080',
      ['NetworkPolicy functions', ['spec', 'ingress', 0, 'ports']],
    ],
    [
      'a pod of kourier-system does not reach',
      [
        'NetworkPolicy functions',
        ['spec', 'ingress', 0, 'from', 0, 'namespaceSelector', 'matchExpressions', 0, 'values'],
        ['knative-serving'],
      ],
    ],
    [
      'the outside does not reach update-rank at 9464',
      ['NetworkPolicy functions', ['spec', 'ingress', 1]],
    ],
    [
      'the outside reaches purchase at 8012',
      ['NetworkPolicy functions', []],
      ['NetworkPolicy default-deny', []],
    ],
  ],
  'stores are reached by the functions that use them, and by nobody else': [
    [
      'a pod of default reaches mysql',
      ['NetworkPolicy mysql', ['spec', 'ingress', 0, 'from']],
      ['NetworkPolicy default-deny', []],
    ],
    [
      'persist-order does not reach mysql',
      [
        'NetworkPolicy mysql',
        ['spec', 'ingress', 0, 'from', 0, 'podSelector', 'matchExpressions', 0, 'values'],
        ['purchase'],
      ],
    ],
    ['update-rank does not reach redis', ['NetworkPolicy to-redis', []]],
    [
      'knative-eventing does not reach kafka',
      ['NetworkPolicy kafka', ['spec', 'ingress', 0, 'from', 2]],
    ],
  ],
  'every address of the environment is reached': [
    [
      'purchase does not reach kafka at 9094',
      [configMap, ['data', 'SECKILL_KAFKA_BROKERS'], 'kafka.seckill.svc.cluster.local:9094'],
    ],
    [
      'purchase does not reach the outside at 2379',
      [configMap, ['data', 'SECKILL_ETCD_ENDPOINTS'], 'http://etcd.example:2379'],
    ],
  ],
  'a store’s nodes reach each other': [
    ['etcd does not reach etcd at 2380', ['NetworkPolicy etcd', ['spec', 'egress']]],
  ],
  'the edge reaches purchase by the gateway, and the issuer; nobody else goes out': [
    ['ratelimit-edge does not reach a pod of kourier-system', ['NetworkPolicy to-gateway', []]],
    [
      'purchase reaches the outside at 443',
      ['NetworkPolicy to-issuer', ['spec', 'podSelector'], {}],
    ],
    ['purchase does not reach a pod of kube-system at 53', ['NetworkPolicy dns', []]],
    [
      'purchase does not reach a node’s own DNS at 53',
      ['NetworkPolicy dns', ['spec', 'egress', 0, 'to', 1]],
    ],
    [
      'purchase reaches the outside at 53',
      ['NetworkPolicy dns', ['spec', 'egress', 0, 'to', 1, 'ipBlock', 'cidr'], '0.0.0.0/0'],
    ],
  ],
  'traces and last counters go to namespaces that are labelled for it': [
    [
      'update-rank does not reach a pod of observability at 4318',
      ['NetworkPolicy to-telemetry', []],
    ],
    [
      'purchase does not reach a pod of observability at 9090',
      ['NetworkPolicy to-telemetry', ['spec', 'egress', 0, 'ports', 2]],
    ],
    [
      'purchase reaches the outside at 4317',
      ['NetworkPolicy to-telemetry', ['spec', 'egress', 0, 'to']],
    ],
  ],
  'a Job reaches what it says it uses, and no more': [
    ['make-secrets does not reach the outside at 6443', ['NetworkPolicy to-kubernetes', []]],
    ['migrate-0003 does not reach mysql', ['NetworkPolicy to-mysql', []]],
  ],
});
