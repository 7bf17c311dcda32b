// What a single server cannot be made to show: the loss of a broker, of slots, of a disk.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import type { Check } from '#lib/diagnosis.ts';
import type { KafkaPartition, KafkaState } from '#lib/kafka/inspect.ts';
import { topics } from '#lib/names.ts';
import { judgeClocks } from './clocks.ts';
import { judgeEtcd } from './etcd.ts';
import { judgeKafka } from './kafka.ts';
import { judgeMysql, type MysqlSettings } from './mysql.ts';
import { judgeRedis, nodeOf } from './redis.ts';

const faultsIn = (checks: readonly Check[]) =>
  checks.filter(({ result }) => result !== 'ok').map(({ name, result }) => `${name} ${result}`);

const whole: KafkaPartition = { partition: 0, hasLeader: true, replicas: 3, inSync: 3 };
function threeBrokers(
  partition: Partial<KafkaPartition>,
  settings: Readonly<Record<string, string>> | undefined,
): KafkaState {
  const read = settings && new Map(Object.entries({ 'min.insync.replicas': '2', ...settings }));
  const topic = {
    name: 'orders',
    exists: true,
    partitions: [{ ...whole, ...partition }],
    settings: read,
  };
  return { brokers: 3, topics: [topic], groups: [{ name: 'group', members: 1 }] };
}

test.each([
  ['is well', {}, {}, []],
  ['has a replica that fell behind', { inSync: 2 }, {}, ['health wrong']],
  ['has no leader', { hasLeader: false, inSync: 0 }, {}, ['health wrong']],
  ['has two replicas', { replicas: 2, inSync: 2 }, {}, ['replication wrong', 'insync wrong']],
  ['asks for one replica', {}, { 'min.insync.replicas': '1' }, ['insync wrong']],
  ['asks for all replicas', {}, { 'min.insync.replicas': '3' }, ['insync wrong']],
  ['deletes by size', {}, { 'retention.bytes': '1000' }, ['retention wrong']],
  ['deletes after a day', {}, { 'retention.ms': '86400000' }, ['retention wrong']],
  ['keeps everything', {}, { 'retention.ms': '-1', 'retention.bytes': '-1' }, []],
  ['may not be read', {}, undefined, ['insync advice', 'retention advice']],
])('a topic on three brokers that %s', (_, partition, settings, expected) => {
  const state = threeBrokers(partition, settings);
  expect(faultsIn(judgeKafka(state, [{ name: 'orders', partitions: 1 }]))).toEqual(expected);
});

test('a topic of orders that takes no full batch', () => {
  const state = threeBrokers({}, { 'max.message.bytes': '1000' });
  const topics = state.topics.map((topic) => ({ ...topic, name: 'seckill.orders' }));
  const expected = [{ name: 'seckill.orders', partitions: 1 }];
  expect(faultsIn(judgeKafka({ ...state, topics }, expected))).toEqual(['messages wrong']);
});

test('a topic that has a partition without a leader', () => {
  const state = threeBrokers({}, undefined);
  const topics = state.topics.map((topic) => ({ ...topic, partitions: [] }));
  const expected = [{ name: 'orders', partitions: 1 }];
  expect(faultsIn(judgeKafka({ ...state, topics }, expected))).toEqual(['leaders wrong']);
});

test('the topics as they are shipped are well', () => {
  const file = join(import.meta.dirname, '../../../kafka-sources/topics.yaml');
  const { data } = parse(readFileSync(file, 'utf8')) as { data: Record<string, string> };
  const shipped = parse(data['topics.yaml'] ?? '') as {
    name: string;
    partitions: number;
    replicationFactor: number;
    config: Record<string, unknown>;
  }[];
  const state = shipped.map(({ name, partitions, replicationFactor: replicas, config }) => ({
    ...{ name, exists: true },
    partitions: Array.from({ length: partitions }, (_, partition) => ({
      ...{ partition, hasLeader: true, replicas, inSync: replicas },
    })),
    settings: new Map(Object.entries(config).map(([key, value]) => [key, String(value)])),
  }));
  const checks = judgeKafka({ brokers: 3, topics: state, groups: [] }, topics);
  expect(checks.filter(({ result }) => result !== 'ok')).toEqual([]);
});

test('groups that may not be described', () => {
  const state = { ...threeBrokers({}, {}), groups: undefined };
  const expected = [{ name: 'orders', partitions: 1 }];
  expect(faultsIn(judgeKafka(state, expected))).toEqual(['consumers advice']);
});

