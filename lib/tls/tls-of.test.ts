import { expect, test } from 'vitest';
import {
  etcdNames,
  kafkaNames,
  mysqlNames,
  readEnvironment,
  redisNames,
} from '#lib/environment.ts';
import { etcdAccessOf } from '#lib/etcd/access.ts';
import { kafkaAccessIn } from '#lib/kafka/access.ts';
import { mysqlAccessIn } from '#lib/mysql/access.ts';
import { redisAccessOf } from '#lib/redis/access.ts';

const nowhere = '/nowhere/ca.crt';
const given = {
  SECKILL_KAFKA_BROKERS: 'k:9092',
  SECKILL_REDIS_URL: 'redis://u:p@r:6379',
  SECKILL_MYSQL_URL: 'mysql://u:p@m:3306/seckill',
  SECKILL_ETCD_ENDPOINTS: 'http://e:2379',
};
type More = Readonly<Record<string, string>>;

const accessOf = {
  kafka: (more: More = {}) => kafkaAccessIn({ ...given, ...more }),
  mysql: (more: More = {}) => mysqlAccessIn({ ...given, ...more }),
  redis: (more: More = {}) => redisAccessOf(readEnvironment(redisNames, { ...given, ...more })),
  etcd: (more: More = {}) => etcdAccessOf(readEnvironment(etcdNames, { ...given, ...more })),
};

test('where nothing more is said, connections are plain', () => {
  expect(accessOf.kafka()).toEqual({ brokers: ['k:9092'] });
  expect(accessOf.mysql()).toEqual({ url: given.SECKILL_MYSQL_URL });
  expect(accessOf.redis()).toEqual({ urls: [given.SECKILL_REDIS_URL] });
  expect(accessOf.etcd()).toEqual({ endpoints: ['http://e:2379'] });
});

test('where no authority is named, the public ones are believed', () => {
  expect(accessOf.kafka({ SECKILL_KAFKA_TLS: 'on' }).tls).toEqual({});
  expect(accessOf.mysql({ SECKILL_MYSQL_TLS: 'on' }).tls).toEqual({});
  expect(accessOf.redis({ SECKILL_REDIS_URL: 'rediss://r:6379' }).tls).toEqual({});
  expect(accessOf.etcd({ SECKILL_ETCD_ENDPOINTS: 'https://e:2379' }).tls).toEqual({});
});

const off = /but it is off/;
test.each([
  ['kafka', { SECKILL_KAFKA_CA_FILE: nowhere }, off],
  ['kafka', { SECKILL_KAFKA_CERT_FILE: nowhere }, off],
  ['mysql', { SECKILL_MYSQL_KEY_FILE: nowhere }, off],
  ['redis', { SECKILL_REDIS_TLS_SERVER_NAME: 'r' }, off],
  ['etcd', { SECKILL_ETCD_CA_FILE: nowhere }, off],
  ['kafka', { SECKILL_KAFKA_TLS: 'on', SECKILL_KAFKA_CA_FILE: nowhere }, /KAFKA: .*ENOENT/],
  [
    'kafka',
    { SECKILL_KAFKA_TLS: 'on', SECKILL_KAFKA_KEY_FILE: nowhere },
    /CERT_FILE and .* together/,
  ],
  ['kafka', { SECKILL_KAFKA_USERNAME: 'u' }, /set together, or none/],
  ['kafka', { SECKILL_KAFKA_SASL_MECHANISM: 'PLAIN', SECKILL_KAFKA_USERNAME: 'u' }, /together/],
  ['kafka', { SECKILL_KAFKA_SASL_MECHANISM: 'NTLM' }, /SECKILL_KAFKA_SASL_MECHANISM: /],
  ['redis', { SECKILL_REDIS_URL: 'rediss://r:1,redis://r:2' }, /either all .* or none/],
  ['etcd', { SECKILL_ETCD_ENDPOINTS: 'https://e:1,http://e:2' }, /either all .* or none/],
  ['etcd', { SECKILL_ETCD_USERNAME: 'u' }, /set together, or neither/],
] as const)('%s with %j does not start', (store, more, message) => {
  expect(() => accessOf[store](more)).toThrow(message);
});

test('every variable of a store is read where its access is', () => {
  const names = [...etcdNames, ...kafkaNames, ...mysqlNames, ...redisNames];
  expect(new Set(names).size).toBe(names.length);
  for (const name of names) expect(name).toMatch(/^SECKILL_(ETCD|KAFKA|MYSQL|REDIS)_/);
});
