import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { topics } from '#lib/names.ts';
import { readTopics } from './topics.ts';

const file = join(import.meta.dirname, '../../../kafka-sources/topics.yaml');
const { data } = parse(readFileSync(file, 'utf8')) as { data: Record<string, string> };
const declared = readTopics(data['topics.yaml'] ?? '');

test('the manifest declares the topics of lib/names.ts', () => {
  expect(declared.map(({ name, partitions }) => ({ name, partitions }))).toEqual(topics);
});

test('no acknowledged record is on one disk only', () => {
  for (const { replicationFactor, config } of declared) {
    expect(Number(config['min.insync.replicas'])).toBeGreaterThanOrEqual(2);
    expect(replicationFactor).toBeGreaterThan(Number(config['min.insync.replicas']));
    expect(config['unclean.leader.election.enable']).toBe('false');
  }
});

test('the file itself is taken like the list in it', () => {
  expect(readTopics(readFileSync(file, 'utf8'))).toEqual(declared);
});

test('a single broker is asked for one copy', () => {
  for (const { replicationFactor, config } of readTopics(data['topics.yaml'] ?? '', 1)) {
    expect([replicationFactor, config['min.insync.replicas']]).toEqual([1, '1']);
  }
});

test.each([
  [
    'a setting in the wrong place',
    '- {name: a, partitions: 1, replicationFactor: 1, retention: 1}',
  ],
  ['no partitions', '- {name: a, partitions: 0, replicationFactor: 1, config: {}}'],
  ['no topic', '[]'],
])('%s is refused', (_, text) => {
  expect(() => readTopics(text)).toThrow();
});
