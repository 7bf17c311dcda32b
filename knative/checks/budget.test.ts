import { budgetRules } from './budget.ts';
import { edge, purchase, scaling, seenToFail } from './test-kit.ts';

const redisOf = (memory: string) => ({
  apiVersion: 'apps/v1',
  kind: 'StatefulSet',
  metadata: { name: 'redis' },
  spec: { template: { spec: { containers: [{ resources: { limits: { memory } } }] } } },
});
const redisConfig = (line: string) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'redis-config-0123456789' },
  data: { 'redis.conf': `port 6379\n${line}\n` },
});

seenToFail(budgetRules, {
  'max-scale times connections is within each store’s budget': [
    ['connections to mysql, which has 400', [purchase, scaling('max-scale'), '30']],
    ['connections to redis', [edge, scaling('max-scale'), '900']],
  ],
  'a MySQL that comes with the overlay allows as many connections as the budget says': [
    [
      'max_connections 151',
      [
        'added',
        [],
        {
          apiVersion: 'apps/v1',
          kind: 'StatefulSet',
          metadata: { name: 'mysql' },
          spec: { template: { spec: { containers: [] } } },
        },
      ],
    ],
  ],
  'a Redis that comes with the overlay has memory for its maxmemory while it is copied': [
    [
      'of maxmemory 768mb it may take 2087Mi, not 1536Mi',
      ['added', [], redisOf('1536Mi')],
      ['added', [], redisConfig('maxmemory 768mb')],
    ],
    ['it may take NaNMi', ['added', [], redisOf('2304Mi')], ['added', [], redisConfig('')]],
  ],
});
