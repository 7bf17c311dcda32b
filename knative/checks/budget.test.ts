import { budgetRules } from './budget.ts';
import { edge, purchase, scaling, seenToFail } from './test-kit.ts';

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
});