const infoOf = (fields: Readonly<Record<string, string>>) =>
  Object.entries({
    redis_version: '7.4.1',
    redis_mode: 'cluster',
    role: 'master',
    connected_slaves: '1',
    maxmemory_policy: 'noeviction',
    aof_enabled: '1',
    aof_last_write_status: 'ok',
    connected_clients: '10',
    maxclients: '10000',
    used_memory: '1000000',
    maxmemory: '0',
    ...fields,
  })
    .map(([name, value]) => `${name}:${value}\r\n`)
    .join('');

test.each([
  ['is well', {}, []],
  ['is old', { redis_version: '6.0.16' }, ['version wrong']],
  ['cannot write', { aof_last_write_status: 'err' }, ['writes wrong']],
  ['has no more connections', { connected_clients: '9000' }, ['clients wrong']],
  ['is nearly full', { used_memory: '900', maxmemory: '1000' }, ['memory wrong']],
  ['keeps no file, but has a replica', { aof_enabled: '0' }, ['persistence advice']],
])('a node of a Redis Cluster that %s', (_, fields, expected) => {
  const state = { state: 'ok', slotsOk: 16_384 };
  expect(faultsIn(judgeRedis([nodeOf('redis-0', infoOf(fields))], state))).toEqual(expected);
});

test('a Redis Cluster that does not serve all slots', () => {
  const nodes = [nodeOf('redis-0', infoOf({}))];
  const checks = judgeRedis(nodes, { state: 'fail', slotsOk: 10_923 });
  expect(faultsIn(checks)).toEqual(['topology wrong']);
  expect(checks.find(({ name }) => name === 'topology')?.found).toContain('10923 of 16384');
});

const mysql: MysqlSettings = {
  version: '8.4.3',
  isReadOnly: false,
  flushAtCommit: 1,
  syncBinlog: 1,
  connectionsMax: 400,
  connections: 40,
  packetBytesMax: 67_108_864,
  zoneHours: 0,
};

test.each<[string, Partial<MysqlSettings>, string[]]>([
  ['is well', {}, []],
  ['writes no binary log', { syncBinlog: undefined }, []],
  ['is MariaDB', { version: '10.11.19-MariaDB-0+deb12u1' }, []],
  ['is an old MySQL', { version: '5.7.44-log' }, ['version wrong']],
  ['is an old MariaDB', { version: '10.5.1-MariaDB' }, ['version wrong']],
  ['is a replica', { isReadOnly: true }, ['writable wrong']],
  ['flushes once a second', { flushAtCommit: 2 }, ['durability wrong']],
  ['does not sync its binary log', { syncBinlog: 0 }, ['durability wrong']],
  ['has no more connections', { connections: 390 }, ['connections wrong']],
  ['takes small statements', { packetBytesMax: 1_048_576 }, ['packets wrong']],
  ['lives in Shanghai', { zoneHours: 8 }, ['zone advice']],
])('a MySQL that %s', (_, settings, expected) => {
  expect(faultsIn(judgeMysql({ ...mysql, ...settings }))).toEqual(expected);
});

const member = {
  endpoint: 'http://etcd-0:2379',
  version: '3.5.17',
  databaseBytes: 1_000_000,
  hasLeader: true,
  revision: 1_000_000,
  isCompacted: true,
  alarms: [],
} as const;

test.each([
  ['is well', {}, []],
  ['knows no leader', { hasLeader: false }, ['members wrong']],
  ['was never compacted', { isCompacted: false }, ['compaction wrong']],
  ['is young', { isCompacted: false, revision: 100 }, []],
  ['does not say', { isCompacted: undefined }, ['compaction advice']],
  ['is large', { databaseBytes: 2_000_000_000 }, ['size wrong']],
  ['is corrupt', { alarms: ['CORRUPT'] }, ['alarms wrong']],
])('an etcd that %s', (_, told, expected) => {
  expect(faultsIn(judgeEtcd([{ ...member, ...told }]))).toEqual(expected);
});

test('clocks are apart only where the way there cannot have made it', () => {
  const skew = { whose: 'Redis a', aheadMs: 1_200, uncertainMs: 800 };
  expect(judgeClocks([skew]).result).toBe('ok');
  expect(judgeClocks([{ ...skew, uncertainMs: 600 }]).result).toBe('wrong');
  expect(judgeClocks([{ ...skew, aheadMs: -1_200, uncertainMs: 5 }]).found).toBe(
    'Redis a is 1.2 s behind purchase',
  );
  expect(judgeClocks([]).result).toBe('unknown');
});
