import { environmentRules } from './environment-rules.ts';
import { configMap, container, edge, purchase, seenToFail } from './test-kit.ts';

seenToFail(environmentRules, {
  'a function is given all that it reads, in a form that it takes': [
    ['purchase: SECKILL_STATE_DIR is not set', [purchase, [...container, 'env', 1]]],
    ['purchase: SECKILL_MYSQL_URL is not set', [purchase, [...container, 'envFrom', 1]]],
    ['SECKILL_PURCHASE_URL', [configMap, ['data', 'SECKILL_PURCHASE_URL'], 'purchase']],
    ['SECKILL_TRUSTED_PROXIES', [configMap, ['data', 'SECKILL_TRUSTED_PROXIES'], 'everybody']],
  ],
  'nothing is given that nobody reads': [
    ['no function reads SECKILL_PURCHASE_URI', [configMap, ['data', 'SECKILL_PURCHASE_URI'], 'x']],
    [
      'purchase: does not read SECKILL_JWT_KEY',
      [
        purchase,
        [...container, 'env', '-'],
        {
          name: 'SECKILL_JWT_KEY',
          valueFrom: { secretKeyRef: { name: 'seckill-keys', key: 'SECKILL_JWT_KEY' } },
        },
      ],
    ],
  ],
  'a key has the name of its variable': [
    [
      'SECKILL_SIGNING_KEYS is not that key',
      [purchase, [...container, 'env', 0, 'valueFrom', 'secretKeyRef', 'key'], 'SECKILL_JWT_KEY'],
    ],
  ],
  'tokens are believed by one key, or by one issuer’s keys': [
    ['has both', [configMap, ['data', 'SECKILL_JWT_JWKS_URL'], 'https://issuer.example/keys']],
    ['has neither', [edge, [...container, 'env', 0]]],
  ],
});
